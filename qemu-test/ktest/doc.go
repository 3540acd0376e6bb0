// Command ktest runs go test with ring 0 in place of Linux: each test binary is
// linked with the personality, packed with the boot stub and booted in QEMU.
//
//	ktest [-cpus N] [-list FILE] [-timeout D] PACKAGES [test flags]
//
// The go command itself builds, schedules, times and reports; ktest is also the
// program behind its -exec flag, which gets each binary to run:
//
//   - A package of the standard library is built in a copy of GOROOT under
//     build/_ktest/goroot, which has the system call overlay of cmd/mkoverlay
//     written into it, the packages of this module that the kernel needs under
//     src/basalt, and a file in package testing that imports them.
//   - A package of this module is built as usual, with an overlay that adds one
//     external test file importing them.
//   - The package's folder, its testdata and what the list asks for travel as a
//     cpio archive in a boot module and become the in-kernel file system.
//
// "std" stands for the packages of the list (qemu-test/ktest.list). A line is the
// package, then settings, then the reason behind '#':
//
//	skip=REGEX   leave these tests out (-test.skip)
//	run=REGEX    run only these
//	short        run with -test.short
//	data=PATH    put this file or folder, relative to GOROOT, into the archive
//	mem=MIB      memory of the machine
//
// World: the developer's computer; package ring0 below it is the part that runs in
// the machine.
package main
