// Package debugport is the console port of Bochs (0xE9) and of QEMU's firmware
// builds (0x402): a byte written is a character, a read says that it is there.
// World W2.
//
// Place in the data path: guest -> port -> io.Writer (a log). Specification: the
// Bochs user manual, "port_e9_hack"; QEMU's isa-debugcon.
//
// The writer must not block; what it does not take is lost.
package debugport

import (
	"io"
	"sync"

	"basalt/vmkernel/vbus"
)

// The two customary ports; a read gives the answer that software probes for.
const (
	Bochs    = 0xE9
	Firmware = 0x402
)

const present = 0xE9

// DebugPort is the device. Safe for any goroutine.
type DebugPort struct {
	mu  sync.Mutex
	to  io.Writer
	one [1]byte
}

var _ vbus.PortIO = (*DebugPort)(nil)

// New makes the device; claim either port or both.
func New(to io.Writer) *DebugPort { return &DebugPort{to: to} }

// Name implements vbus.Device.
func (d *DebugPort) Name() string { return "debugport" }

// Reset implements vbus.Device.
func (d *DebugPort) Reset() {}

// ReadPort implements vbus.PortIO.
func (d *DebugPort) ReadPort(_ uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	data[0] = present
	return vbus.OK
}

// WritePort implements vbus.PortIO.
func (d *DebugPort) WritePort(_ uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.one[0] = data[0]
	d.to.Write(d.one[:]) // lost when it fails: a debug aid must not stop a guest
	return vbus.OK
}
