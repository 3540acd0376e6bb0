// Package postcode is port 0x80: the last byte that firmware wrote there, which
// Linux uses as an I/O delay. World W1 and W2: one atomic word, no lock.
//
// Place in the data path: guest -> port; management -> Last. No specification
// but the habit of the PC/AT.
package postcode

import (
	"sync/atomic"

	"basalt/vmkernel/vbus"
)

// Port is where it is.
const Port = 0x80

// PostCode is the device. Safe for any thread.
type PostCode struct{ last atomic.Uint32 }

var _ vbus.PortIO = (*PostCode)(nil)

// Name implements vbus.Device.
func (p *PostCode) Name() string { return "postcode" }

// Reset implements vbus.Device.
func (p *PostCode) Reset() { p.last.Store(0) }

// Set is a write of one byte. W1.
func (p *PostCode) Set(code uint8) { p.last.Store(uint32(code)) }

// Last is the last code.
func (p *PostCode) Last() uint8 { return uint8(p.last.Load()) }

// ReadPort implements vbus.PortIO.
func (p *PostCode) ReadPort(_ uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	data[0] = p.Last()
	return vbus.OK
}

// WritePort implements vbus.PortIO: any width, the low byte counts.
func (p *PostCode) WritePort(_ uint16, data []byte) vbus.Access {
	if len(data) > 0 {
		p.last.Store(uint32(data[0]))
	}
	return vbus.OK
}
