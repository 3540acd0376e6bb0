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

// JUSTIFICATION: a frame of 2 MiB is as large as a second-level cache, and its
// new owner touches a part of it at a time: written around the caches, it costs
// neither what they hold nor a read of the old content. Go has no such stores.
// SAFETY: clears exactly the n bytes at va that the caller owns, n a multiple of
// 512 and va of 16. X0 is given back as it was, because in world W1 it may be an
// interrupted guest's or thread's; legacy SSE leaves the rest of the register.
//
// MOVNTDQ, SFENCE
TEXT ·zeroAround(SB),NOSPLIT,$16-16
	MOVQ   va+0(FP), DI
	MOVQ   n+8(FP), CX
	SHRQ   $9, CX
	MOVOU  X0, saved-16(SP)
	PXOR   X0, X0

next:
	MOVNTO X0, 0(DI)
	MOVNTO X0, 16(DI)
	MOVNTO X0, 32(DI)
	MOVNTO X0, 48(DI)
	MOVNTO X0, 64(DI)
	MOVNTO X0, 80(DI)
	MOVNTO X0, 96(DI)
	MOVNTO X0, 112(DI)
	MOVNTO X0, 128(DI)
	MOVNTO X0, 144(DI)
	MOVNTO X0, 160(DI)
	MOVNTO X0, 176(DI)
	MOVNTO X0, 192(DI)
	MOVNTO X0, 208(DI)
	MOVNTO X0, 224(DI)
	MOVNTO X0, 240(DI)
	MOVNTO X0, 256(DI)
	MOVNTO X0, 272(DI)
	MOVNTO X0, 288(DI)
	MOVNTO X0, 304(DI)
	MOVNTO X0, 320(DI)
	MOVNTO X0, 336(DI)
	MOVNTO X0, 352(DI)
	MOVNTO X0, 368(DI)
	MOVNTO X0, 384(DI)
	MOVNTO X0, 400(DI)
	MOVNTO X0, 416(DI)
	MOVNTO X0, 432(DI)
	MOVNTO X0, 448(DI)
	MOVNTO X0, 464(DI)
	MOVNTO X0, 480(DI)
	MOVNTO X0, 496(DI)
	ADDQ   $512, DI
	DECQ   CX
	JNZ    next
	SFENCE
	MOVOU  saved-16(SP), X0
	RET

// JUSTIFICATION: as zeroAround, with half as many stores.
// SAFETY: as zeroAround, va a multiple of 32; the caller knows that XCR0 lets AVX
// instructions run now. Y0 is given back as it was.
//
// VMOVNTDQ, SFENCE
TEXT ·zeroAroundAVX(SB),NOSPLIT,$32-16
	MOVQ    va+0(FP), DI
	MOVQ    n+8(FP), CX
	SHRQ    $9, CX
	VMOVDQU Y0, saved-32(SP)
	VPXOR   Y0, Y0, Y0

next:
	VMOVNTDQ Y0, 0(DI)
	VMOVNTDQ Y0, 32(DI)
	VMOVNTDQ Y0, 64(DI)
	VMOVNTDQ Y0, 96(DI)
	VMOVNTDQ Y0, 128(DI)
	VMOVNTDQ Y0, 160(DI)
	VMOVNTDQ Y0, 192(DI)
	VMOVNTDQ Y0, 224(DI)
	VMOVNTDQ Y0, 256(DI)
	VMOVNTDQ Y0, 288(DI)
	VMOVNTDQ Y0, 320(DI)
	VMOVNTDQ Y0, 352(DI)
	VMOVNTDQ Y0, 384(DI)
	VMOVNTDQ Y0, 416(DI)
	VMOVNTDQ Y0, 448(DI)
	VMOVNTDQ Y0, 480(DI)
	ADDQ     $512, DI
	DECQ     CX
	JNZ      next
	SFENCE
	VMOVDQU  saved-32(SP), Y0
	RET
