// Package guests makes the project's own micro guests: flat 32-bit Multiboot1 images
// of a few KiB, written in Go with a small assembler. They say what they see on COM1,
// one fact a line, and end by a line "done".
//
//	asm.go    the assembler: 32-bit instructions, labels, data
//	elf.go    the Multiboot1 ELF file around the code
//	lib.go    printing, interrupt tables, timing loops
//	list.go   the guests by name
//	firmware.go  the one that looks at what a BIOS leaves
//	smplib.go   what guests with several processors share
//	smp.go      those guests
//	hostile.go  those that try to do harm
//	chaos*.go  one that attacks every device at random, by a seed
//	gib.go      uses a whole GiB, which a host may have mapped at once
//	witness.go  its neighbour, which hashes its memory again and again
//	emul*.go  every instruction that is emulated, executed natively
//	bench.go  the guest that times every kind of exit
//	benchsmp.go  interrupts between processors, timed
//
// World W2. No emulator is needed to build them; the same images run under VT-x and
// AMD-V, and under any other Multiboot loader.
//
// Specifications: Multiboot Specification 0.6.96; Intel SDM Vol. 2 (edition 086) for
// encodings; System V ABI, "ELF", for the file.
package guests
