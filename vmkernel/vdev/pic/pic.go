package pic

import (
	"sync/atomic"

	"basalt/vmkernel/vbus"
)

// PIC is the pair of controllers. Every method is safe for any thread.
type PIC struct {
	master, slave atomic.Uint64 // chip
	notify        func()        // constant after New
}

var (
	_ vbus.Device   = (*PIC)(nil)
	_ vbus.PortIO   = (*PIC)(nil)
	_ vbus.Stateful = (*PIC)(nil)
)

// New makes a reset PIC. notify is called, on the thread that made the change,
// when there may be something to deliver: it kicks the boot processor. It must
// not block; nil does nothing.
func New(notify func()) *PIC {
	if notify == nil {
		notify = func() {}
	}
	p := &PIC{notify: notify}
	p.Reset()
	return p
}

// Name implements vbus.Device.
func (p *PIC) Name() string { return "pic" }

// Reset is power-on: everything masked until the guest initialises the chips.
// The pins stay what the devices say.
func (p *PIC) Reset() {
	reset := func(c chip) chip {
		return (c & (0xFF << fPins)).with(fIMR, 0xFF).withLow(lowMax)
	}
	swap(&p.master, reset)
	swap(&p.slave, reset)
}

// Firmware programs the chips as a PC's firmware leaves them: vectors 08h and 70h, and
// all masked but the timer and the cascade (Multiboot Specification 0.6.96, 3.2, wants
// "the normal BIOS/DOS values"). For loaders that boot without firmware. W2.
func (p *PIC) Firmware() {
	for _, w := range [...]struct {
		port  uint16
		value byte
	}{
		{MasterCommand, 0x11}, {MasterData, 0x08}, {MasterData, 1 << cascade}, {MasterData, 0x01},
		{SlaveCommand, 0x11}, {SlaveData, 0x70}, {SlaveData, cascade}, {SlaveData, 0x01},
		{MasterData, 0xFF &^ (1<<0 | 1<<cascade)}, {SlaveData, 0xFF},
	} {
		p.WritePort(w.port, []byte{w.value})
	}
}

// swap applies a pure change atomically.
func swap(w *atomic.Uint64, f func(chip) chip) {
	for {
		old := w.Load()
		if now := uint64(f(chip(old))); now == old || w.CompareAndSwap(old, now) {
			return
		}
	}
}

// load gives both chips; the master's cascade pin is made from the slave.
func (p *PIC) load() (m, s chip) {
	s = chip(p.slave.Load())
	m = chip(p.master.Load()).cascaded(s)
	return m, s
}

// cascaded drives the cascade pin.
func (c chip) cascaded(slave chip) chip {
	_, ok := slave.pending(false)
	if ok {
		return c | 1<<(fIRR+cascade)
	}
	return c &^ (1 << (fIRR + cascade))
}

// Pending says whether INTR is high.
func (p *PIC) Pending() bool {
	m, _ := p.load()
	_, ok := m.pending(true)
	return ok
}

// Ack is the processor's acknowledge cycle: the vector to take, and the
// interrupt in service. When nothing asks any more it is a spurious IRQ 7 or 15.
func (p *PIC) Ack() (vector uint8) {
	for {
		raw := p.master.Load()
		m := chip(raw).cascaded(chip(p.slave.Load()))
		pin, ok := m.pending(true)
		if !ok {
			return m.field(fBase) + spurious
		}
		if !p.master.CompareAndSwap(raw, uint64(m.ack(pin))) {
			continue
		}
		if pin != cascade {
			return m.field(fBase) + uint8(pin)
		}
		for {
			raw := p.slave.Load()
			s := chip(raw)
			pin, ok := s.pending(false)
			if !ok {
				return s.field(fBase) + spurious
			}
			if p.slave.CompareAndSwap(raw, uint64(s.ack(pin))) {
				return s.field(fBase) + uint8(pin)
			}
		}
	}
}

