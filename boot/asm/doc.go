// Package asm is a little x86 assembler: a byte builder with labels, enough
// for the boot stubs (boot/stub, boot/uefi) and nothing more.
//
// World W2: it runs when an image is built, never in the kernel.
//
// An instruction is one call with the operands in Intel order and a comment;
// Listing prints address, bytes, instruction and comment. The instruction's
// text in the listing comes from the golang.org/x/arch decoder in this
// package's users' tests, so that what is printed is what the bytes say.
//
// Mode 32 has the eight old registers and absolute label addresses; mode 64
// has all sixteen and addresses labels relative to RIP. The same Code may
// switch between both (SetMode), as the road to long mode does.
//
// Specification: Intel SDM Vol. 2, chapter 2 "Instruction Format" (edition 085).
//
// Not supported: 8- and 16-bit operands except in Raw, short displacements of
// branches (all branches are rel32: size does not matter here, certainty does),
// index registers.
package asm
