package pcie

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	spec "basalt/drivers/spec/pci"
)

// What a slot gets at least, so that a card that comes later finds room.
const (
	spareMemory   = 2 << 20
	sparePrefetch = 32 << 20
)

func secondary(slot int) uint8 { return uint8(slot + 1) }

// arena gives out parts of windows, upwards; what an alignment skips is lost.
type arena struct{ next, last uint64 }

func newArena(base, size uint64) *arena {
	if size == 0 {
		return &arena{next: 1, last: 0}
	}
	return &arena{base, base + size - 1}
}

func (a *arena) take(size, align uint64) (base uint64, ok bool) {
	base = (a.next + align - 1) &^ (align - 1)
	if a.next > a.last || base < a.next || base > a.last || a.last-base < size-1 {
		return 0, false
	}
	a.next = base + size
	return base, true
}

// firstOf takes from the first arena that has room.
func firstOf(size, align uint64, from ...*arena) (uint64, bool) {
	for _, a := range from {
		if base, ok := a.take(size, align); ok {
			return base, true
		}
	}
	return 0, false
}

// configurator is one run of Configure.
type configurator struct {
	low  []*arena
	high *arena
	io   *arena
	lost []string
}

// Configure does what firmware does: bus numbers, windows of the ports, addresses,
// decoding of memory and I/O for every device; the ports also get bus mastering,
// the devices' drivers turn on their own. The result depends on nothing but what
// is plugged in where. After each reset, before the guest runs. The error names
// the BARs that found no room; the rest is configured.
func (r *Root) Configure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &configurator{high: newArena(r.cfg.Windows.High.Base, r.cfg.Windows.High.Size), io: newArena(IOBase, IOSize)}
	for _, w := range r.cfg.Windows.Low {
		c.low = append(c.low, newArena(w.Base, w.Size))
	}
	for _, p := range r.ports {
		s := &p.regs
		p.rest()
		s.b[spec.PrimaryBus], s.b[spec.SecondaryBus], s.b[spec.SubordinateBus] = 0, secondary(p.n), secondary(p.n)
		s.b[spec.InterruptLine] = uint8(GSI(p.at.Device, s.b[spec.InterruptPin]))
		p.close()
	}
	r.route()
	for _, e := range r.onBus0 {
		e.quiet()
		e.place(c, wanting(e, func(BAR) bool { return true }), func(b BAR, size uint64) (uint64, bool) {
			switch {
			case b.Kind == IO:
				return c.io.take(size, size)
			case b.Kind == Mem64 && b.Prefetch:
				return firstOf(size, size, append([]*arena{c.high}, c.low...)...)
			}
			return firstOf(size, size, c.low...)
		})
	}
	for _, occupied := range []bool{true, false} {
		for _, p := range r.ports {
			if (p.card != nil) == occupied {
				p.configure(c)
			}
		}
	}
	for _, p := range r.ports {
		p.regs.put16(spec.Command, spec.CommandIO|spec.CommandMemory|spec.CommandBusMaster)
		p.settle()
	}
	for e := range r.endpoints() {
		e.open()
	}
	if len(c.lost) > 0 {
		return fmt.Errorf("pcie: no room for %s: %w", strings.Join(c.lost, ", "), ErrLimit)
	}
	return nil
}

