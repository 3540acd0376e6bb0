// Command kernel is the VMkernel without network and management: it runs the micro
// guests that time exits, over the same machines (vmkernel/vm) and engines as the
// real one, and says what they printed on its serial line. Nothing else runs beside
// the guest, so the figures are those of the exit path.
//
//	main.go    settings, and the order of the measurements
//	guest.go   one guest from start to its last line
//	linux.go   a Linux kernel from its start to its power-off
//	io.go      requests to a disk and packets
//	echo.go    what answers the packets
//	login.go   a Linux system from its start to the prompt
//	many.go    the host's memory for each of many machines
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
//	machines=N        start N idle machines and say what memory each takes
//	only=io           only requests to a disk and packets
//	initrd=BYTES      of the initramfs: a disk follows it, which the guest boots from
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
