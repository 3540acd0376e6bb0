// Package emul executes single guest instructions that the processor left to
// us: accesses to device memory, string port I/O, and moves to control registers
// on processors that do not decode them.
//
// It decodes with golang.org/x/arch/x86/x86asm into a small form of its own that
// holds no pointers. A direct-mapped cache keyed by (RIP, mode, the bytes
// themselves) makes the second execution of an instruction cheap: a page walk
// for RIP, a compare of the bytes and the access. The cache never trusts an
// address alone; self-modifying code and remapped pages are safe. Code at the end
// of a page is cached as well. CacheStats counts hits and misses.
//
// It also does hardware task switches (task.go, segment.go), which VT-x leaves to us: 32
// and 16-bit TSSs, virtual-8086 tasks, the faults of the old and of the new task.
//
// What is there: MOV, MOVNTI, MOVBE, MOVZX, MOVSX, MOVSXD; ADD, ADC, SUB, SBB, AND, OR,
// XOR, CMP, TEST, INC, DEC, NOT, NEG, XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B, BT, BTS,
// BTR, BTC, plain and locked; PUSH and POP with the operand or the stack in a device;
// MOVS, STOS, LODS, CMPS, SCAS, INS and OUTS with every REP; the SSE and AVX moves of
// vector_decode.go on XMM and YMM registers. 16-bit, 32-bit and 64-bit code, real mode.
//
// World: W2, but for Quick, which is W1: a MOV that the cache has, between a register and
// a device that answers in W1 (quick.go). It looks at the guest's bytes as well, with a
// walk that only reads. An Emulator belongs to one virtual CPU and its goroutine. After the
// first execution at an address it does not allocate.
//
// Place in the data path: vcpu table -> emul -> vcpu.IO (vbus) or gmem; run loop ->
// vcpu.Fast -> Quick -> vcpu.FastIO.
//
// Hostile input: everything here comes from a guest. Work is bounded: a page
// walk has at most four levels and is begun at most maxWalks times, an instruction has
// at most 15 bytes, a REP does at most maxRep elements before the guest is entered again
// (with RIP still at the instruction, so that interrupts get in).
//
// Decisions:
//   - Operands of more than 8 bytes, or across two pages, reach devices as accesses of
//     8, 4, 2 and 1 bytes in ascending order.
//   - All operands are translated before the first access: an instruction that faults
//     has touched nothing.
//   - An operand that turns out to be memory is left to the processor (vcpu.Again): the
//     code or the tables have changed since the exit. So a locked operation on memory
//     is never done here, where it would not be atomic. On a device a locked operation is
//     a read and a write.
//   - A and D bits are set by compare and swap in the entries that the translation came
//     from; an entry that changed meanwhile means another walk.
//   - The address that the exit brought is used without a walk where the operand can lie
//     nowhere else, and only for the kind of access that the processor has checked.
//   - The vector registers are in the engine's XSAVE area; a component that is in its
//     initial state there reads as zero and is completed before it is written.
//
// Not supported, each with a clear refusal (vcpu.Unable: a kernel that does it is
// crashed with the bytes in the reason, a process gets #UD): CALL, RET, IRET, far transfers
// and PUSHF, POPF, PUSH of a segment register with a device; MOV of a segment register;
// shifts, rotates, multiplication, division, SETcc, CMOVcc, BSF and their like; x87, MMX, and
// SSE and AVX beyond moves; EVEX; masked moves, gathers; 5-level paging; a 67h prefix before
// VEX outside of 64-bit code. Not checked: #AC, and the limit of CS on the
// instruction itself (the processor has fetched it). The half of an operand that is
// memory while the other half is a device is not accessed atomically.
//
// Specifications: Intel SDM edition 084, Vol. 1 chapter 13 (XSAVE), Vol. 2
// (instructions), Vol. 3A chapters 4 (paging), 5 (protection) and
// 8 (tasks).
package emul
