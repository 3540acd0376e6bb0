// Package emul executes single guest instructions that the processor left to
// us: accesses to device memory, string port I/O, and moves to control registers
// on processors that do not decode them.
//
// It decodes with golang.org/x/arch/x86/x86asm into a small form of its own that
// holds no pointers. A direct-mapped cache keyed by (RIP, mode, the bytes
// themselves) makes the second execution of an instruction cheap: a page walk
// for RIP, a compare of the bytes and the access. The cache never trusts an
// address alone; self-modifying code and remapped pages are safe.
//
// World: W2. An Emulator belongs to one virtual CPU and its goroutine. After the
// first execution at an address it does not allocate.
//
// Place in the data path: vcpu table -> emul -> vcpu.IO (vbus) or gmem.
//
// Hostile input: everything here comes from a guest. Work is bounded: a page
// walk has at most four levels, an instruction at most 15 bytes, a REP does at
// most maxRep elements before the guest is entered again (with RIP still at the
// instruction, so that interrupts get in).
//
// Not supported, each with a clear refusal (vcpu.Unable): PUSH, POP, CALL, RET
// and far transfers through device memory, x87, SSE and AVX moves, CMPXCHG16B,
// 5-level paging, 16-bit protected-mode segments with a limit that cuts an
// access in the middle of a page are checked, segment types only for writes.
//
// Specifications: Intel SDM edition 084, Vol. 2 (instructions), Vol. 3A
// chapters 4 (paging) and 5 (protection).
package emul
