package ioapic

import (
	"sync/atomic"

	"basalt/vmkernel/vbus"
)

// IOAPIC is the controller. Every method is safe for any thread.
type IOAPIC struct {
	pins [NumPins]atomic.Uint64 // entry
	sel  atomic.Uint32
	id   atomic.Uint32
	sink vbus.MSISink // constant after New
}

var (
	_ vbus.Device     = (*IOAPIC)(nil)
	_ vbus.FastReader = (*IOAPIC)(nil)
	_ vbus.EOISink    = (*IOAPIC)(nil)
	_ vbus.Stateful   = (*IOAPIC)(nil)
)

// New makes a reset IOAPIC that sends its messages to sink.
func New(sink vbus.MSISink) *IOAPIC {
	p := &IOAPIC{sink: sink}
	p.Reset()
	return p
}

// Name implements vbus.Device.
func (p *IOAPIC) Name() string { return "ioapic" }

// Reset masks every entry; the pins stay what the devices say.
func (p *IOAPIC) Reset() {
	p.sel.Store(0)
	p.id.Store(0)
	for i := range p.pins {
		for {
			old := p.pins[i].Load()
			if p.pins[i].CompareAndSwap(old, uint64(entry(old)&rtePin|rteMasked)) {
				break
			}
		}
	}
}

type line struct {
	p *IOAPIC
	n int
}

func (l line) Set(high bool) { l.p.set(l.n, high) }

// Line is input n; unconnected outside 0 to 23.
func (p *IOAPIC) Line(n int) vbus.Line {
	if n < 0 || n >= NumPins {
		return vbus.NoLine{}
	}
	return line{p, n}
}

func (p *IOAPIC) set(n int, high bool) {
	w := &p.pins[n]
	var e entry
	for {
		old := w.Load()
		e = entry(old)
		if (e&rtePin != 0) == high {
			return
		}
		e ^= rtePin
		if w.CompareAndSwap(old, uint64(e)) {
			break
		}
	}
	switch {
	case !high || e&rteMasked != 0:
	case e.level():
		p.service(w)
	default:
		addr, data := e.message()
		p.sink.Signal(addr, data)
	}
}

// service sends an asserted level. Remote IRR is set before the message goes
// out, because the EOI may come back, on another CPU, before Signal returns.
func (p *IOAPIC) service(w *atomic.Uint64) {
	for {
		old := w.Load()
		e := entry(old)
		if !e.due() {
			return
		}
		if !w.CompareAndSwap(old, uint64(e|rteRemoteIRR)) {
			continue
		}
		if addr, data := e.message(); p.sink.Signal(addr, data) {
			return
		}
		for { // nobody took it
			old := w.Load()
			if w.CompareAndSwap(old, uint64(entry(old)&^rteRemoteIRR)) {
				return
			}
		}
	}
}

// EOI ends a level-triggered interrupt on every pin with that vector.
func (p *IOAPIC) EOI(vector uint8) {
	for i := range p.pins {
		w := &p.pins[i]
		for {
			old := w.Load()
			e := entry(old)
			if e&rteRemoteIRR == 0 || uint8(e&rteVector) != vector {
				break
			}
			if w.CompareAndSwap(old, uint64(e&^rteRemoteIRR)) {
				p.service(w)
				break
			}
		}
	}
}

// readIndirect is IOWIN.
func (p *IOAPIC) readIndirect(index uint32) uint32 {
	switch {
	case index == IOAPICID || index == IOAPICARB:
		return p.id.Load()
	case index == IOAPICVER:
		return version
	case index >= IOREDTBL && index < IOREDTBL+2*NumPins:
		e := entry(p.pins[(index-IOREDTBL)/2].Load()) & rteVisible
		return uint32(e >> (32 * (index & 1)))
	}
	return 0xFFFF_FFFF
}

func (p *IOAPIC) writeIndirect(index, v uint32) {
	switch {
	case index == IOAPICID:
		p.id.Store(v & 0x0F00_0000)
	case index >= IOREDTBL && index < IOREDTBL+2*NumPins:
		w := &p.pins[(index-IOREDTBL)/2]
		for {
			old := w.Load()
			if w.CompareAndSwap(old, uint64(entry(old).writeHalf(index&1 != 0, v))) {
				break
			}
		}
		p.service(w)
	}
}

// ReadMMIO implements vbus.MMIO: registers are 32 bits wide; a narrower read
// gives their low bytes.
func (p *IOAPIC) ReadMMIO(_ int, off uint64, data []byte) vbus.Access {
	v, ok := p.read(off)
	if !ok {
		return vbus.NoRegister
	}
	for i := range data {
		data[i] = 0
		if i < 4 {
			data[i] = byte(v >> (8 * i))
		}
	}
	return vbus.OK
}

func (p *IOAPIC) read(off uint64) (v uint32, ok bool) {
	switch off {
	case IOREGSEL:
		return p.sel.Load(), true
	case IOWIN:
		return p.readIndirect(p.sel.Load()), true
	case IOEOI:
		return 0, true
	}
	return 0, false
}

// FastReadMMIO implements vbus.FastReader. W1.
func (p *IOAPIC) FastReadMMIO(_ int, off uint64, size uint8) (value uint64, ok bool) {
	v, ok := p.read(off)
	return uint64(v), ok
}

// WriteMMIO implements vbus.MMIO: IOREGSEL and IOEOI take any width, IOWIN 32 bits.
func (p *IOAPIC) WriteMMIO(_ int, off uint64, data []byte) vbus.Access {
	if len(data) == 0 {
		return vbus.BadSize
	}
	switch off {
	case IOREGSEL:
		p.sel.Store(uint32(data[0]))
	case IOWIN:
		if len(data) < 4 {
			return vbus.BadSize
		}
		v := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		p.writeIndirect(p.sel.Load(), v)
	case IOEOI:
		p.EOI(data[0])
	default:
		return vbus.NoRegister
	}
	return vbus.OK
}
