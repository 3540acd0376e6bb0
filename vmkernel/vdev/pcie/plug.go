package pcie

import "fmt"

// attach makes e a part of the machine.
func (e *Endpoint) attach(r *Root, at Address, slot *port) error {
	if e.root != nil || e.owner.Load() != nil {
		return fmt.Errorf("pcie: %s: %w", e.Name(), ErrPlugged)
	}
	if err := r.cfg.Bus.Add(e); err != nil {
		return err
	}
	e.root, e.at, e.slot, e.gone = r, at, slot, make(chan struct{})
	e.owner.Store(r)
	wire, n := at, 0
	if slot != nil {
		wire, n = slot.at, 8+int(slot.at.Func)
	}
	e.irq.connect(r.cfg.Sink, r.lines.output(wire, e.cfg.Pin, n))
	return nil
}

// detach takes e out of the machine; its registers are reset.
func (e *Endpoint) detach() {
	e.irq.connect(nil, nil)
	_ = e.root.cfg.Bus.Remove(e)
	e.root, e.slot = nil, nil
	e.owner.Store(nil)
	e.master.Store(false)
	close(e.gone)
}

// PlugFixed makes e an integrated endpoint on bus 0, for the life of the machine:
// the first free one of devices 1 to 15. Before Configure.
func (r *Root) PlugFixed(e *Endpoint) (Address, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.onBus0) == MaxFixed {
		return Address{}, fmt.Errorf("pcie: %s: all %d places on bus 0 are taken: %w", e.Name(), MaxFixed, ErrLimit)
	}
	at := Address{Device: uint8(firstFixed + len(r.onBus0))}
	if err := e.attach(r, at, nil); err != nil {
		return Address{}, err
	}
	r.onBus0 = append(r.onBus0, e)
	r.bus0[at.devfn()] = e
	e.resetLocked()
	return at, nil
}

// Plug puts e into the lowest free slot. A running guest is told; one that does
// not run yet finds the device after Configure.
func (r *Root) Plug(e *Endpoint) (Address, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.ports {
		if p.card == nil {
			return r.plug(e, p)
		}
	}
	return Address{}, fmt.Errorf("pcie: %s: all %d slots that the machine was started with are taken: %w", e.Name(), len(r.ports), ErrLimit)
}

// PlugSlot is Plug for a slot by number, from 0.
func (r *Root) PlugSlot(e *Endpoint, slot int) (Address, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slot < 0 || slot >= len(r.ports) {
		return Address{}, fmt.Errorf("pcie: %s: slot %d of %d: %w", e.Name(), slot, len(r.ports), ErrLimit)
	}
	if c := r.ports[slot].card; c != nil {
		return Address{}, fmt.Errorf("pcie: %s: slot %d has %s: %w", e.Name(), slot, c.Name(), ErrPlugged)
	}
	return r.plug(e, r.ports[slot])
}

func (r *Root) plug(e *Endpoint, p *port) (Address, error) {
	at := Address{Bus: secondary(p.n)}
	if err := e.attach(r, at, p); err != nil {
		return Address{}, err
	}
	e.resetLocked()
	p.insert(e)
	return at, nil
}

// slotOf finds the slot of e.
func (r *Root) slotOf(e *Endpoint) (*port, error) {
	switch {
	case e.root != r:
		return nil, fmt.Errorf("pcie: %s: %w", e.Name(), ErrNotPlugged)
	case e.slot == nil:
		return nil, fmt.Errorf("pcie: %s: %w", e.Name(), ErrFixed)
	}
	return e.slot, nil
}

// Unplug asks the guest to let the device go: it presses the slot's button. The
// channel is closed when the guest has turned the slot's power off and the device
// is out of the machine; that may be never, so wait with a limit, and ask again or
// call Remove. Asking again presses again, unless the slot's indicator blinks,
// which says that the guest is about it. A slot without power is emptied at once.
func (r *Root) Unplug(e *Endpoint) (gone <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.slotOf(e)
	if err != nil {
		return nil, err
	}
	gone = e.gone
	switch {
	case !p.linked():
		p.takeOut()
	case !p.listens():
		return nil, fmt.Errorf("pcie: %s in slot %d: %w", e.Name(), p.n, ErrNotListening)
	case !p.leaving || !p.blinks():
		p.leaving = true
		p.event(slotButton)
	}
	p.settle()
	return gone, nil
}

// Gone gives the channel that is closed when the device is out of the machine. It
// asks nobody.
func (r *Root) Gone(e *Endpoint) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return e.gone
}

// Remove takes the device out now, whatever the guest does with it: DMA and
// interrupts have ended, and no access comes to it any more but those in progress
// (see vbus). The function is reset. The guest sees a surprise removal.
func (r *Root) Remove(e *Endpoint) error {
	r.mu.Lock()
	p, err := r.slotOf(e)
	if err == nil {
		p.takeOut()
		p.settle()
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	e.f.Reset()
	return nil
}
