#include "go_asm.h"
#include "textflag.h"

// JUSTIFICATION: VM entry and exit have no Go form, and no Go code may run with a
// guest's registers loaded.
// SAFETY: every general register is saved in the frame the caller owns before Go
// sees it again; the stack below is what the comment at the top says.

// VM entry and exit (SDM Vol. 3C, chapters 27 and 28, edition 086). Between the
// two labels the stack is: 0(SP) the frame, 8(SP) the caller's BP, 16(SP) the
// return address of Enter, 24(SP) its argument, 32(SP) its result.

#define VMWRITE_BX_DX	BYTE $0x0f; BYTE $0x79; BYTE $0xd3	// vmwrite %rbx, %rdx
#define VMREAD_DX_BX	BYTE $0x0f; BYTE $0x78; BYTE $0xd3	// vmread %rdx, %rbx
#define VMLAUNCH	BYTE $0x0f; BYTE $0x01; BYTE $0xc2
#define VMRESUME	BYTE $0x0f; BYTE $0x01; BYTE $0xc3

// Registers of SDM Vol. 4, Table 2-2; each command and IBRS are bit 0.
#define MSR_SPEC_CTRL	0x48
#define MSR_PRED_CMD	0x49
#define MSR_FLUSH_CMD	0x10b

#define MSR_1(num) \
	MOVL	num, CX \
	MOVL	$1, AX \
	XORL	DX, DX \
	WRMSR

// FILL is a CALL over an INT3: it leaves one prediction, which leads to the INT3.
#define FILL	BYTE $0xe8; LONG $1; BYTE $0xcc
#define FILL8	FILL; FILL; FILL; FILL; FILL; FILL; FILL; FILL

// LOAD_GUEST loads every register but RSP from the frame at DI, by MOV only.
#define LOAD_GUEST \
	MOVUPS	Frame_X15(DI), X15 \
	MOVQ	(Frame_GPR+0)(DI), AX \
	MOVQ	(Frame_GPR+8)(DI), CX \
	MOVQ	(Frame_GPR+16)(DI), DX \
	MOVQ	(Frame_GPR+24)(DI), BX \
	MOVQ	(Frame_GPR+40)(DI), BP \
	MOVQ	(Frame_GPR+48)(DI), SI \
	MOVQ	(Frame_GPR+64)(DI), R8 \
	MOVQ	(Frame_GPR+72)(DI), R9 \
	MOVQ	(Frame_GPR+80)(DI), R10 \
	MOVQ	(Frame_GPR+88)(DI), R11 \
	MOVQ	(Frame_GPR+96)(DI), R12 \
	MOVQ	(Frame_GPR+104)(DI), R13 \
	MOVQ	(Frame_GPR+112)(DI), R14 \
	MOVQ	(Frame_GPR+120)(DI), R15 \
	MOVQ	(Frame_GPR+56)(DI), DI

// VERW is quickest with the selector of a writable data segment; what it says
// about it does not matter (it clears the buffers whatever the answer).
DATA dataSelector<>+0(SB)/2, $0x10
GLOBL dataSelector<>(SB), RODATA|NOPTR, $2

