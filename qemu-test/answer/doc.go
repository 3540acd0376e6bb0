// Command answer runs in a Debian guest of the test table and answers what comes over
// its ports, each of which it opens in raw mode: serial ports (ttyS1), terminals of a
// virtio console (hvc0) and its ports for programs, by their names.
//
// # Protocol
//
// A request is a line, ended by CR or LF; the answer is the port's name as the guest
// knows it, a colon and a text:
//
//	echo WORD   WORD
//	cpus        what /sys says of the processors that are online
//	online N    brings processor N online, and waits for it to be there before
//	balloon     how many pages of 4 KiB are in the balloon
//	uuid        the system's UUID in SMBIOS, as Linux reads it
//	fill N      N lines of 64 bytes, then "filled"
//
// Folder has the kernel's modules, which it loads first, and this program;
// qemu-test/artefacts makes the archive with the modules.
//
// World: a guest.
package main
