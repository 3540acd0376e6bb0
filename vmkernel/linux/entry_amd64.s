#include "go_asm.h"
#include "textflag.h"

// JUSTIFICATION: the processor enters here with registers that no Go code may
// touch before they are saved.
// SAFETY: each entry saves every register in the running thread's frame, or on a
// stack of its own (NMI, double fault), before Go runs on the handler stack.

#define SYSCALL_VECTOR $0x100
#define MSR_FS_BASE $0xC0000100
#define MSR_GS_BASE $0xC0000101

#define XSAVE64_DI BYTE $0x48; BYTE $0x0F; BYTE $0xAE; BYTE $0x27
#define XRSTOR64_DI BYTE $0x48; BYTE $0x0F; BYTE $0xAE; BYTE $0x2F
#define WRFSBASE_AX BYTE $0xF3; BYTE $0x48; BYTE $0x0F; BYTE $0xAE; BYTE $0xD0

// The kernel's first instruction, entered by boot/stub: DI protocol, SI info,
// DX boot header, SP a stack of 64 KiB, everything below 4 GiB mapped.
TEXT ·start(SB),NOSPLIT|NOFRAME,$0
	MOVQ DI, R12
	MOVQ SI, R13
	MOVQ DX, R15
	// Clear the part of the BSS that is backed eagerly.
	MOVQ 88(DX), DI
	MOVQ 96(DX), CX
	LEAQ const_eagerBSS(DI), AX
	CMPQ CX, AX
	CMOVQHI AX, CX
	SUBQ DI, CX
	XORL AX, AX
	CLD
	REP; STOSB
	// This processor.
	LEAQ ·bootCPU(SB), BX
	LEAQ ·bootStack+const_bootStackGuard(SB), R8 // the stub's stack is not in our own tables
	LEAQ const_bootStackSize(R8), R9
	MOVQ R9, SP
	CALL ·useCPU(SB)
	SUBQ $32, SP
	MOVQ R12, 0(SP)
	MOVQ R13, 8(SP)
	MOVQ R15, 16(SP)
	CALL ·boot(SB)
	INT $3

// useCPU makes the cpuState at BX this processor's: GS, and FS with a g whose
// stack is [R8, R9).
TEXT ·useCPU(SB),NOSPLIT|NOFRAME,$0
	MOVQ BX, cpuState_self(BX)
	LEAQ (cpuState_tls+8)(BX), AX
	MOVQ AX, cpuState_handlerFS(BX)
	LEAQ cpuState_g(BX), DX
	MOVQ DX, cpuState_tls(BX)
	MOVQ R8, 0(DX)  // stack.lo
	MOVQ R9, 8(DX)  // stack.hi
	LEAQ 2048(R8), R10
	MOVQ R10, 16(DX) // stackguard0
	MOVQ R10, 24(DX) // stackguard1
	MOVL $1, cpuState_inKernel(BX)
	MOVL MSR_FS_BASE, CX
	MOVQ AX, DX
	SHRQ $32, DX
	WRMSR
	MOVQ BX, AX
	MOVQ BX, DX
	SHRQ $32, DX
	MOVL MSR_GS_BASE, CX
	WRMSR
	RET

#define PUSH0 BYTE $0x6A; BYTE $0
#define PUSHN(n) BYTE $0x68; LONG $(n)
#define PUSHRAX BYTE $0x50

// One stub for each vector, 32 bytes apart. They jump through a register, and
// push by bytes, so that the linker's stack check does not add 256 stubs up.
#define STUB(n) PCALIGN $32; PUSH0; PUSHN(n); PUSHRAX; LEAQ ·interrupt(SB), AX; JMP AX
#define STUBE(n) PCALIGN $32; PUSHN(n); PUSHRAX; LEAQ ·interrupt(SB), AX; JMP AX
#define STUBD(n) PCALIGN $32; PUSHRAX; LEAQ ·nmi(SB), AX; JMP AX
#define STUBF(n) PCALIGN $32; PUSHN(n); PUSHRAX; LEAQ ·doubleFault(SB), AX; JMP AX
#define STUB4(n) STUB(n); STUB(n+1); STUB(n+2); STUB(n+3)
#define STUB16(n) STUB4(n); STUB4(n+4); STUB4(n+8); STUB4(n+12)
TEXT ·vectors(SB),NOSPLIT|NOFRAME,$0
	STUB(0); STUB(1); STUBD(2); STUB(3); STUB(4); STUB(5); STUB(6); STUB(7)
	STUBF(8); STUB(9); STUBE(10); STUBE(11); STUBE(12); STUBE(13); STUBE(14); STUB(15)
	STUB(16); STUBE(17); STUB(18); STUB(19); STUB(20); STUBE(21); STUB(22); STUB(23)
	STUB(24); STUB(25); STUB(26); STUB(27); STUB(28); STUBE(29); STUBE(30); STUB(31)
	STUB16(32); STUB16(48); STUB16(64); STUB16(80); STUB16(96); STUB16(112)
	STUB16(128); STUB16(144); STUB16(160); STUB16(176); STUB16(192); STUB16(208)
	STUB16(224); STUB16(240)

