package pci

import (
	"fmt"

	"basalt/drivers/bus"
	spec "basalt/drivers/spec/pci"
)

// Bus is what Enumerate found.
type Bus struct {
	Functions []*Function // in order of discovery: depth first, by address
	Skipped   []string    // what was seen but not entered, and why
}

// Enumerate finds every function behind the root bus root of a segment, bridges
// included. It changes nothing.
func Enumerate(s Space, p Platform, segment uint16, root uint8) (*Bus, error) {
	b := &Bus{}
	w := walk{space: s, platform: p, segment: segment, out: b}
	if err := w.bus(root); err != nil {
		return nil, err
	}
	return b, nil
}

type walk struct {
	space    Space
	platform Platform
	segment  uint16
	seen     [256]bool
	bridge   *Function // in front of the bus being walked
	out      *Bus
}

func (w *walk) bus(n uint8) error {
	w.seen[n] = true
	for dev := range uint8(32) {
		for fn := range uint8(8) {
			f, multi, err := w.function(Address{w.segment, n, dev, fn})
			if err != nil {
				return err
			}
			if f != nil {
				w.out.Functions = append(w.out.Functions, f)
				if f.bridge {
					if err := w.enter(f); err != nil {
						return err
					}
				}
			}
			if fn == 0 && !multi {
				break
			}
		}
	}
	return nil
}

func (w *walk) function(a Address) (f *Function, multi bool, err error) {
	c, err := w.space.Function(a)
	if err != nil {
		return nil, false, err
	}
	id := c.Read32(spec.VendorID)
	// All ones: nothing there. Zero is what some bridges answer for a time-out.
	if v := uint16(id); v == 0xffff || v == 0 {
		return nil, false, nil
	}
	header := c.Read8(spec.HeaderType)
	if header == 0xff {
		return nil, false, nil
	}
	f = &Function{addr: a, vendor: uint16(id), device: uint16(id >> 16), config: c, platform: w.platform, parent: w.bridge}
	f.class = c.Read32(spec.RevisionID) >> 8
	f.bridge = header&spec.HeaderTypeMask == spec.HeaderBridge
	if f.bridge {
		f.secondary = c.Read8(spec.SecondaryBus)
	}
	return f, header&spec.HeaderMultiFunction != 0, nil
}

func (w *walk) enter(f *Function) error {
	switch {
	case f.secondary == 0:
		w.skip(f, "firmware gave it no secondary bus")
	case f.secondary <= f.addr.Bus:
		w.skip(f, fmt.Sprintf("secondary bus %d is not behind it", f.secondary))
	case w.seen[f.secondary]:
		w.skip(f, fmt.Sprintf("secondary bus %d was seen already", f.secondary))
	default:
		if _, err := w.space.Function(Address{Segment: w.segment, Bus: f.secondary}); err != nil {
			w.skip(f, err.Error())
			return nil
		}
		w.bridge = f
		err := w.bus(f.secondary)
		w.bridge = f.parent
		return err
	}
	return nil
}

func (w *walk) skip(f *Function, why string) {
	w.out.Skipped = append(w.out.Skipped, fmt.Sprintf("%v: %s", f.addr, why))
}

// Find gives the functions that match.
func (b *Bus) Find(match func(bus.Device) bool) (out []*Function) {
	for _, f := range b.Functions {
		if match(f) {
			out = append(out, f)
		}
	}
	return out
}
