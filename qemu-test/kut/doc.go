// Command kut is `make kvm-unit-tests DIR=...`: it runs the flat x86 images of the
// public suite kvm-unit-tests, which is not part of this tree, as guests of Basalt on
// both engines at once and prints a table of verdicts. The suite is built by its own
// Makefile (./configure --arch=x86_64; make); DIR is its folder x86; cmpxchg8b.flat and
// taskswitch.flat exist only with --arch=i386 and are copied there by hand.
//
// Each image is a Multiboot1 kernel. The module that it gets is its environment: no
// QEMU test device is there, so it says on its serial line how it ended
// ("--- DONE: n ---", because of BOOTLOADER=1 and TEST_DEVICE=0), and NR_CPUS and
// MEMSIZE stand for QEMU's fw_cfg.
//
// The verdicts are the suite's, and two for what is the emulator's fault: "known" for a
// test of which no check fails but those that its row in table.go names, "slow" for one
// that comes to no end within its limit there. The row says how it was seen. The command
// fails when a test fails in another way.
//
//	kut [-engine amd-v|vt-x] [-run REGEXP] [-limit TIME] [-keep DIR] DIR
//
// World: the developer's computer.
package main
