package pci

import (
	"iter"

	"basalt/drivers/bus"
	spec "basalt/drivers/spec/pci"
)

// Capabilities walks the capability list: identifier and offset, in list order.
// The walk ends at the first offset that is not a fresh dword in 0x40-0xfc, so a
// list that loops or points into the header is finite.
func Capabilities(c bus.Registers) iter.Seq2[uint8, uintptr] {
	return func(yield func(uint8, uintptr) bool) {
		if s := c.Read16(spec.Status); s == 0xffff || s&spec.StatusCapabilities == 0 {
			return
		}
		var seen uint64 // a bit per dword
		at := uintptr(c.Read8(spec.CapabilitiesPtr) &^ 3)
		for at >= spec.FirstCapability && seen&(1<<(at/4)) == 0 {
			seen |= 1 << (at / 4)
			v := c.Read16(at)
			if v == 0xffff || !yield(uint8(v), at) {
				return
			}
			at = uintptr(uint8(v>>8) &^ 3)
		}
	}
}

// Capability finds the first capability with this identifier and at least size
// bytes before the end of configuration space.
func Capability(c bus.Registers, id uint8, size uintptr) (off uintptr, ok bool) {
	for i, at := range Capabilities(c) {
		if i == id && at+size <= spec.ConfigSize {
			return at, true
		}
	}
	return 0, false
}