// SAVE_REST pushes all but AX, which the stubs push.
#define SAVE_REST \
	PUSHQ CX; PUSHQ DX; PUSHQ BX; PUSHQ BP; PUSHQ SI; PUSHQ DI; \
	PUSHQ R8; PUSHQ R9; PUSHQ R10; PUSHQ R11; PUSHQ R12; PUSHQ R13; PUSHQ R14; PUSHQ R15

#define LOAD_REGS \
	POPQ R15; POPQ R14; POPQ R13; POPQ R12; POPQ R11; POPQ R10; POPQ R9; POPQ R8; \
	POPQ DI; POPQ SI; POPQ BP; POPQ BX; POPQ DX; POPQ CX; POPQ AX


// Every interrupt and exception but NMI and double fault; the stack is the
// running thread's frame.
TEXT ·interrupt(SB),NOSPLIT|NOFRAME,$0
	SAVE_REST
	CLD
	MOVQ SP, BX
	CMPL cpuState_inKernel(GS), $0
	JNE  nested
	MOVL $1, cpuState_inKernel(GS)
	MOVQ cpuState_cur(GS), DI
	LEAQ thread_xs(DI), DI
	CALL ·saveX(SB)
	// A guest's control word may be live here. The next thread may be one that
	// left by SYSCALL, which loads no extended state: it gets the runtime's own.
	LDMXCSR ·mxcsr(SB)
	MOVQ cpuState_handlerFS(GS), AX
	CALL ·setFS(SB)
	MOVQ cpuState_kstack(GS), SP
	SUBQ $16, SP
	MOVQ BX, 0(SP)
	XORPS X15, X15
	CALL ·handleInterrupt(SB)
	JMP  ·resume(SB)
nested:
	MOVQ cpuState_istDF(GS), SP
	JMP  ·dead(SB)

// dead shows the frame at BX and stops. SP is the top of the double-fault stack,
// which becomes the stack of the processor's own g.
TEXT ·dead(SB),NOSPLIT|NOFRAME,$0
	// A guest's XCR0 may be in the processor. Go needs the host's, or the report
	// faults in its turn, for ever.
	CMPL ·useXSAVE(SB), $0
	JEQ  fx
	MOVL ·xcr0+0(SB), AX
	MOVL ·xcr0+4(SB), DX
	XORL CX, CX
	XSETBV
fx:
	MOVQ cpuState_handlerFS(GS), AX
	CALL ·setFS(SB)
	MOVQ cpuState_self(GS), AX
	MOVQ cpuState_istDF(GS), CX
	MOVQ CX, (cpuState_g+8)(AX)
	SUBQ $const_istStack, CX
	MOVQ CX, (cpuState_g+0)(AX)
	ADDQ $1024, CX
	MOVQ CX, (cpuState_g+16)(AX)
	MOVQ CX, (cpuState_g+24)(AX)
	SUBQ $16, SP
	MOVQ BX, 0(SP)
	XORPS X15, X15
	CALL ·handleNested(SB)
	INT $3

// All SIMD exceptions masked, round to nearest (SDM Vol. 1, 10.2.3).
DATA ·mxcsr(SB)/4, $0x1f80
GLOBL ·mxcsr(SB), RODATA|NOPTR, $4

// saveX saves the extended state at DI; it clobbers AX and DX.
TEXT ·saveX(SB),NOSPLIT|NOFRAME,$0
	CMPL ·useXSAVE(SB), $0
	JEQ  fx
	MOVL $-1, AX
	MOVL $-1, DX
	XSAVE64_DI
	RET
