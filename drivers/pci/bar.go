package pci

import (
	"fmt"

	spec "basalt/drivers/spec/pci"
)

// BAR is a decoded base address register.
type BAR struct {
	Addr     uint64 // bus address as firmware set it; 0: not assigned
	Size     uint64 // bytes, a power of two
	IO       bool   // ports, not memory
	Wide     bool   // 64 bits: takes the next register too
	Prefetch bool
}

// SizeBAR finds out what register i is. Memory and I/O decoding is off while the
// register holds the sizing pattern, and everything is put back.
func (f *Function) SizeBAR(i int) (b BAR, err error) {
	n := 6
	if f.bridge {
		n = 2
	}
	if i < 0 || i >= n {
		return b, fmt.Errorf("pci: %v has no BAR %d", f.addr, i)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	off := uintptr(spec.BaseAddress0 + 4*i)
	old := f.config.Read32(off)
	if old == ^uint32(0) {
		return b, fmt.Errorf("pci: %v: BAR %d: %w", f.addr, i, ErrGone)
	}
	b.IO = old&spec.BARIO != 0
	b.Wide = !b.IO && old&spec.BARTypeMask == spec.BARType64
	b.Prefetch = !b.IO && old&spec.BARPrefetch != 0
	if b.Wide && i+1 >= n {
		return b, fmt.Errorf("pci: %v: BAR %d is 64 bits wide without a second half", f.addr, i)
	}
	command := f.config.Read16(spec.Command)
	f.config.Write16(spec.Command, command&^(spec.CommandIO|spec.CommandMemory))
	f.config.Write32(off, ^uint32(0))
	lo := f.config.Read32(off)
	f.config.Write32(off, old)
	var hi, oldHi uint32
	if b.Wide {
		oldHi = f.config.Read32(off + 4)
		f.config.Write32(off+4, ^uint32(0))
		hi = f.config.Read32(off + 4)
		f.config.Write32(off+4, oldHi)
	}
	f.config.Write16(spec.Command, command)

	switch {
	case b.IO:
		b.Addr = uint64(old & spec.BARIOMask)
		// The upper half may read as zero: I/O space has 16 bits here.
		b.Size = uint64(-(lo & spec.BARIOMask) & 0xffff)
		b.Size &= -b.Size
	case b.Wide:
		b.Addr = uint64(oldHi)<<32 | uint64(old&spec.BARMemMask)
		b.Size = -(uint64(hi)<<32 | uint64(lo&spec.BARMemMask))
	default:
		b.Addr = uint64(old & spec.BARMemMask)
		b.Size = uint64(-(lo & spec.BARMemMask))
	}
	if b.Size == 0 || b.Size&(b.Size-1) != 0 {
		return b, fmt.Errorf("pci: %v has no BAR %d", f.addr, i)
	}
	return b, nil
}
