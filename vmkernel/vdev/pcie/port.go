package pcie

import (
	spec "basalt/drivers/spec/pci"
)

// port is a root port: a type 1 header and one slot. Everything is under Root.mu.
type port struct {
	root *Root
	n    int // slot number, from 0
	at   Address
	irq  messages
	regs space

	pm, exp, msi int
	card         *Endpoint
	leaving      bool // Unplug was asked for
	active       bool // a hot-plug event waits for software
}

func newPort(r *Root, n int) (*port, error) {
	p := &port{root: r, n: n, at: slotAddress(n)}
	s := &p.regs
	s.header(spec.RedHatVendor, spec.RedHatGenericRootPort, 0, spec.ClassBridgePCI<<8, spec.HeaderBridge)
	s.allow16(spec.Command, spec.CommandIO|spec.CommandMemory|spec.CommandBusMaster|spec.CommandInterruptDisable)
	for i := range 3 {
		s.mask[spec.PrimaryBus+i] = 0xff
	}
	s.mask[spec.IOBase], s.mask[spec.IOLimit] = spec.IOWindowMask, spec.IOWindowMask
	for _, off := range []int{spec.MemoryBase, spec.MemoryLimit, spec.PrefetchBase, spec.PrefetchLimit} {
		s.allow16(off, spec.WindowMask)
	}
	s.b[spec.PrefetchBase], s.b[spec.PrefetchLimit] = spec.Prefetch64, spec.Prefetch64
	s.allow32(spec.PrefetchBaseUpper, ^uint32(0))
	s.allow32(spec.PrefetchLimitUpper, ^uint32(0))
	s.mask[spec.InterruptLine] = 0xff
	s.b[spec.InterruptPin] = uint8(p.at.Func)%spec.InterruptPins + 1
	s.allow16(spec.BridgeControl, spec.BridgeControlParity|spec.BridgeControlSERR|spec.BridgeControlBusReset)
	var err error
	if p.pm, err = s.power(); err != nil {
		return nil, err
	}
	if p.exp, err = s.express(spec.ExpTypeRootPort | spec.ExpSlot); err != nil {
		return nil, err
	}
	if p.msi, err = s.addMSI(); err != nil {
		return nil, err
	}
	p.describeSlot()
	s.seal()
	p.irq.connect(r.cfg.Sink, r.lines.output(p.at, s.b[spec.InterruptPin], int(p.at.Func)))
	p.reset()
	return p, nil
}

// reset is a reset of the machine: a slot that was to be emptied is emptied, for
// nobody uses its card any more.
func (p *port) reset() {
	if p.leaving {
		p.takeOut()
	}
	p.regs.reset()
	p.irq.reset()
	p.rest()
	p.settle()
}

// settle brings everything in line with configuration space.
func (p *port) settle() {
	p.irq.sync(&p.regs, 0, p.msi, p.masters(), !p.regs.awake(p.pm))
	p.notify()
	if p.card != nil {
		p.card.refresh()
	}
}

func (p *port) awake() bool { return p.regs.awake(p.pm) }

// masters: requests from below, messages among them, go upstream.
func (p *port) masters() bool {
	return p.awake() && p.regs.u16(spec.Command)&spec.CommandBusMaster != 0
}

// forwards says whether requests to a range are sent down.
func (p *port) forwards(kind Kind, base, last uint64) bool {
	s := &p.regs
	command := s.u16(spec.Command)
	inside := func(from, to uint64) bool { return from <= to && base >= from && last <= to }
	if !p.awake() {
		return false
	}
	if kind == IO {
		from := uint64(s.b[spec.IOBase]&spec.IOWindowMask) << 8
		to := uint64(s.b[spec.IOLimit]&spec.IOWindowMask)<<8 | (spec.IOWindowGranule - 1)
		return command&spec.CommandIO != 0 && inside(from, to)
	}
	if command&spec.CommandMemory == 0 {
		return false
	}
	edge := func(off, upper int) uint64 {
		v := uint64(s.u16(off)&spec.WindowMask) << 16
		if upper != 0 {
			v |= uint64(s.u32(upper)) << 32
		}
		return v
	}
	const rest = spec.WindowGranule - 1
	return inside(edge(spec.MemoryBase, 0), edge(spec.MemoryLimit, 0)|rest) ||
		inside(edge(spec.PrefetchBase, spec.PrefetchBaseUpper), edge(spec.PrefetchLimit, spec.PrefetchLimitUpper)|rest)
}

// write is a guest's write to configuration space, within one dword.
func (p *port) write(off int, data []byte) (reset Function) {
	s := &p.regs
	power, control := s.u16(p.pm+spec.PMControl), s.u16(spec.BridgeControl)
	s.write(off, data)
	s.settlePower(p.pm, power)
	if off&^3 == spec.PrimaryBus {
		p.root.route()
	}
	if s.u16(spec.BridgeControl)&^control&spec.BridgeControlBusReset != 0 && p.card != nil {
		p.card.resetLocked() // Bridge Architecture 1.2, 3.2.5.18
		reset = p.card.f
	}
	if f := p.powered(); f != nil {
		reset = f
	}
	p.settle()
	return reset
}

func (p *port) read(off int, data []byte) {
	p.regs.set16(spec.Status, spec.StatusInterrupt, p.irq.level.Load())
	p.regs.read(off, data)
}

func (p *port) hook(int, int) (*Capability, int, int) { return nil, 0, 0 }
