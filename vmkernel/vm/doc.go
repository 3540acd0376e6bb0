// Package vm is the virtual machine: its owner goroutine, its states, the
// motherboard (build.go has all the wiring) and the table of machines that
// management sees through vmkernel/host.
//
// World: W2, except localAPIC and the Fast methods of cpuIO, which the run loop calls
// (W1).
//
// # Threads
//
// Each machine has one owner goroutine from Create to Delete. Everything that
// changes its state is a message to it: actions of management, requests of
// devices (power off, reset), reports of virtual CPUs. Each virtual CPU has one
// goroutine, locked to its thread, tied to processors through Platform.Pin and bound to
// its part of the host's time through Platform.CPUs, from start to stop; it runs when told to and reports why it stopped. A panic in it, which is
// a bug of ours, ends in a crashed machine and a stack in the log, not in a dead
// host. Waits of the owner for its CPUs are bounded by stopWait.
//
// # States
//
//	off -> starting -> running <-> paused
//	running -> crashed (triple fault, an exit that cannot go on, a host error)
//	running -> off (S5)          running -> running (the reset register)
//	paused, running, crashed -> off by Stop; crashed -> starting by Start
//
// A crashed machine keeps its memory until Stop, Start or Delete, so that it can
// be looked at.
//
// # Memory of the guest
//
//	0          .. 0x9fc00     RAM
//	0x9fc00    .. 0xa0000     reserved (EBDA)
//	0xa0000    .. 0xc0000     hole (VGA window)
//	0xe0000    .. 0x100000    reserved: ACPI tables
//	0x100000   .. low end     RAM, at most up to 3 GiB
//	0xfec00000                I/O APIC
//	0xfee00000                local APIC
//	4 GiB      ..             the rest of the RAM
//
// What is neither RAM nor a device reads as all ones.
//
// # Time
//
// The machine's clock and the guest's TSC stand still while it is paused.
//
// # Surprises
//
//   - A processor without an XSETBV intercept (QEMU's AMD-V) changes XCR0 behind
//     our back: CPUID leaf 0xD is answered in ordinary Go, from the state that the
//     engine has read back. Linux checks the size and warns.
//   - Linux restores virtual wire mode before it powers off and sets read-only
//     bits of LVT entries in x2APIC mode: they must be ignored, not refused.
//   - The PIC's vector must be known before the guest can take it, but its
//     acknowledge cycle has side effects: hence Peek and Take.
//   - A direct boot has no firmware: the boot processor's local APIC has to be
//     put into virtual wire mode, or PIC interrupts reach nobody.
//   - Debian's cloud kernel makes about 37,000 port exits from power-on to
//     power-off, nearly all for its serial console; 660 CPUID, 460 WRMSR, 980
//     first touches and EPT/NPT misses.
//
// Not supported yet: more than one running CPU (the structure is there), devices
// on PCI, checkpoints.
package vm
