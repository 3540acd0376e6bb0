package uart

import (
	"time"

	spec "basalt/drivers/spec/uart"
)

func (p *Port) interrupts() {
	p.irq.Enable()
	for p.irq.Wait() == nil && p.err() == nil {
		p.serve()
		p.irq.Enable()
	}
}

// serve takes what the port has until it says that nothing is pending: the line
// must fall before the next edge can come.
func (p *Port) serve() {
	for range passLimit {
		iir := p.regs.Read8(spec.IIR)
		if iir == 0xff && p.regs.Read8(spec.LSR) == 0xff {
			p.fail(ErrGone)
			return
		}
		if iir&spec.IIRNone != 0 {
			return
		}
		p.poll()
	}
}

// poll looks at the line once: bytes received, room to send.
func (p *Port) poll() {
	for range passLimit {
		lsr := p.regs.Read8(spec.LSR)
		if lsr == 0xff {
			p.fail(ErrGone)
			return
		}
		p.errors(lsr)
		if lsr&spec.LSRTHRE != 0 {
			p.wantRoom(false)
		}
		if lsr&spec.LSRReady == 0 {
			return
		}
		p.store(p.regs.Read8(spec.RBR))
	}
}

func (p *Port) store(c byte) {
	p.mu.Lock()
	if p.tail-p.head == ringSize {
		p.stats.Dropped++
	} else {
		p.ring[p.tail%ringSize] = c
		p.tail++
		p.stats.Received++
	}
	p.mu.Unlock()
	wake(p.rxWake)
}

// wantRoom turns the transmit interrupt on for a writer, or off again when there is
// room, and wakes the writer.
func (p *Port) wantRoom(want bool) {
	p.mu.Lock()
	changed := p.transmit != want
	p.transmit = want
	if changed {
		ier := uint8(spec.IERReceive | spec.IERLine)
		if want {
			ier |= spec.IERTransmit
		}
		p.regs.Write8(spec.IER, ier)
	}
	p.mu.Unlock()
	if changed && !want {
		wake(p.txWake)
	}
}

func (p *Port) errors(lsr uint8) {
	if lsr&(spec.LSROverrun|spec.LSRParity|spec.LSRFraming|spec.LSRBreak) == 0 || lsr == 0xff {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range [...]struct {
		bit uint8
		n   *uint64
	}{{spec.LSROverrun, &p.stats.Overruns}, {spec.LSRParity, &p.stats.Parity}, {spec.LSRFraming, &p.stats.Framing}, {spec.LSRBreak, &p.stats.Breaks}} {
		if lsr&e.bit != 0 {
			*e.n++
		}
	}
}

func (p *Port) watchdog() {
	t := time.NewTicker(watchdogPeriod)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.poll()
		case <-p.done:
			return
		}
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