// wanting lists the BARs of a sort, the largest first: then each is aligned when
// they follow one another.
func wanting(e *Endpoint, sort func(BAR) bool) (list []int) {
	for i, b := range e.cfg.BARs {
		if b.Size != 0 && sort(b) {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(x, y int) int { return cmp.Compare(e.cfg.BARs[y].Size, e.cfg.BARs[x].Size) })
	return list
}

// quiet takes decoding away while addresses change.
func (e *Endpoint) quiet() {
	e.regs.put16(spec.Command, 0)
	for i, b := range e.cfg.BARs {
		if b.Size != 0 {
			e.setAddress(i, 0)
		}
	}
	e.refresh()
}

// open turns decoding on.
func (e *Endpoint) open() {
	at := e.at
	if e.slot != nil {
		at = e.slot.at
	}
	if e.cfg.Pin != 0 {
		e.regs.b[spec.InterruptLine] = uint8(GSI(at.Device, e.cfg.Pin))
	}
	var b [2]byte
	le.PutUint16(b[:], spec.CommandIO|spec.CommandMemory)
	e.regs.write(spec.Command, b[:])
	e.refresh()
}

// place gives each BAR of list an address.
func (e *Endpoint) place(c *configurator, list []int, take func(b BAR, size uint64) (uint64, bool)) {
	for _, i := range list {
		b := e.cfg.BARs[i]
		base, ok := take(b, b.Size)
		if !ok {
			c.lost = append(c.lost, fmt.Sprintf("BAR %d of %s (%#x bytes)", i, e.Name(), b.Size))
			continue
		}
		e.setAddress(i, base)
	}
}

// close shuts every window: base above limit.
func (p *port) close() {
	s := &p.regs
	s.b[spec.IOBase], s.b[spec.IOLimit] = spec.IOWindowMask, 0
	p.openMemory(spec.MemoryBase, spec.MemoryLimit, spec.WindowMask<<16, 0)
	p.openPrefetch(spec.WindowMask<<16, 0)
}

func (p *port) openMemory(from, to int, base, last uint64) {
	kind := p.regs.u16(from) &^ spec.WindowMask
	p.regs.put16(from, uint16(base>>16)&spec.WindowMask|kind)
	p.regs.put16(to, uint16(last>>16)&spec.WindowMask|kind)
}

func (p *port) openPrefetch(base, last uint64) {
	p.openMemory(spec.PrefetchBase, spec.PrefetchLimit, base, last)
	p.regs.put32(spec.PrefetchBaseUpper, uint32(base>>32))
	p.regs.put32(spec.PrefetchLimitUpper, uint32(last>>32))
}

// configure opens the windows of a port and places its card in them.
func (p *port) configure(c *configurator) {
	e := p.card
	if e != nil {
		e.quiet()
	}
	far := func(b BAR) bool { return b.Kind == Mem64 && b.Prefetch }
	p.window(c, spareMemory, func(b BAR) bool { return b.Kind != IO && !far(b) }, c.low, func(base, last uint64) {
		p.openMemory(spec.MemoryBase, spec.MemoryLimit, base, last)
	})
	p.window(c, sparePrefetch, far, []*arena{c.high}, p.openPrefetch)
	if e == nil {
		return
	}
	if list := wanting(e, func(b BAR) bool { return b.Kind == IO }); len(list) > 0 {
		base, ok := c.io.take(spec.IOWindowGranule, spec.IOWindowGranule)
		if ok {
			p.regs.b[spec.IOBase], p.regs.b[spec.IOLimit] = uint8(base>>8), uint8(base>>8)
		}
		inside := newArena(base, spec.IOWindowGranule)
		e.place(c, list, func(_ BAR, size uint64) (uint64, bool) {
			if !ok {
				return 0, false
			}
			return inside.take(size, size)
		})
	}
}

// window takes room for the card's BARs of a sort, spare bytes at least, and
// places them. The card's own needs may come from the low windows when there is
// no high one; spare room does not.
func (p *port) window(c *configurator, spare uint64, sort func(BAR) bool, from []*arena, open func(base, last uint64)) {
	var list []int
	var need, align uint64 = 0, spec.WindowGranule
	if p.card != nil {
		list = wanting(p.card, sort)
		for _, i := range list {
			need += p.card.cfg.BARs[i].Size
			align = max(align, p.card.cfg.BARs[i].Size)
		}
	}
	need = (need + spec.WindowGranule - 1) &^ (spec.WindowGranule - 1)
	size := max(need, spare)
	base, ok := firstOf(size, align, from...)
	if !ok && need > 0 {
		size = need
		base, ok = firstOf(size, align, append(slices.Clone(from), c.low...)...)
	}
	if ok {
		open(base, base+size-1)
	}
	if len(list) > 0 {
		inside := newArena(base, size)
		p.card.place(c, list, func(_ BAR, n uint64) (uint64, bool) {
			if !ok {
				return 0, false
			}
			return inside.take(n, n)
		})
	}
}
