#include "textflag.h"

// JUSTIFICATION: PAUSE has no Go form.
// SAFETY: no operands, no memory.
TEXT ·pause(SB),NOSPLIT,$0-0
	PAUSE
	RET
