#include "textflag.h"

// JUSTIFICATION: the Go runtime's own memclr uses AVX registers that an
// interrupted guest or thread may own in world W1.
// SAFETY: clears exactly the n bytes at va that the caller owns.
//
// REP STOSQ
TEXT ·zero(SB),NOSPLIT,$0-16
	MOVQ va+0(FP), DI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	XORL AX, AX
	CLD
	REP; STOSQ
	RET
