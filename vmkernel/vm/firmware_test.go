package vm

import (
	"testing"

	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
)

// TestMultibootFirmware: a Multiboot kernel finds the interrupt controllers as a BIOS
// leaves them, after each reset.
func TestMultibootFirmware(t *testing.T) {
	got := make(chan uint64, 10)
	in := func(port uint16) fakecpu.Step {
		return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindPIO, InstLen: 1, PIO: vcpu.PIO{Port: port, Size: 1, In: true}}}
	}
	after := fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { got <- e.R.GPR[vcpu.RAX] & 0xff }}
	b := newBench(t, in(0x21), after, in(0xa1), after, out(0x21, 0), in(0x21), after, out(0xcf9, 2), out(0xcf9, 6), in(0x21), after)
	b.start()
	for i, want := range []uint64{0xfa, 0xff, 0, 0xfa} {
		if v := <-got; v != want {
			t.Errorf("read %d: %x, want %x", i, v, want)
		}
	}
}