// ReadMask reads port 0x21 or 0xA1 on the fast path; false when the read has a
// side effect (poll mode) and must go through ReadPort.
func (p *PIC) ReadMask(port uint16) (mask uint8, ok bool) {
	w := &p.master
	if port == SlaveData {
		w = &p.slave
	}
	c := chip(w.Load())
	return c.field(fIMR), c&flagPoll == 0
}

// set is a device's change of pin 0 to 15.
func (p *PIC) set(n uint, high bool) {
	w := &p.master
	if n >= 8 {
		w = &p.slave
	}
	for {
		old := w.Load()
		now := uint64(chip(old).setPin(n, high))
		if now == old {
			return
		}
		if w.CompareAndSwap(old, now) {
			break
		}
	}
	if high {
		p.wake()
	}
}

func (p *PIC) wake() {
	if p.Pending() {
		p.notify()
	}
}

type line struct {
	p *PIC
	n uint
}

func (l line) Set(high bool) { l.p.set(l.n, high) }

// Line is the input for IRQ n; unconnected for n outside 0 to 15, and for 2.
func (p *PIC) Line(n int) vbus.Line {
	if n < 0 || n >= NumPins || n == cascade {
		return vbus.NoLine{}
	}
	return line{p, uint(n)}
}

// chipAt gives the chip behind a port, whether A0 is set, and the pins that ELCR
// may make level-triggered.
func (p *PIC) chipAt(port uint16) (w *atomic.Uint64, a0 bool, levels uint8) {
	switch port {
	case MasterCommand, MasterData:
		return &p.master, port == MasterData, 0
	case SlaveCommand, SlaveData:
		return &p.slave, port == SlaveData, 0
	case MasterELCR:
		return &p.master, false, masterLevel
	case SlaveELCR:
		return &p.slave, false, slaveLevel
	}
	return nil, false, 0
}

// ReadPort implements vbus.PortIO.
func (p *PIC) ReadPort(port uint16, data []byte) vbus.Access {
	w, a0, levels := p.chipAt(port)
	switch {
	case w == nil:
		return vbus.NoRegister
	case len(data) != 1:
		return vbus.BadSize
	}
	c := chip(w.Load())
	switch {
	case levels != 0:
		data[0] = c.field(fELCR)
	case c&flagPoll != 0:
		data[0] = p.poll(w)
		p.wake() // automatic EOI: the next request is free
	case a0:
		data[0] = c.field(fIMR)
	default:
		if w == &p.master {
			c = c.cascaded(chip(p.slave.Load()))
		}
		data[0] = c.readStatus()
	}
	return vbus.OK
}

// poll is the read after a poll command: an acknowledgement by software (data
// sheet, "Poll Command").
func (p *PIC) poll(w *atomic.Uint64) uint8 {
	for {
		raw := w.Load()
		c := chip(raw)
		if w == &p.master {
			c = c.cascaded(chip(p.slave.Load()))
		}
		pin, ok := c.pending(w == &p.master)
		c &^= flagPoll
		word := uint8(0)
		if ok {
			c = c.ack(pin)
			word = 0x80 | uint8(pin)
		}
		if w.CompareAndSwap(raw, uint64(c)) {
			return word
		}
	}
}

// WritePort implements vbus.PortIO.
func (p *PIC) WritePort(port uint16, data []byte) vbus.Access {
	w, a0, levels := p.chipAt(port)
	switch {
	case w == nil:
		return vbus.NoRegister
	case len(data) != 1:
		return vbus.BadSize
	}
	v := data[0]
	for {
		old := w.Load()
		now := chip(old)
		switch {
		case levels != 0:
			now = now.with(fELCR, v&levels)
		case a0:
			now = now.writeData(v)
		default:
			now = now.writeCommand(v)
		}
		if w.CompareAndSwap(old, uint64(now)) {
			break
		}
	}
	p.wake()
	return vbus.OK
}
