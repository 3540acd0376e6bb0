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
