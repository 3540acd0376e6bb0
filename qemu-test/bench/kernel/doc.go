// Command kernel is the VMkernel without network and management: it runs the micro
// guests that time exits, over the same machines (vmkernel/vm) and engines as the
// real one, and says what they printed on its serial line. Nothing else runs beside
// the guest, so the figures are those of the exit path.
//
//	main.go    settings, and the order of the measurements
//	guest.go   one guest from start to its last line
//	linux.go   a Linux kernel from its start to its power-off
//	allocs.go  allocations and exits while a guest does one of everything
//
// On a host with several processors only the interrupts between two virtual ones are
// timed.
//
// Settings (command line, or basalt.conf on a disk image):
//
//	mitigations=off   as in the VMkernel
//	linux=BYTES       boot the kernel of that size in the first module, with the
//	                  initramfs behind it
//	guest=NAME        run this guest until the machine is stopped, for profiles
//
// Output, one fact a line:
//
//	engine NAME mitigations=BOOL
//	row NAME COUNT TICKS
//	exits KIND COUNT GO
//	allocs COUNT EXITS
//	bench done
//
// World W2.
package main
