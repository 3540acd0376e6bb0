#include "textflag.h"

// JUSTIFICATION: the SSE control word has no Go form.
// SAFETY: the word is the runtime's again before Go code runs; the loop touches no
// floating-point register.
//
// func controlWord(v uint32, stop *uint32, turns uint64)
TEXT ·controlWord(SB), NOSPLIT, $16-24
	MOVL v+0(FP), AX
	MOVQ stop+8(FP), SI
	MOVQ turns+16(FP), CX
	STMXCSR 0(SP)
	MOVL AX, 8(SP)
	LDMXCSR 8(SP)
loop:
	CMPL 0(SI), $0
	JNE  done
	DECQ CX
	JNZ  loop
done:
	LDMXCSR 0(SP)
	RET

#define FILL(n, x) MOVQ $(0x0101010101010101*(n+1)), AX; MOVQ AX, x; PUNPCKLQDQ x, x
#define TEST(n, x) \
	MOVQ $(0x0101010101010101*(n+1)), AX; MOVQ x, BX; XORQ AX, BX; ORQ BX, CX; \
	PSRLDQ $8, x; MOVQ x, BX; XORQ AX, BX; ORQ BX, CX

// JUSTIFICATION: no Go code can hold values in the vector registers over a call.
// SAFETY: interrupts are off only as in an engine's run loop; the registers are
// scratch in this calling convention.
//
// func liveUnpark(word *uint32) (lost uint64)
TEXT ·liveUnpark(SB), 0, $16-16
	CLI
	FILL(0, X0); FILL(1, X1); FILL(2, X2); FILL(3, X3); FILL(4, X4)
	FILL(5, X5); FILL(6, X6); FILL(7, X7); FILL(8, X8); FILL(9, X9)
	FILL(10, X10); FILL(11, X11); FILL(12, X12); FILL(13, X13); FILL(14, X14)
	MOVQ word+0(FP), AX
	MOVQ AX, 0(SP)
	CALL ·unpark(SB)
	XORL CX, CX
	TEST(0, X0); TEST(1, X1); TEST(2, X2); TEST(3, X3); TEST(4, X4)
	TEST(5, X5); TEST(6, X6); TEST(7, X7); TEST(8, X8); TEST(9, X9)
	TEST(10, X10); TEST(11, X11); TEST(12, X12); TEST(13, X13); TEST(14, X14)
	PUSHFQ
	POPQ AX
	ANDL $0x200, AX // still off?
	SHLQ $32, AX
	ORQ  AX, CX
	STI
	MOVQ CX, lost+8(FP)
	RET