fx:
	FXSAVE64 (DI)
	RET

// setFS loads FS base from AX; it clobbers CX and DX.
TEXT ·setFS(SB),NOSPLIT|NOFRAME,$0
	CMPL ·fsgsbase(SB), $0
	JEQ  msr
	WRFSBASE_AX
	RET
msr:
	MOVL MSR_FS_BASE, CX
	MOVQ AX, DX
	SHRQ $32, DX
	WRMSR
	RET

// SYSCALL: CX is the return address, R11 the flags, interrupts are off.
TEXT ·syscall(SB),NOSPLIT|NOFRAME,$0
	MOVQ SP, cpuState_scratch(GS)
	MOVQ cpuState_frameTop(GS), SP
	PUSHQ $0x10
	PUSHQ cpuState_scratch(GS)
	PUSHQ R11
	PUSHQ $0x08
	PUSHQ CX
	PUSHQ $0
	PUSHQ SYSCALL_VECTOR
	PUSHQ AX
	SAVE_REST
	MOVQ SP, BX
	MOVL $1, cpuState_inKernel(GS)
	MOVQ cpuState_handlerFS(GS), AX
	CALL ·setFS(SB)
	MOVQ cpuState_kstack(GS), SP
	SUBQ $16, SP
	MOVQ BX, 0(SP)
	XORPS X15, X15
	CALL ·handleSyscall(SB)
	JMP  ·resume(SB)

// resume loads the running thread and goes on with it.
TEXT ·resume(SB),NOSPLIT|NOFRAME,$0
	MOVQ cpuState_cur(GS), BX
	MOVQ threadHeader_fsbase(BX), AX
	CALL ·setFS(SB)
	CMPQ (thread_frame+frame_vector)(BX), SYSCALL_VECTOR
	JEQ  fast
	CMPL threadHeader_noX(BX), $0
	JNE  noX
	LEAQ thread_xs(BX), DI
	CMPL ·useXSAVE(SB), $0
	JEQ  fx
	MOVL $-1, AX
	MOVL $-1, DX
	XRSTOR64_DI
	JMP  noX
fx:
	FXRSTOR64 (DI)
noX:
	LEAQ thread_frame(BX), SP
	MOVL $0, cpuState_inKernel(GS)
	LOAD_REGS
	ADDQ $16, SP
	IRETQ
fast:
	LEAQ thread_frame(BX), SP
	MOVL $0, cpuState_inKernel(GS)
	LOAD_REGS
	MOVQ 16(SP), CX // rip
	TESTL $0x200, 32(SP) // rflags: a run loop calls with interrupts off
	MOVQ 40(SP), SP // rsp
	JEQ  off
	STI
off:
	JMP  CX

// NMI: another processor panics, or nobody knows.
TEXT ·nmi(SB),NOSPLIT|NOFRAME,$0
	CMPL ·stopped(SB), $0
	JNE  halt
	POPQ AX
	IRETQ
halt:
	CLI
	HLT
	JMP halt

// Double fault, on a stack of its own.
TEXT ·doubleFault(SB),NOSPLIT|NOFRAME,$0
	SAVE_REST
	MOVQ SP, BX
	JMP  ·dead(SB)

// The idle thread.
TEXT ·idleLoop(SB),NOSPLIT|NOFRAME,$0
loop:
	STI
	HLT
	JMP loop

// func gsBase() uintptr
TEXT ·gsBase(SB),NOSPLIT,$0-8
	MOVQ 0(GS), AX
	MOVQ AX, ret+0(FP)
	RET

// func addresses() (vectors, syscall, idle, rt0, clock uintptr)
TEXT ·addresses(SB),NOSPLIT,$0-40
	LEAQ ·vectors(SB), AX
	MOVQ AX, vectors+0(FP)
	LEAQ ·syscall(SB), AX
	MOVQ AX, syscall+8(FP)
	LEAQ ·idleLoop(SB), AX
	MOVQ AX, idle+16(FP)
	LEAQ _rt0_amd64_linux(SB), AX
	MOVQ AX, rt0+24(FP)
	LEAQ ·vdsoClock(SB), AX
	MOVQ AX, clock+32(FP)
	RET

