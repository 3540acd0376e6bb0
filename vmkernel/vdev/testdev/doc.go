// Package testdev is a device for test suites: it lets a guest drive the interrupt
// lines of its own board. World W2.
//
// Place in the data path: guest -> port Lines+n -> line n of the board, as a device
// of its own would set it. A machine has it only when its configuration asks for it:
// nothing but a test program wants it.
//
// Specification: the ports that kvm-unit-tests (x86/ioapic.c, x86/realmode.c) expect
// of QEMU's pc-testdev: a byte written at 2000h+n is the level of line n, and E0h to
// E3h is a register of 4 bytes that reads as it was written.
//
// Locking: one mutex over the register; lines are safe for any goroutine.
//
// Not supported: the rest of that device (flushing of accesses, memory at FF000000h),
// and its exit port, F4h: a test says on its console how it ended.
package testdev
