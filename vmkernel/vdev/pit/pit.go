package pit

import (
	"sync"

	"basalt/vmkernel/vbus"
)

// PIT is the timer. Safe for any goroutine.
type PIT struct {
	clock vbus.Clock
	irq   vbus.Line
	timer vbus.Timer

	mu     sync.Mutex
	ch     [3]channel
	portB  uint8 // the writable bits
	edgeAt int64 // the tick of the next rising edge of channel 0, or 0
}

var (
	_ vbus.Device   = (*PIT)(nil)
	_ vbus.PortIO   = (*PIT)(nil)
	_ vbus.Stateful = (*PIT)(nil)
)

// New makes a reset PIT; irq is interrupt line 0.
func New(clock vbus.Clock, irq vbus.Line) *PIT {
	p := &PIT{clock: clock, irq: irq}
	p.timer = clock.NewTimer(p.expired)
	p.Reset()
	return p
}

// Name implements vbus.Device.
func (p *PIT) Name() string { return "pit" }

// Reset is power-on: no channel counts until it is programmed.
func (p *PIT) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.ch {
		p.ch[i] = channel{mode: 3, rw: rwWord, gate: i != 2}
	}
	p.portB = 0
	p.irq.Set(false)
	p.schedule(p.now())
}

// Firmware starts channel 0 as a PC's firmware leaves it: a square wave with the longest
// period, 18.2 in a second (IBM PS/2 and PC BIOS Interface Technical Reference, 1991,
// "Interrupt 08h"). For loaders that boot without firmware.
func (p *PIT) Firmware() {
	for _, w := range [...]struct {
		port  uint16
		value byte
	}{{Control, rwWord<<ctlRWShift | 3<<ctlModeShift}, {Counter0, 0}, {Counter0, 0}} {
		p.WritePort(w.port, []byte{w.value})
	}
}

func (p *PIT) now() int64 { return ticks(p.clock.Now()) }

// schedule arms the timer for channel 0's next rising edge after t.
func (p *PIT) schedule(t int64) {
	p.edgeAt = p.ch[0].rise(t)
	if p.edgeAt == 0 {
		p.timer.Stop()
		return
	}
	p.timer.Arm(nanos(p.edgeAt))
}

// expired is the timer's callback.
func (p *PIT) expired() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp(p.now())
}

// catchUp raises line 0 if an edge is due. The pin falls first: the output was
// low for at least a tick.
func (p *PIT) catchUp(t int64) {
	if p.edgeAt == 0 || t < p.edgeAt {
		return
	}
	p.irq.Set(false)
	p.irq.Set(true)
	p.schedule(t)
}

// ReadPort implements vbus.PortIO.
func (p *PIT) ReadPort(port uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	t := ticks(now)
	p.catchUp(t)
	switch port {
	case Counter0, Counter1, Counter2:
		data[0] = p.ch[port-Counter0].read(t)
	case PortB:
		v := p.portB
		if now/refreshNS&1 != 0 {
			v |= portBRefresh
		}
		if p.ch[2].out(t) {
			v |= portBOut2
		}
		data[0] = v
	default:
		return vbus.NoRegister // the control word cannot be read
	}
	return vbus.OK
}

// WritePort implements vbus.PortIO.
func (p *PIT) WritePort(port uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.now()
	p.catchUp(t)
	v := data[0]
	switch port {
	case Counter0, Counter1, Counter2:
		c := &p.ch[port-Counter0]
		c.write(v, t)
		if port == Counter0 {
			if c.mode == 0 {
				p.irq.Set(false)
			}
			p.schedule(t)
		}
	case Control:
		p.control(v, t)
	case PortB:
		p.portB = v & portBMask
		p.ch[2].setGate(v&portBGate2 != 0, t)
	default:
		return vbus.NoRegister
	}
	return vbus.OK
}

func (p *PIT) control(v uint8, t int64) {
	sel := v >> ctlSelShift
	if sel == selReadBack {
		for i := range p.ch {
			if v>>(i+1)&1 == 0 {
				continue
			}
			if v&rbNoCount == 0 {
				p.ch[i].latchCount(t)
			}
			if v&rbNoStatus == 0 {
				p.ch[i].latchStatus(t)
			}
		}
		return
	}
	c := &p.ch[sel]
	if v>>ctlRWShift&3 == rwLatch {
		c.latchCount(t)
		return
	}
	c.control(v)
	if sel == 0 {
		if c.mode == 0 {
			p.irq.Set(false)
		}
		p.schedule(t)
	}
}
