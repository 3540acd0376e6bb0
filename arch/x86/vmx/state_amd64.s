#include "go_asm.h"
#include "textflag.h"

// JUSTIFICATION: XSAVE, XRSTOR, XSETBV, debug registers, segment registers and
// MSRs have no Go form.
// SAFETY: the area of ExtendedState is as large as CPUID leaf Dh says for
// HostXCR0, aligned, and owned by the caller; its header is written by XSAVE and
// by the engine only, never by a guest.
//
// Specification: SDM Vol. 1, chapter 13 (XSAVE); Vol. 2 for each instruction.

#define XSETBV BYTE $0x0f; BYTE $0x01; BYTE $0xd1

DATA mxcsr<>+0(SB)/4, $0x1f80
GLOBL mxcsr<>(SB), RODATA|NOPTR, $4

// func LoadExtended(x *ExtendedState, f *Frame)
TEXT ·LoadExtended(SB), NOSPLIT, $0-16
	MOVQ	x+0(FP), SI
	MOVQ	f+8(FP), R8
	MOVQ	ExtendedState_Area(SI), DI
	MOVQ	ExtendedState_HostXCR0(SI), AX
	TESTQ	AX, AX
	JZ	fx
	MOVQ	AX, DX
	SHRQ	$32, DX
	XRSTOR64	(DI)
	MOVQ	ExtendedState_GuestXCR0(SI), AX
	CMPQ	AX, ExtendedState_HostXCR0(SI)
	JEQ	loaded
	MOVQ	AX, DX
	SHRQ	$32, DX
	XORL	CX, CX
	XSETBV
loaded:
	MOVUPS	X15, Frame_X15(R8)
	XORPS	X15, X15
	RET
fx:
	FXRSTOR64	(DI)
	JMP	loaded

// func SaveExtended(x *ExtendedState, f *Frame)
TEXT ·SaveExtended(SB), NOSPLIT, $0-16
	MOVQ	x+0(FP), SI
	MOVQ	f+8(FP), R8
	MOVUPS	Frame_X15(R8), X15
	MOVQ	ExtendedState_Area(SI), DI
	MOVQ	ExtendedState_HostXCR0(SI), R9
	TESTQ	R9, R9
	JZ	fx
	CMPQ	R9, ExtendedState_GuestXCR0(SI)
	JEQ	same
	MOVQ	R9, AX
	MOVQ	R9, DX
	SHRQ	$32, DX
	XORL	CX, CX
	XSETBV
same:
	MOVQ	R9, AX
	MOVQ	R9, DX
	SHRQ	$32, DX
	XSAVE64	(DI)
	TESTQ	$4, R9
	JZ	clean
	VZEROUPPER
clean:
	LDMXCSR	mxcsr<>(SB)
	XORPS	X15, X15
	RET
fx:
	FXSAVE64	(DI)
	JMP	clean

// func HostXCR0(x *ExtendedState)
TEXT ·HostXCR0(SB), NOSPLIT, $0-8
	MOVQ	x+0(FP), SI
	MOVQ	ExtendedState_HostXCR0(SI), AX
	JMP	setxcr0<>(SB)

// func GuestXCR0(x *ExtendedState)
TEXT ·GuestXCR0(SB), NOSPLIT, $0-8
	MOVQ	x+0(FP), SI
	MOVQ	ExtendedState_GuestXCR0(SI), AX
	JMP	setxcr0<>(SB)

// setxcr0 writes AX to XCR0 unless host and guest agree or there is none.
TEXT setxcr0<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	ExtendedState_HostXCR0(SI), DX
	TESTQ	DX, DX
	JZ	out
	CMPQ	DX, ExtendedState_GuestXCR0(SI)
	JEQ	out
	MOVQ	AX, DX
	SHRQ	$32, DX
	XORL	CX, CX
	XSETBV
out:
	RET

// func LoadDR(d *DebugRegisters)
TEXT ·LoadDR(SB), NOSPLIT, $0-8
	MOVQ	d+0(FP), SI
	MOVQ	(DebugRegisters_DR+0)(SI), AX
	BYTE $0x0f; BYTE $0x23; BYTE $0xc0 // mov %rax, %dr0
	MOVQ	(DebugRegisters_DR+8)(SI), AX
	BYTE $0x0f; BYTE $0x23; BYTE $0xc8 // mov %rax, %dr1
	MOVQ	(DebugRegisters_DR+16)(SI), AX
	BYTE $0x0f; BYTE $0x23; BYTE $0xd0 // mov %rax, %dr2
	MOVQ	(DebugRegisters_DR+24)(SI), AX
	BYTE $0x0f; BYTE $0x23; BYTE $0xd8 // mov %rax, %dr3
	MOVQ	DebugRegisters_DR6(SI), AX
	BYTE $0x0f; BYTE $0x23; BYTE $0xf0 // mov %rax, %dr6
	RET

