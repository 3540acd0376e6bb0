#include "textflag.h"

// JUSTIFICATION: port instructions have no Go form, and Go gives no access of
// exact width that is never merged or widened.
// SAFETY: one access at the address or port the caller names, nothing else.

// IN
TEXT ·In8(SB),NOSPLIT,$0-9
	MOVW port+0(FP), DX
	XORL AX, AX
	INB
	MOVB AX, ret+8(FP)
	RET

// OUT
TEXT ·Out8(SB),NOSPLIT,$0-3
	MOVW port+0(FP), DX
	MOVB v+2(FP), AX
	OUTB
	RET

// IN
TEXT ·In16(SB),NOSPLIT,$0-10
	MOVW port+0(FP), DX
	XORL AX, AX
	INW
	MOVW AX, ret+8(FP)
	RET

// OUT
TEXT ·Out16(SB),NOSPLIT,$0-4
	MOVW port+0(FP), DX
	MOVW v+2(FP), AX
	OUTW
	RET

// IN
TEXT ·In32(SB),NOSPLIT,$0-12
	MOVW port+0(FP), DX
	INL
	MOVL AX, ret+8(FP)
	RET

// OUT
TEXT ·Out32(SB),NOSPLIT,$0-8
	MOVW port+0(FP), DX
	MOVL v+4(FP), AX
	OUTL
	RET

// MOV
TEXT ·Load8(SB),NOSPLIT,$0-9
	MOVQ addr+0(FP), BX
	MOVB (BX), AX
	MOVB AX, ret+8(FP)
	RET

// MOV
TEXT ·Store8(SB),NOSPLIT,$0-9
	MOVQ addr+0(FP), BX
	MOVB v+8(FP), AX
	MOVB AX, (BX)
	RET

// MOV
TEXT ·Load16(SB),NOSPLIT,$0-10
	MOVQ addr+0(FP), BX
	MOVW (BX), AX
	MOVW AX, ret+8(FP)
	RET

// MOV
TEXT ·Store16(SB),NOSPLIT,$0-10
	MOVQ addr+0(FP), BX
	MOVW v+8(FP), AX
	MOVW AX, (BX)
	RET

// MOV
TEXT ·Load32(SB),NOSPLIT,$0-12
	MOVQ addr+0(FP), BX
	MOVL (BX), AX
	MOVL AX, ret+8(FP)
	RET

// MOV
TEXT ·Store32(SB),NOSPLIT,$0-12
	MOVQ addr+0(FP), BX
	MOVL v+8(FP), AX
	MOVL AX, (BX)
	RET

// MOV
TEXT ·Load64(SB),NOSPLIT,$0-16
	MOVQ addr+0(FP), BX
	MOVQ (BX), AX
	MOVQ AX, ret+8(FP)
	RET

// MOV
TEXT ·Store64(SB),NOSPLIT,$0-16
	MOVQ addr+0(FP), BX
	MOVQ v+8(FP), AX
	MOVQ AX, (BX)
	RET

// MFENCE
TEXT ·Barrier(SB),NOSPLIT,$0-0
	MFENCE
	RET
