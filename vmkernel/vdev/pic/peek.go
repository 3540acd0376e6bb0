package pic

import "sync/atomic"

// Peek is the vector that Ack would give now, without taking it: a processor that
// cannot be interrupted yet only wants to know. Any thread.
func (p *PIC) Peek() (vector uint8, ok bool) {
	if chip(p.master.Load()).quiet() && chip(p.slave.Load()).quiet() {
		return 0, false // nearly always, and asked before many entries
	}
	m, s := p.load()
	pin, ok := m.pending(true)
	if !ok {
		return 0, false
	}
	if pin != cascade {
		return m.field(fBase) + uint8(pin), true
	}
	if pin, ok = s.pending(false); !ok {
		return s.field(fBase) + spurious, true
	}
	return s.field(fBase) + uint8(pin), true
}

// Take acknowledges the vector that Peek gave, even if a pin with a higher
// priority has risen since: that one is delivered next. The boot processor's
// thread.
func (p *PIC) Take(vector uint8) {
	m, s := p.load()
	if pin := vector - m.field(fBase); pin < 8 && pin != cascade {
		take(&p.master, uint(pin))
		return
	}
	if pin := vector - s.field(fBase); pin < 8 {
		take(&p.master, cascade)
		take(&p.slave, uint(pin))
	}
}

func take(w *atomic.Uint64, pin uint) {
	for {
		old := w.Load()
		if w.CompareAndSwap(old, uint64(chip(old).ack(pin))) {
			return
		}
	}
}
