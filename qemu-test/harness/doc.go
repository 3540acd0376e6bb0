// Package harness starts machines in QEMU and Bochs for the test table: serial
// line to a log file that tests can wait on, QEMU's monitor protocol, forwarded
// ports, time limits, and at most two emulators on the computer at once.
//
// World: the developer's computer. An emulator is ended by its own process
// handle only, never by name. Its log stays after a failure.
//
// Specifications: QEMU 7.2 "QEMU Machine Protocol"; Bochs 2.7 bochsrc(5).
package harness
