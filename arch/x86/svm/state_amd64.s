#include "textflag.h"

// JUSTIFICATION: XSAVE, XRSTOR, XSETBV and the debug registers have no Go form.
// SAFETY: the area of ExtendedState is as large as CPUID leaf Dh says for HostXCR0,
// aligned, and owned by the caller; a faulty header in it cannot come from a guest
// because only XSAVE and the engine write it.
//
// Specification: APM Vol. 2 (3.42): 11.5 XSAVE/XRSTOR, 13.1 debug registers.

#define XSETBV BYTE $0x0F; BYTE $0x01; BYTE $0xD1

#define ext_Area      0x00
#define ext_HostXCR0  0x08
#define ext_GuestXCR0 0x10
#define frame_X15     0x10

DATA mxcsr<>+0(SB)/4, $0x1F80
GLOBL mxcsr<>(SB), RODATA|NOPTR, $4

// func LoadExtended(x *ExtendedState, f *Frame)
TEXT ·LoadExtended(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), SI
	MOVQ f+8(FP), R8
	MOVQ ext_Area(SI), DI
	MOVQ ext_HostXCR0(SI), AX
	TESTQ AX, AX
	JZ    fx
	MOVQ  AX, DX
	SHRQ  $32, DX
	XRSTOR64 (DI)
	MOVQ ext_GuestXCR0(SI), AX
	CMPQ AX, ext_HostXCR0(SI)
	JEQ  loaded
	MOVQ AX, DX
	SHRQ $32, DX
	XORL CX, CX
	XSETBV

loaded:
	MOVUPS X15, frame_X15(R8)
	XORPS  X15, X15
	RET

fx:
	FXRSTOR64 (DI)
	JMP loaded

// func SaveExtended(x *ExtendedState, f *Frame)
TEXT ·SaveExtended(SB), NOSPLIT, $0-16
	MOVQ   x+0(FP), SI
	MOVQ   f+8(FP), R8
	MOVUPS frame_X15(R8), X15
	MOVQ   ext_Area(SI), DI
	MOVQ   ext_HostXCR0(SI), R9
	TESTQ  R9, R9
	JZ     fx
	XORL   CX, CX
	XGETBV
	SHLQ   $32, DX
	MOVL   AX, AX
	ORQ    DX, AX
	MOVQ   AX, ext_GuestXCR0(SI)
	CMPQ   AX, R9
	JEQ    same
	MOVQ   R9, AX
	MOVQ   R9, DX
	SHRQ   $32, DX
	XSETBV

same:
	MOVQ R9, AX
	MOVQ R9, DX
	SHRQ $32, DX
	XSAVE64 (DI)
	TESTQ $4, R9
	JZ    clean
	VZEROUPPER

clean:
	LDMXCSR mxcsr<>(SB)
	XORPS   X15, X15
	RET

fx:
	FXSAVE64 (DI)
	JMP clean

// func HostXCR0(x *ExtendedState)
TEXT ·HostXCR0(SB), NOSPLIT, $0-8
	MOVQ x+0(FP), SI
	MOVQ ext_HostXCR0(SI), R9
	TESTQ R9, R9
	JZ   hostdone
	XORL CX, CX
	XGETBV
	SHLQ $32, DX
	MOVL AX, AX
	ORQ  DX, AX
	MOVQ AX, ext_GuestXCR0(SI)
	CMPQ AX, R9
	JEQ  hostdone
	MOVQ R9, AX
	MOVQ R9, DX
	SHRQ $32, DX
	XSETBV

hostdone:
	RET

// func GuestXCR0(x *ExtendedState)
TEXT ·GuestXCR0(SB), NOSPLIT, $0-8
	MOVQ x+0(FP), SI
	MOVQ ext_GuestXCR0(SI), AX
	CMPQ AX, ext_HostXCR0(SI)
	JEQ  guestdone
	MOVQ AX, DX
	SHRQ $32, DX
	XORL CX, CX
	XSETBV

guestdone:
	RET

// func LoadDR(dr *[4]uint64)
TEXT ·LoadDR(SB), NOSPLIT, $0-8
	MOVQ dr+0(FP), SI
	MOVQ 0x00(SI), AX
	MOVQ AX, DR0
	MOVQ 0x08(SI), AX
	BYTE $0x0F; BYTE $0x23; BYTE $0xC8 // mov dr1, rax
	MOVQ 0x10(SI), AX
	MOVQ AX, DR2
	MOVQ 0x18(SI), AX
	MOVQ AX, DR3
	RET

// func SaveDR(dr *[4]uint64)
TEXT ·SaveDR(SB), NOSPLIT, $0-8
	MOVQ dr+0(FP), SI
	MOVQ DR0, AX
	MOVQ AX, 0x00(SI)
	BYTE $0x0F; BYTE $0x21; BYTE $0xC8 // mov rax, dr1
	MOVQ AX, 0x08(SI)
	MOVQ DR2, AX
	MOVQ AX, 0x10(SI)
	MOVQ DR3, AX
	MOVQ AX, 0x18(SI)
	RET
