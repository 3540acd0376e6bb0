#include "textflag.h"

// JUSTIFICATION: the VMX instructions have no Go form.
// SAFETY: each stub runs one instruction on its arguments; the caller owns the
// memory that an operand names.

// Go's assembler does not know the VMX instructions: they are spelled as bytes
// (SDM Vol. 3C, 31.3, edition 086). Each stub leaves CF and ZF as Flags.

// SETFLAGS turns CF and ZF into 1 and 2 in AX. Uses AX, CX.
#define SETFLAGS \
	SETCS	AX \
	SETEQ	CX \
	MOVBQZX	AX, AX \
	MOVBQZX	CX, CX \
	LEAQ	(AX)(CX*2), AX

// func VMXON(pa uint64) Flags
TEXT ·VMXON(SB), NOSPLIT, $0-16
	LEAQ	pa+0(FP), DX
	BYTE $0xf3; BYTE $0x0f; BYTE $0xc7; BYTE $0x32 // vmxon (%rdx)
	SETFLAGS
	MOVQ	AX, ret+8(FP)
	RET

// func VMXOFF() Flags
TEXT ·VMXOFF(SB), NOSPLIT, $0-8
	BYTE $0x0f; BYTE $0x01; BYTE $0xc4 // vmxoff
	SETFLAGS
	MOVQ	AX, ret+0(FP)
	RET

// func VMCLEAR(pa uint64) Flags
TEXT ·VMCLEAR(SB), NOSPLIT, $0-16
	LEAQ	pa+0(FP), DX
	BYTE $0x66; BYTE $0x0f; BYTE $0xc7; BYTE $0x32 // vmclear (%rdx)
	SETFLAGS
	MOVQ	AX, ret+8(FP)
	RET

// func VMPTRLD(pa uint64) Flags
TEXT ·VMPTRLD(SB), NOSPLIT, $0-16
	LEAQ	pa+0(FP), DX
	BYTE $0x0f; BYTE $0xc7; BYTE $0x32 // vmptrld (%rdx)
	SETFLAGS
	MOVQ	AX, ret+8(FP)
	RET

// func VMPTRST() uint64
TEXT ·VMPTRST(SB), NOSPLIT, $0-8
	LEAQ	ret+0(FP), DX
	BYTE $0x0f; BYTE $0xc7; BYTE $0x3a // vmptrst (%rdx)
	RET

// func VMREAD(f Field) (v uint64, fl Flags)
TEXT ·VMREAD(SB), NOSPLIT, $0-24
	MOVLQZX	f+0(FP), DX
	XORL	BX, BX
	BYTE $0x0f; BYTE $0x78; BYTE $0xd3 // vmread %rdx, %rbx
	MOVQ	BX, v+8(FP)
	SETFLAGS
	MOVQ	AX, fl+16(FP)
	RET

// func ReadFields(f []Field, v []uint64)
TEXT ·ReadFields(SB), NOSPLIT, $0-48
	MOVQ	f_base+0(FP), SI
	MOVQ	f_len+8(FP), CX
	MOVQ	v_base+24(FP), DI
	MOVQ	CX, BX
	SHRQ	$1, CX
	JZ	readlast
readpair:
	MOVL	(SI), DX
	BYTE $0x0f; BYTE $0x78; BYTE $0x17 // vmread %rdx, (%rdi)
	MOVL	4(SI), DX
	BYTE $0x0f; BYTE $0x78; BYTE $0x57; BYTE $8 // vmread %rdx, 8(%rdi)
	ADDQ	$8, SI
	ADDQ	$16, DI
	DECQ	CX
	JNZ	readpair
readlast:
	TESTQ	$1, BX
	JZ	readdone
	MOVL	(SI), DX
	BYTE $0x0f; BYTE $0x78; BYTE $0x17 // vmread %rdx, (%rdi)
readdone:
	RET

// func VMWRITE(f Field, v uint64) Flags
TEXT ·VMWRITE(SB), NOSPLIT, $0-24
	MOVLQZX	f+0(FP), DX
	MOVQ	v+8(FP), BX
	BYTE $0x0f; BYTE $0x79; BYTE $0xd3 // vmwrite %rbx, %rdx
	SETFLAGS
	MOVQ	AX, ret+16(FP)
	RET

// func INVEPT(kind, eptp uint64) Flags
TEXT ·INVEPT(SB), NOSPLIT, $16-24
	MOVQ	kind+0(FP), BX
	MOVQ	eptp+8(FP), AX
	MOVQ	AX, 0(SP)
	MOVQ	$0, 8(SP)
	MOVQ	SP, DX
	BYTE $0x66; BYTE $0x0f; BYTE $0x38; BYTE $0x80; BYTE $0x1a // invept (%rdx), %rbx
	SETFLAGS
	MOVQ	AX, ret+16(FP)
	RET

// func INVVPID(kind, vpid, addr uint64) Flags
TEXT ·INVVPID(SB), NOSPLIT, $16-32
	MOVQ	kind+0(FP), BX
	MOVQ	vpid+8(FP), AX
	MOVQ	AX, 0(SP)
	MOVQ	addr+16(FP), AX
	MOVQ	AX, 8(SP)
	MOVQ	SP, DX
	BYTE $0x66; BYTE $0x0f; BYTE $0x38; BYTE $0x81; BYTE $0x1a // invvpid (%rdx), %rbx
	SETFLAGS
	MOVQ	AX, ret+24(FP)
	RET