// func SaveDR(d *DebugRegisters)
TEXT ·SaveDR(SB), NOSPLIT, $0-8
	MOVQ	d+0(FP), SI
	BYTE $0x0f; BYTE $0x21; BYTE $0xc0 // mov %dr0, %rax
	MOVQ	AX, (DebugRegisters_DR+0)(SI)
	BYTE $0x0f; BYTE $0x21; BYTE $0xc8 // mov %dr1, %rax
	MOVQ	AX, (DebugRegisters_DR+8)(SI)
	BYTE $0x0f; BYTE $0x21; BYTE $0xd0 // mov %dr2, %rax
	MOVQ	AX, (DebugRegisters_DR+16)(SI)
	BYTE $0x0f; BYTE $0x21; BYTE $0xd8 // mov %dr3, %rax
	MOVQ	AX, (DebugRegisters_DR+24)(SI)
	BYTE $0x0f; BYTE $0x21; BYTE $0xf0 // mov %dr6, %rax
	MOVQ	AX, DebugRegisters_DR6(SI)
	RET

// SWAP writes the MSR whose number is in CX if the two structures differ.
#define SWAP(num, off, done) \
	MOVQ	off(DI), AX \
	CMPQ	AX, off(SI) \
	JEQ	done \
	MOVL	$num, CX \
	MOVQ	AX, DX \
	SHRQ	$32, DX \
	WRMSR

// func SwapMSRs(from, to *MSRs, aux bool)
TEXT ·SwapMSRs(SB), NOSPLIT, $0-17
	MOVQ	from+0(FP), SI
	MOVQ	to+8(FP), DI
	SWAP(0xc0000081, MSRs_STAR, star)
star:
	SWAP(0xc0000082, MSRs_LSTAR, lstar)
lstar:
	SWAP(0xc0000083, MSRs_CSTAR, cstar)
cstar:
	SWAP(0xc0000084, MSRs_SFMASK, sfmask)
sfmask:
	SWAP(0xc0000102, MSRs_KernelGSBase, gsbase)
gsbase:
	CMPB	aux+16(FP), $0
	JEQ	auxdone
	SWAP(0xc0000103, MSRs_TSCAux, auxdone)
auxdone:
	RET

#define GET(num, off) \
	MOVL	$num, CX \
	RDMSR \
	SHLQ	$32, DX \
	ORQ	DX, AX \
	MOVQ	AX, off(SI)

// func ReadMSRs(m *MSRs, aux bool)
TEXT ·ReadMSRs(SB), NOSPLIT, $0-9
	MOVQ	m+0(FP), SI
	GET(0xc0000081, MSRs_STAR)
	GET(0xc0000082, MSRs_LSTAR)
	GET(0xc0000083, MSRs_CSTAR)
	GET(0xc0000084, MSRs_SFMASK)
	GET(0xc0000102, MSRs_KernelGSBase)
	CMPB	aux+8(FP), $0
	JEQ	readdone
	GET(0xc0000103, MSRs_TSCAux)
readdone:
	RET

// func SetCR2(v uint64)
TEXT ·SetCR2(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	MOVQ	CR2, CX
	CMPQ	AX, CX
	JEQ	cr2done
	MOVQ	AX, CR2
cr2done:
	RET

// func TakeInterrupts()
TEXT ·TakeInterrupts(SB), NOSPLIT, $0-0
	STI
	// STI holds interrupts off for one instruction more. The assembler drops
	// what it calls NOP, so these are bytes.
	BYTE $0x90
	BYTE $0x90
	CLI
	RET

// func TakeNMI()
TEXT ·TakeNMI(SB), NOSPLIT, $0-0
	INT	$2
	RET

// func Selectors() (cs, ss, ds, es, fs, gs, tr uint16)
TEXT ·Selectors(SB), NOSPLIT, $0-14
	MOVW	CS, AX
	MOVW	AX, cs+0(FP)
	MOVW	SS, AX
	MOVW	AX, ss+2(FP)
	MOVW	DS, AX
	MOVW	AX, ds+4(FP)
	MOVW	ES, AX
	MOVW	AX, es+6(FP)
	MOVW	FS, AX
	MOVW	AX, fs+8(FP)
	MOVW	GS, AX
	MOVW	AX, gs+10(FP)
	BYTE $0x0f; BYTE $0x00; BYTE $0xc8 // str %eax
	MOVW	AX, tr+12(FP)
	RET

// func DescriptorTables() (gdt, idt uint64)
TEXT ·DescriptorTables(SB), NOSPLIT, $16-16
	BYTE $0x0f; BYTE $0x01; BYTE $0x04; BYTE $0x24 // sgdt (%rsp)
	MOVQ	2(SP), AX
	MOVQ	AX, gdt+0(FP)
	BYTE $0x0f; BYTE $0x01; BYTE $0x0c; BYTE $0x24 // sidt (%rsp)
	MOVQ	2(SP), AX
	MOVQ	AX, idt+8(FP)
	RET
