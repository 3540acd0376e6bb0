// Command kut is `make kvm-unit-tests DIR=...`: it runs the flat x86 images of the
// public suite kvm-unit-tests, which is not part of this tree, as guests of Basalt
// and prints a table of verdicts. The suite is built by its own Makefile
// (./configure --arch=x86_64; make); DIR is its folder x86; cmpxchg8b.flat and
// taskswitch.flat exist only with --arch=i386 and are copied there by hand.
//
// Each image is a Multiboot1 kernel. The module that it gets is its environment: no
// QEMU test device is there, so it says on its serial line how it ended
// ("--- DONE: n ---", because of BOOTLOADER=1 and TEST_DEVICE=0), and NR_CPUS and
// MEMSIZE stand for QEMU's fw_cfg. The command fails when a test fails whose row in
// table.go does not say why.
//
//	kut [-engine amd-v|vt-x] [-run REGEXP] [-keep DIR] DIR
//
// World: the developer's computer.
package main