// func setVDSO()
TEXT ·setVDSO(SB),NOSPLIT,$0-0
	LEAQ ·vdsoClock(SB), AX
	MOVQ AX, runtime·vdsoClockgettimeSym(SB)
	RET

// func enter()
TEXT ·enter(SB),NOSPLIT,$0-0
	JMP ·resume(SB)

// vdsoClock is clock_gettime in the C calling convention: DI clock, SI timespec.
TEXT ·vdsoClock(SB),NOSPLIT|NOFRAME,$0
	CMPL ·clockGuarded(SB), $0
	JNE  guarded
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	SUBQ ·clockBase(SB), AX
	MULQ ·clockMult(SB)
	SHRQ $32, AX
	SHLQ $32, DX
	ORQ  DX, AX
have:
	TESTQ DI, DI
	JNE  monotonic
	ADDQ ·wallBase(SB), AX
monotonic:
	XORL DX, DX
	MOVQ $1000000000, CX
	DIVQ CX
	MOVQ AX, 0(SI)
	MOVQ DX, 8(SI)
	XORL AX, AX
	RET
guarded: // guardedNS
	MOVQ cpuState_self(GS), CX
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	SUBQ cpuState_tscOffset(GS), AX
	CMPQ cpuState_self(GS), CX
	JNE  guarded
	MOVQ ·clockBase(SB), CX
	CMPQ AX, CX
	CMOVQCS CX, AX
	SUBQ CX, AX
	MULQ ·clockMult(SB)
	SHRQ $32, AX
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, CX
	MOVQ ·clockLast(SB), AX
later:
	CMPQ CX, AX
	JLS  have
	LOCK
	CMPXCHGQ CX, ·clockLast(SB)
	JNE  later
	MOVQ CX, AX
	JMP  have

// func loadSegments(tss uint16)
//
// loadSegments reloads CS with 0x08, the data segments with 0x10 and TR. FS and
// GS keep their bases: only their selectors are left alone.
TEXT ·loadSegments(SB),NOSPLIT,$0-2
	MOVW tss+0(FP), AX
	LTR  AX
	MOVW $0x10, AX
	MOVW AX, DS
	MOVW AX, ES
	MOVW AX, SS
	LEAQ next<>(SB), CX
	PUSHQ $0x08
	PUSHQ CX
	BYTE $0x48; BYTE $0xCB // lretq
TEXT next<>(SB),NOSPLIT|NOFRAME,$0
	RET

// func Park(word *uint32, val uint32, deadline uint64) (expired bool)
TEXT ·Park(SB),NOSPLIT,$0-25
	MOVQ $0x62000001, AX
	MOVQ word+0(FP), DI
	MOVL val+8(FP), SI
	MOVQ deadline+16(FP), DX
	SYSCALL
	CMPQ AX, $-110
	SETEQ expired+24(FP)
	RET

// apEntry is where boot/ap brings another processor: BX its cpuState, SP the top
// of its handler stack, our own page tables.
TEXT ·apEntry(SB),NOSPLIT|NOFRAME,$0
	MOVQ SP, R9
	LEAQ -const_handlerStack(SP), R8
	CALL ·useCPU(SB)
	SUBQ $32, SP
	CALL ·apMain(SB)
	INT $3

// func apAddress() (entry uintptr)
TEXT ·apAddress(SB),NOSPLIT,$0-8
	LEAQ ·apEntry(SB), AX
	MOVQ AX, entry+0(FP)
	RET

// func overflowForTest()
//
// overflowForTest pushes for ever, by bytes, so that the assembler does not count.
TEXT ·overflowForTest(SB),NOSPLIT,$0-0
push:
	PUSHRAX
	JMP push

// func inHandler() bool
TEXT ·inHandler(SB),NOSPLIT,$0-1
	CMPL cpuState_inKernel(GS), $0
	SETNE ret+0(FP)
	RET

// func trap(nr, a0, a1 uint64) int64
TEXT ·trap(SB),NOSPLIT,$0-32
	MOVQ nr+0(FP), AX
	MOVQ a0+8(FP), DI
	MOVQ a1+16(FP), SI
	SYSCALL
	MOVQ AX, ret+24(FP)
	RET

// func CPU() int
TEXT ·CPU(SB),NOSPLIT,$0-8
	MOVL cpuState_id(GS), AX
	MOVQ AX, ret+0(FP)
	RET
