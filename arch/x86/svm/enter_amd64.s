#include "textflag.h"

// JUSTIFICATION: VMRUN and its companions have no Go form, and every general
// register changes hands around them.
// SAFETY: Enter keeps its two pointers on its own stack, which VMRUN restores
// through RSP; interrupts and NMIs are held off by GIF from CLGI to STGI, so no
// handler runs with the guest's FS and GS base. It calls nothing.
//
// Specification: APM Vol. 2 (3.42): 15.5 VMRUN, 15.5.2 VMSAVE and VMLOAD, 15.6
// #VMEXIT, 15.17 GIF, 15.21 interrupts.

#define VMRUN  BYTE $0x0F; BYTE $0x01; BYTE $0xD8
#define VMLOAD BYTE $0x0F; BYTE $0x01; BYTE $0xDA
#define VMSAVE BYTE $0x0F; BYTE $0x01; BYTE $0xDB
#define STGI   BYTE $0x0F; BYTE $0x01; BYTE $0xDC
#define CLGI   BYTE $0x0F; BYTE $0x01; BYTE $0xDD

// FILL leaves one entry on the return stack: a call over one byte, which is a trap
// for whoever speculates there. The address stays on the stack.
#define FILL  BYTE $0xE8; LONG $1; BYTE $0xCC
#define FILL8 FILL; FILL; FILL; FILL; FILL; FILL; FILL; FILL

// Offsets in Frame.
#define frame_VMCB     0x00
#define frame_Host     0x08
#define frame_X15      0x10
#define frame_Mitigate 0x20

// The number of PRED_CMD, APM Vol. 2, 3.2.9.
#define MSR_PRED_CMD 0x49

// LOAD_GUEST loads every register that VMRUN does not: the frame is at SI, the general
// registers at DI.
#define LOAD_GUEST \
	MOVUPS frame_X15(SI), X15  \
	MOVQ   frame_VMCB(SI), AX  \
	VMLOAD                     \
	MOVQ   0x08(DI), CX        \
	MOVQ   0x10(DI), DX        \
	MOVQ   0x18(DI), BX        \
	MOVQ   0x28(DI), BP        \
	MOVQ   0x30(DI), SI        \
	MOVQ   0x40(DI), R8        \
	MOVQ   0x48(DI), R9        \
	MOVQ   0x50(DI), R10       \
	MOVQ   0x58(DI), R11       \
	MOVQ   0x60(DI), R12       \
	MOVQ   0x68(DI), R13       \
	MOVQ   0x70(DI), R14       \
	MOVQ   0x78(DI), R15       \
	MOVQ   0x38(DI), DI

// VERW is quickest with the selector of a writable data segment; what it says
// about it does not matter.
DATA dataSelector<>+0(SB)/2, $0x10
GLOBL dataSelector<>(SB), RODATA|NOPTR, $2

// func Enter(gpr *[16]uint64, f *Frame)
TEXT ·Enter(SB), NOSPLIT, $24-16
	MOVQ gpr+0(FP), DI
	MOVQ f+8(FP), SI
	MOVQ DI, 0(SP)
	MOVQ SI, 8(SP)

	// 15.17: with GIF clear every interrupt is held pending. 15.21.1: the
	// host's IF at VMRUN says whether a held interrupt ends the guest.
	CLGI
	STI

	TESTQ  $(2|4), frame_Mitigate(SI)
	JNZ    barriers

nobarrier:
	LOAD_GUEST

run:
	VMRUN

	// 15.6: GIF is clear; RAX, RSP, RFLAGS and the segments in VMRUN's list
	// are the host's again, RAX still the VMCB's address.
	VMSAVE

	MOVQ DI, 16(SP)
	MOVQ 0(SP), DI
	MOVQ CX, 0x08(DI)
	MOVQ DX, 0x10(DI)
	MOVQ BX, 0x18(DI)
	MOVQ BP, 0x28(DI)
	MOVQ SI, 0x30(DI)
	MOVQ R8, 0x40(DI)
	MOVQ R9, 0x48(DI)
	MOVQ R10, 0x50(DI)
	MOVQ R11, 0x58(DI)
	MOVQ R12, 0x60(DI)
	MOVQ R13, 0x68(DI)
	MOVQ R14, 0x70(DI)
	MOVQ R15, 0x78(DI)
	MOVQ 16(SP), CX
	MOVQ CX, 0x38(DI)

	MOVQ   8(SP), SI
	MOVUPS X15, frame_X15(SI)
	XORPS  X15, X15
	MOVQ   frame_Host(SI), AX
	VMLOAD

	// Interrupts off first, then GIF: the caller decides when to take them.
	CLI
	STGI

	TESTQ $1, frame_Mitigate(SI)
	JZ    filled

	// Two returns are not paired with calls made after the exit: Enter's own
	// and its wrapper's. FillRSB follows before the run loop itself returns.
	FILL
	FILL
	LEAQ 16(SP), SP

filled:
	// No value of the guest stays in a register for speculation to use.
	XORL BX, BX
	XORL CX, CX
	XORL DX, DX
	XORL R8, R8
	XORL R9, R9
	XORL R10, R10
	XORL R11, R11
	XORL R12, R12
	XORL R13, R13
	XORL R15, R15
	RET

	// What only some processors need, or only some entries: off the straight way.
barriers:
	TESTQ $2, frame_Mitigate(SI)
	JZ    noibpb
	MOVL  $MSR_PRED_CMD, CX
	MOVL  $1, AX
	XORL  DX, DX
	WRMSR
	ANDQ  $~2, frame_Mitigate(SI)

noibpb:
	TESTQ $4, frame_Mitigate(SI)
	JZ    nobarrier
	LOAD_GUEST

	// Last, so that nothing of the host gets into the buffers behind it.
	VERW dataSelector<>(SB)
	JMP  run

// func FillRSB()
//
// 32 entries: what the largest return stack of these processors holds.
TEXT ·FillRSB(SB), NOSPLIT, $0-0
	FILL8
	FILL8
	FILL8
	FILL8
	LEAQ 256(SP), SP
	RET

// func SaveHost(pa uint64)
TEXT ·SaveHost(SB), NOSPLIT, $0-8
	MOVQ pa+0(FP), AX
	VMSAVE
	RET

// func TakeInterrupts()
TEXT ·TakeInterrupts(SB), NOSPLIT, $0-0
	STI
	BYTE $0x90 // STI holds interrupts off for one instruction more; the
	BYTE $0x90 // assembler's own NOP emits no byte
	CLI
	RET
