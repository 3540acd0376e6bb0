package vm

import (
	"context"
	"fmt"
	"slices"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/memhp"
)

// Memory that comes while the machine runs goes above all that it was started with, in
// pieces that each are a memory device of the guest. Its addresses are kept from the
// start: the windows of the root complex are above them, and SRAT tells the guest. What
// came is part of a saved state's layout. A machine that is started anew has all its
// memory from the start.

// hotAlign is the alignment of the first piece, in bytes. Linux wants that of its blocks of
// memory, 128 MiB on a machine that starts with less than 64 GiB, 2 GiB at the most.
const hotAlign = 2 << 30

// space is where a machine's memory is.
type space struct {
	low   uint64     // end of what is below 4 GiB
	high  uint64     // size of what is above, from the start
	hot   gmem.Range // where more can come; of size 0: nowhere
	added []int      // what came, in MiB
}

// spaceOf lays out the memory of a machine that got what is in added while it ran.
func spaceOf(c host.Config, added []int) space {
	boot := c.MemoryMiB
	for _, mib := range added {
		boot -= mib
	}
	size := (uint64(boot)<<20 + gmem.FrameSize - 1) &^ (gmem.FrameSize - 1)
	s := space{low: min(size, lowLimit), added: slices.Clone(added)}
	s.high = size - s.low
	if c.MaxMemoryMiB > 0 {
		const step = host.MemoryStepMiB
		s.hot = gmem.Range{Start: (fourGiB + s.high + hotAlign - 1) &^ (hotAlign - 1), Size: uint64((c.MaxMemoryMiB-boot+step-1)/step*step) << 20}
	}
	return s
}

// checkAdded says whether a machine can have got this, which comes from a state.
func checkAdded(c host.Config, added []int) error {
	boot := c.MemoryMiB
	for _, mib := range added {
		if mib < host.MemoryStepMiB || mib%host.MemoryStepMiB != 0 || mib > boot-minMiB {
			return fmt.Errorf("%d MiB came of %d", mib, c.MemoryMiB)
		}
		boot -= mib
	}
	if len(added) > memhp.Slots || len(added) > 0 && c.MaxMemoryMiB == 0 {
		return fmt.Errorf("memory came %d times", len(added))
	}
	return nil
}

// devices are what came, in a NUMA node.
func (s *space) devices(node uint32) (out []memhp.Device) {
	at := s.hot.Start
	for _, mib := range s.added {
		size := uint64(mib) << 20
		out = append(out, memhp.Device{Base: at, Size: size, Node: node})
		at += size
	}
	return out
}

// boot is what was there from the start, ascending.
func (s *space) boot() []gmem.Range {
	out := []gmem.Range{{Start: 0, Size: s.low}}
	if s.high > 0 {
		out = append(out, gmem.Range{Start: fourGiB, Size: s.high})
	}
	return out
}

// regions are all memory, ascending.
func (s *space) regions() []gmem.Range {
	out := s.boot()
	for _, d := range s.devices(0) {
		out = append(out, gmem.Range{Start: d.Base, Size: d.Size})
	}
	return out
}

// top is where memory ends, with what can come; 0 if all is below 4 GiB.
func (s *space) top() uint64 {
	switch {
	case s.hot.Size > 0:
		return s.hot.End()
	case s.high > 0:
		return fourGiB + s.high
	}
	return 0
}

// fits says whether a processor with addresses of so many bits reaches what can come.
func (s *space) fits(physBits uint8) error {
	if physBits < 64 && s.hot.Size > 0 && s.hot.End() > 1<<physBits {
		return &host.ConfigError{Field: "maxMemoryMiB", Err: fmt.Errorf("memory that comes would end at %#x, the machine's processors have addresses of %d bits", s.hot.End(), physBits)}
	}
	return nil
}

// addMemoryDevices makes the register block, if memory can come.
func (b *board) addMemoryDevices(w *wiring, p *Platform, c host.Config) {
	if c.MaxMemoryMiB == 0 || w.err != nil {
		return
	}
	took := func(_ int, d memhp.Device, status uint32) {
		if status != 0 {
			p.event(c.ID, "warning", fmt.Sprintf("the guest did not take the %d MiB of memory that were added: status %#x", d.Size>>20, status))
			return
		}
		p.event(c.ID, "info", fmt.Sprintf("the guest took the %d MiB of memory that were added", d.Size>>20))
	}
	b.memhp, w.err = memhp.New(memhp.Config{Devices: b.space.devices(b.hotNode()), Took: took})
	if w.err == nil {
		w.plug(b.memhp.Plug(b.bus))
	}
}

// addMemory adds a piece and tells the guest. The owner's.
func (b *board) addMemory(mib int) error {
	next := b.space
	next.added = append(slices.Clip(next.added), mib)
	if len(next.added) > memhp.Slots {
		return &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%w: memory came %d times since the machine was started, which is all that can be", host.ErrTooMany, memhp.Slots)}
	}
	all := next.devices(b.hotNode())
	d := all[len(all)-1]
	if err := b.mem.Grow(gmem.Range{Start: d.Base, Size: d.Size}); err != nil {
		return err
	}
	b.space.added = next.added             // processors look at the rest meanwhile
	if err := b.memhp.Add(d); err != nil { // it cannot be: there are as many slots
		return err
	}
	b.pm.Event(acpipm.GPEMemory)
	return nil
}

// AddMemory implements host.VM.
func (m *Machine) AddMemory(ctx context.Context, mib int) error {
	return m.alter(ctx, "add memory to", func(on bool) error {
		c := m.Config()
		if err := c.CheckAddMemory(mib); err != nil {
			return err
		}
		c.MemoryMiB += mib
		if err := m.p.sizes(c); err != nil {
			return err
		}
		if on {
			if err := m.b.addMemory(mib); err != nil {
				return translate(err)
			}
		}
		m.configure(func(c *host.Config) { c.MemoryMiB += mib })
		m.p.event(m.conf.ID, "info", fmt.Sprintf("%d MiB of memory added, %d now", mib, c.MemoryMiB))
		return nil
	})
}
