package pcie

import "fmt"

// Where configuration space is in guest-physical memory: 256 buses.
const (
	ECAMBase = 0xe000_0000
	ECAMSize = 256 << 20
)

// Where I/O BARs may be: the ports below are the board's.
const (
	IOBase = 0x1000
	IOSize = ioEnd - IOBase
)

const (
	lowStart  = 0xc000_0000 // the latest end of RAM below 4 GiB
	topStart  = ECAMBase + ECAMSize
	topEnd    = 0xfec0_0000 // the I/O APIC
	fourGiB   = 1 << 32
	ioEnd     = 0x1_0000
	usualBits = 40 // the 64-bit window ends here if it can
)

// Window is a range of guest-physical addresses; Size 0: none.
type Window struct{ Base, Size uint64 }

// Last is the window's last byte.
func (w Window) Last() uint64 { return w.Base + w.Size - 1 }

func (w Window) has(base, last uint64) bool {
	return w.Size != 0 && base >= w.Base && last <= w.Last()
}

// Windows are where BARs may be.
type Windows struct {
	Low  []Window // below 4 GiB
	High Window   // above RAM
}

// Layout gives the windows of a machine whose RAM ends at low below 4 GiB, at
// high above (0: none there), and whose guest has physBits of physical address.
// The high window is the last quarter of the address space, of 1 TiB if that is
// enough, which leaves room to add memory; there is none if RAM is in the way.
func Layout(low, high uint64, physBits uint8) (Windows, error) {
	if low > lowStart {
		return Windows{}, fmt.Errorf("pcie: RAM below 4 GiB ends at %#x, the 32-bit window starts at %#x: %w", low, uint64(lowStart), ErrConfig)
	}
	w := Windows{Low: []Window{{lowStart, ECAMBase - lowStart}, {topStart, topEnd - topStart}}}
	for b := min(physBits, usualBits); b <= min(physBits, 52); b++ {
		end := uint64(1) << b
		if start := end / 4 * 3; start >= max(high, fourGiB) && b > 32 {
			w.High = Window{start, end - start}
			break
		}
	}
	return w, nil
}

// check refuses windows that meet RAM's place, ECAM or the interrupt controllers.
func (w *Windows) check() error {
	for _, l := range w.Low {
		ok := l.Base < l.Last() && (l.Base >= lowStart && l.Last() < ECAMBase || l.Base >= topStart && l.Last() < topEnd)
		if !ok {
			return fmt.Errorf("pcie: 32-bit window %#x+%#x: %w", l.Base, l.Size, ErrConfig)
		}
	}
	if h := w.High; h.Size != 0 && (h.Base < fourGiB || h.Last() < h.Base || h.Last() >= 1<<52) {
		return fmt.Errorf("pcie: 64-bit window %#x+%#x: %w", h.Base, h.Size, ErrConfig)
	}
	return nil
}

func (r *Root) inWindow(base, last uint64) bool {
	for _, w := range r.cfg.Windows.Low {
		if w.has(base, last) {
			return true
		}
	}
	return r.cfg.Windows.High.has(base, last)
}
