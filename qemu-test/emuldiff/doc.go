// Package emuldiff compares the instruction emulator with a processor: the guest
// "emul" executes every instruction of guests.EmulRows natively on memory, and Compare
// executes the same instructions with the same state by vcpu/emul on a device that
// behaves as memory. "emul64" and Compare64 are the same for 64-bit code and for vector
// registers of 32 bytes. General registers, stack pointer, flags that are defined, 64 bytes
// of memory and two vector registers have to be the same.
//
// World W2. The guest runs in the cases (package cases) on both engines; what QEMU's
// processor made of it once is in testdata, so that the comparison is an ordinary unit
// test as well.
//
// Decisions: the emulator's side works on a device of its own, not on one in the
// virtual machine: no device that only tests use is in the product. What the guest
// would show of the way between engine and emulator (that the vector registers come
// from and go to the right place), it shows on the I/O APIC; see guests/emul.go.
//
// To record again after a change of the rows: write guests.Build of a guest to a file,
// start it by "qemu-system-x86_64 -cpu max -kernel FILE -serial file:OUT -display none", and
// compress OUT, without carriage returns, to testdata/native32.txt.gz (64).
//
// Not supported: 16-bit code, R8 to R15, registers XMM2 and above, faults. (REP OUTSB prints the results.) The unit tests of
// vcpu/emul have those, with values written by hand.
package emuldiff