// func Enter(f *Frame) Flags
TEXT ·Enter(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ	f+0(FP), DI
	PUSHQ	BP
	PUSHQ	DI

	MOVQ	SP, BX
	CMPQ	BX, Frame_vmcsHostRSP(DI)
	JEQ	rip
	MOVQ	BX, Frame_vmcsHostRSP(DI)
	MOVL	$const_HOST_RSP, DX
	VMWRITE_BX_DX
	JLS	failed
rip:
	MOVQ	Frame_RIP(DI), BX
	CMPQ	BX, Frame_vmcsRIP(DI)
	JEQ	rsp
	MOVL	$const_GUEST_RIP, DX
	VMWRITE_BX_DX
rsp:
	MOVQ	(Frame_GPR+32)(DI), BX
	CMPQ	BX, Frame_vmcsRSP(DI)
	JEQ	rflags
	MOVL	$const_GUEST_RSP, DX
	VMWRITE_BX_DX
rflags:
	MOVQ	Frame_RFLAGS(DI), BX
	CMPQ	BX, Frame_vmcsRFLAGS(DI)
	JEQ	load
	MOVL	$const_GUEST_RFLAGS, DX
	VMWRITE_BX_DX
load:
	TESTQ	$const_mitigateEntry, Frame_Mitigate(DI)
	JNZ	barriers
nobarrier:
	CMPQ	Frame_launched(DI), $0
	LOAD_GUEST // leaves the flags of the comparison alone
	JNE	resume
	VMLAUNCH
	JMP	failed
resume:
	VMRESUME
failed:
	// VMfail: the guest did not run. SP is as it was; BP is the guest's.
	SETCS	AX
	SETEQ	CX
	MOVBQZX	AX, AX
	MOVBQZX	CX, CX
	LEAQ	(AX)(CX*2), AX
	POPQ	DI
	POPQ	BP
	// Forget what was written: the next try starts over.
	MOVQ	$0, Frame_vmcsHostRSP(DI)
	MOVQ	AX, ret+8(FP)
	RET

	// What only some processors need, or only some entries: off the straight way.
barriers:
	TESTQ	$const_MitigateIBPB, Frame_Mitigate(DI)
	JZ	noibpb
	MSR_1($MSR_PRED_CMD)
noibpb:
	TESTQ	$const_MitigateFlushL1D, Frame_Mitigate(DI)
	JZ	noflush
	MSR_1($MSR_FLUSH_CMD)
noflush:
	TESTQ	$const_MitigateIBRS, Frame_Mitigate(DI)
	JZ	noibrs
	MOVL	$MSR_SPEC_CTRL, CX
	XORL	AX, AX
	XORL	DX, DX
	WRMSR
noibrs:
	TESTQ	$const_MitigateVERW, Frame_Mitigate(DI)
	JZ	nobarrier
	BTQ	$0, Frame_launched(DI)
	LOAD_GUEST
	// Last, so that nothing of the host gets into the buffers behind it. It
	// changes ZF only: the launch state is in CF.
	VERW	dataSelector<>(SB)
	JCS	resumecleared
	VMLAUNCH
	JMP	failed
resumecleared:
	VMRESUME
	JMP	failed

// exited is HOST_RIP. The processor has loaded HOST_RSP: the stack is Enter's.
TEXT ·exited(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	DI
	MOVQ	8(SP), DI
	MOVQ	AX, (Frame_GPR+0)(DI)
	MOVQ	CX, (Frame_GPR+8)(DI)
	MOVQ	DX, (Frame_GPR+16)(DI)
	MOVQ	BX, (Frame_GPR+24)(DI)
	MOVQ	BP, (Frame_GPR+40)(DI)
	MOVQ	SI, (Frame_GPR+48)(DI)
	MOVQ	R8, (Frame_GPR+64)(DI)
	MOVQ	R9, (Frame_GPR+72)(DI)
	MOVQ	R10, (Frame_GPR+80)(DI)
	MOVQ	R11, (Frame_GPR+88)(DI)
	MOVQ	R12, (Frame_GPR+96)(DI)
	MOVQ	R13, (Frame_GPR+104)(DI)
	MOVQ	R14, (Frame_GPR+112)(DI)
	MOVQ	R15, (Frame_GPR+120)(DI)
	POPQ	AX
	MOVQ	AX, (Frame_GPR+56)(DI)
	MOVUPS	X15, Frame_X15(DI)

	MOVL	$const_GUEST_RIP, DX
	VMREAD_DX_BX
	MOVQ	BX, Frame_RIP(DI)
	MOVQ	BX, Frame_vmcsRIP(DI)
	MOVL	$const_GUEST_RSP, DX
	VMREAD_DX_BX
	MOVQ	BX, (Frame_GPR+32)(DI)
	MOVQ	BX, Frame_vmcsRSP(DI)
	MOVL	$const_GUEST_RFLAGS, DX
	VMREAD_DX_BX
	MOVQ	BX, Frame_RFLAGS(DI)
	MOVQ	BX, Frame_vmcsRFLAGS(DI)
	MOVL	$const_EXIT_REASON, DX
	VMREAD_DX_BX
	MOVQ	BX, Frame_Reason(DI)
	MOVL	$const_EXIT_QUALIFICATION, DX
	VMREAD_DX_BX
	MOVQ	BX, Frame_Qualification(DI)
	MOVL	$const_EXIT_INSTRUCTION_LENGTH, DX
	VMREAD_DX_BX
	MOVQ	BX, Frame_InstLen(DI)
	MOVL	$const_IDT_VECTORING_INFO, DX
	VMREAD_DX_BX
	MOVQ	BX, Frame_IDTVectoring(DI)
	MOVL	$const_GUEST_INTERRUPTIBILITY, DX
	VMREAD_DX_BX
	MOVQ	BX, Frame_Interruptible(DI)
	// A failed entry leaves the launch state as it was.
	MOVQ	Frame_Reason(DI), BX
	BTL	$31, BX
	JCS	done
	MOVQ	$1, Frame_launched(DI)
done:
	TESTQ	$const_MitigateRSB, Frame_Mitigate(DI)
	JZ	filled
	// The RETs below have no CALL since the exit: give them predictions that
	// lead to an INT3 and not where the guest trained them. The LFENCE keeps a
	// RET from being predicted before (post-barrier RSB).
	FILL
	FILL
	LEAQ	16(SP), SP // not ADDQ: the assembler would count it
	LFENCE
	TESTQ	$const_mitigateExit, Frame_Mitigate(DI)
	JNZ	history
filled:
	// No value of the guest stays in a register for speculation to use.
	XORL	CX, CX
	XORL	SI, SI
	XORL	R8, R8
	XORL	R9, R9
	XORL	R10, R10
	XORL	R11, R11
	XORL	R12, R12
	XORL	R13, R13
	XORL	R15, R15
	MOVQ	8(SP), BP
	LEAQ	16(SP), SP // not ADDQ: the assembler would count it
	MOVQ	$0, 16(SP) // Enter's result: Succeed
	RET

history:
	TESTQ	$const_MitigateIBRS, Frame_Mitigate(DI)
	JZ	branches
	MSR_1($MSR_SPEC_CTRL)
	TESTQ	$const_MitigateBHB, Frame_Mitigate(DI)
	JZ	filled
branches:
	// More taken branches than the history remembers (29 on what has no
	// BHI_DIS_S), all our own.
	MOVL	$64, CX
turn:
	JMP	taken
	INT	$3
taken:
	SUBL	$1, CX
	JNZ	turn
	LFENCE
	JMP	filled

// func FillRSB()
//
// 32 entries: what the largest return stack of these processors holds.
TEXT ·FillRSB(SB), NOSPLIT, $0-0
	FILL8
	FILL8
	FILL8
	FILL8
	LEAQ	256(SP), SP // not ADDQ: the assembler would count it
	RET

// func ExitPC() uint64
TEXT ·ExitPC(SB), NOSPLIT, $0-8
	LEAQ	·exited(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
