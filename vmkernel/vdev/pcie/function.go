package pcie

import (
	"errors"
	"fmt"
	"math/bits"

	"basalt/vmkernel/vbus"
)

// ErrConfig is a description that no function can have.
var ErrConfig = errors.New("bad configuration")

// Function is the device behind an endpoint: what its BARs do. len(data) is 1 to 8
// in memory, 1, 2 or 4 in I/O space; off+len(data) never exceeds the BAR's size.
// The calls come on virtual CPUs, several at once. Reset comes on a virtual CPU
// too (function-level reset, slot power) and returns without waiting for I/O.
type Function interface {
	vbus.Device
	ReadBAR(bar int, off uint64, data []byte) vbus.Access
	WriteBAR(bar int, off uint64, data []byte) vbus.Access
}

// FastFunction is a Function that can take some writes in W1, as vbus.FastPortIO and
// FastMMIO say.
type FastFunction interface {
	Function
	FastWriteBAR(bar int, off uint64, size uint8, value uint64) (ok bool)
}

// MasterFunction is a Function that wants to know when BusMaster has changed. The
// call comes with Root.mu held: it must not call the Endpoint's other methods nor
// wait.
type MasterFunction interface {
	Function
	BusMasterChanged()
}

// Kind is the address space of a BAR.
type Kind uint8

// The kinds.
const (
	Mem32 Kind = iota
	Mem64      // takes the next register too
	IO
)

// BAR is one base address register. Size is bytes, a power of two: 16 bytes to
// 2 GiB in Mem32, to 1 TiB in Mem64, 4 to 256 bytes in IO; 0: none.
type BAR struct {
	Size     uint64
	Kind     Kind
	Prefetch bool
}

// Capability is an entry of the capability list that the function brings.
type Capability struct {
	ID       uint8
	Body     []byte // after the identifier and the pointer
	Writable []byte // mask over Body; nil: read-only
	// Read replaces what is about to be read, Write hears what was written (after
	// the bytes that are writable were stored). off counts from the capability's
	// start, and off+len(data) is within it; len(data) is 1 to 4. Either may be nil.
	Read  func(off int, data []byte)
	Write func(off int, data []byte)
}

// Config describes a function.
type Config struct {
	Vendor, Device, SubVendor, SubDevice uint16

	Revision     uint8
	Class        uint32 // base class, subclass, interface: 24 bits
	BARs         [6]BAR
	Pin          uint8 // 1 is INTA#; 0: no INTx
	Vectors      int   // of MSI-X, up to 2048; 0: none
	MSIXBAR      int   // a BAR of its own: the endpoint answers table and pending bits
	MSI          bool  // one message, for guests without MSI-X
	Capabilities []Capability
}

// check says what is wrong with BAR i.
func (c *Config) check(i int) error {
	b := c.BARs[i]
	low, high := uint64(16), uint64(1)<<31
	switch b.Kind {
	case Mem64:
		high = 1 << 40
		if i == 5 || c.BARs[i+1].Size != 0 {
			return fmt.Errorf("BAR %d is 64 bits wide and has no second register: %w", i, ErrConfig)
		}
	case IO:
		low, high = 4, 256
	}
	if bits.OnesCount64(b.Size) != 1 || b.Size < low || b.Size > high || b.Kind > IO || b.Kind == IO && b.Prefetch {
		return fmt.Errorf("BAR %d of %#x bytes, kind %d: %w", i, b.Size, b.Kind, ErrConfig)
	}
	return nil
}
