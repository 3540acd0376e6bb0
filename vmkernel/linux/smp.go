package linux

import (
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
	"basalt/vmkernel/spin"
)

var flushing spin.Mutex

func reloadCR3() { cpu.WriteCR3(cpu.ReadCR3()) }

// startOthers starts the other processors.
func startOthers() {}

// powerOff leaves QEMU or Bochs; on a machine it halts. The code goes to QEMU's
// isa-debug-exit device where there is one.
func powerOff(code uint32) {
	io.Out32(0x501, code)
	io.Out16(0x604, 0x2000)
	io.Out16(0xb004, 0x2000)
	halt()
}
