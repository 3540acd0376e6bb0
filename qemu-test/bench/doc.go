// Command bench is `make bench`: what an exit, a boot and an idle host cost, beside
// Linux KVM with QEMU in the same emulators.
//
// The emulators count instructions: QEMU with -icount shift=0,sleep=off (AMD-V), and
// Bochs (VT-x), whose time-stamp counter is its instruction counter. A guest's RDTSC
// differences are therefore host and guest instructions together, and the same run
// gives the same figures on any computer. They are not cycles: XSAVE or VMREAD count
// as one instruction each, so the table of what one exit executes (profile.go) says
// how many of those there are.
//
//	facts.go    KVM's figures, and the limits that the project has set itself
//	exits.go    the rows of exits, by the kernel in kernel/
//	profile.go  the expensive instructions of one exit, from Bochs' and QEMU's traces
//	whole.go    first HTTPS answer, memory, sizes
//	linux.go    Debian's kernel up to power-off
//	report.go   the Markdown table: build/bench.txt
//
// kernel/ is the ring-0 half; poweroff/ is the guest's init.
//
// World: the developer's computer.
package main
