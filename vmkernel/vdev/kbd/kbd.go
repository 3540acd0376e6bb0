// Package kbd is what remains of the 8042 keyboard controller on a machine
// without a keyboard: the reset line, and system port A at 0x92 (fast reset and
// the A20 gate, which is always open). World W2.
//
// Place in the data path: guest -> port -> reset (the VM's owner).
//
// Specifications: Intel 8042 as in the IBM PC/AT Technical Reference (1984),
// 1-40; system control port A: IBM PS/2 Hardware Interface Technical Reference
// (1988). The FADT says that there is no 8042 (ACPI 6.5, 5.2.9.3), and 0x64
// reads 0xFF, which Linux, SeaBIOS and others take for "no controller".
//
// Not supported: keyboard and mouse.
package kbd

import (
	"sync/atomic"

	"basalt/vmkernel/vbus"
)

// The ports.
const (
	Data    = 0x60
	Command = 0x64
	PortA   = 0x92
)

const (
	pulseFirst = 0xF0 // commands F0 to FF pulse the output lines that are 0 in bits 3:0
	pulseReset = 0x01 // line 0 is the reset
	fastReset  = 0x01
	a20        = 0x02
)

// Kbd is the device. Safe for any thread.
type Kbd struct {
	reset func() // constant
	portA atomic.Uint32
}

var _ vbus.PortIO = (*Kbd)(nil)

// New makes the device. reset leaves a note for the VM's owner and does not block.
func New(reset func()) *Kbd {
	k := &Kbd{reset: reset}
	k.Reset()
	return k
}

// Plug claims the three ports.
func (k *Kbd) Plug(b *vbus.Bus) error {
	for _, p := range []uint16{Data, Command, PortA} {
		if err := b.AddPorts(k, p, 1); err != nil {
			return err
		}
	}
	return nil
}

// Name implements vbus.Device.
func (k *Kbd) Name() string { return "kbd" }

// Reset implements vbus.Device.
func (k *Kbd) Reset() { k.portA.Store(a20) }

// ReadPort implements vbus.PortIO.
func (k *Kbd) ReadPort(port uint16, data []byte) vbus.Access {
	switch {
	case len(data) != 1:
		return vbus.BadSize
	case port != PortA:
		return vbus.NoRegister
	}
	data[0] = uint8(k.portA.Load())
	return vbus.OK
}

// WritePort implements vbus.PortIO.
func (k *Kbd) WritePort(port uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	v := data[0]
	switch port {
	case Command:
		if v >= pulseFirst && v&pulseReset == 0 {
			k.reset()
		}
	case PortA:
		old := k.portA.Swap(uint32(v&^fastReset | a20))
		if v&fastReset != 0 && old&fastReset == 0 {
			k.reset()
		}
	}
	return vbus.OK
}
