package pcie

import (
	"fmt"
	"sync/atomic"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

// Endpoint is a function's place on the bus.
type Endpoint struct {
	f    Function
	fast FastFunction // nil: not able to
	cfg  Config
	irq  messages
	regs space
	io   [6]atomic.Uint32 // I/O BARs: base | 1<<16 while decoded

	pm, exp   int // offsets of capabilities
	msi, msix int // 0: none
	caps      []int
	pba       uint64 // offset of the pending bits in the MSI-X BAR
	master    atomic.Bool

	owner atomic.Pointer[Root] // root, for those who do not hold its mutex yet

	// Under Root.mu.
	root    *Root
	slot    *port // nil on bus 0
	at      Address
	claims  [6]claim
	blocked bool // a BAR waits for another claim to go away
	gone    chan struct{}
}

// claim is what vbus routes to a BAR.
type claim struct {
	on   bool
	base uint64
}

var (
	_ vbus.Device   = (*Endpoint)(nil)
	_ vbus.MMIO     = (*Endpoint)(nil)
	_ vbus.Stateful = (*Endpoint)(nil)

	_ vbus.FastPortIO = (*Endpoint)(nil)
	_ vbus.FastMMIO   = (*Endpoint)(nil)
)

// NewEndpoint makes a function that is not plugged in. The endpoint takes the
// name of f; only the endpoint is added to a vbus.Bus, and resets f.
func NewEndpoint(c Config, f Function) (*Endpoint, error) {
	e := &Endpoint{f: f, cfg: c}
	e.fast, _ = f.(FastFunction)
	s := &e.regs
	if c.Class>>24 != 0 || c.Pin > 4 || c.Vectors < 0 || c.Vectors > spec.MSIXMaxEntries {
		return nil, fmt.Errorf("pcie: %s: class %#x, pin %d, %d vectors: %w", f.Name(), c.Class, c.Pin, c.Vectors, ErrConfig)
	}
	s.header(c.Vendor, c.Device, c.Revision, c.Class, spec.HeaderNormal)
	s.put16(spec.SubsystemVendor, c.SubVendor)
	s.put16(spec.SubsystemID, c.SubDevice)
	s.b[spec.InterruptPin] = c.Pin
	s.mask[spec.InterruptLine] = 0xff
	command := uint16(spec.CommandBusMaster)
	if c.Pin != 0 {
		command |= spec.CommandInterruptDisable
	}
	var err error
	if e.pm, err = s.power(); err == nil {
		e.exp, err = s.express(spec.ExpTypeEndpoint)
	}
	if err == nil && c.Vectors > 0 {
		err = e.addMSIX()
	}
	if err == nil && c.MSI {
		e.msi, err = s.addMSI()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	s.put32(e.exp+spec.ExpDeviceCap, spec.ExpRoleBasedErrors|spec.ExpFLR)
	for i := 0; i < len(e.cfg.BARs); i++ {
		b := e.cfg.BARs[i]
		if b.Size == 0 {
			continue
		}
		if err := e.cfg.check(i); err != nil {
			return nil, fmt.Errorf("pcie: %s: %w", f.Name(), err)
		}
		off := spec.BaseAddress0 + 4*i
		switch b.Kind {
		case IO:
			command |= spec.CommandIO
			s.b[off] = spec.BARIO
			// I/O space has 16 bits: the upper half is zero.
			s.allow32(off, uint32(-b.Size)&spec.BARIOMask&0xffff)
		default:
			command |= spec.CommandMemory
			if b.Prefetch {
				s.b[off] = spec.BARPrefetch
			}
			s.allow32(off, uint32(-b.Size)&spec.BARMemMask)
			if b.Kind == Mem64 {
				s.b[off] |= spec.BARType64
				s.allow32(off+4, uint32(-b.Size>>32))
				i++
			}
		}
	}
	s.allow16(spec.Command, command)
	for _, c := range c.Capabilities {
		at, err := s.capability(c.ID, c.Body, c.Writable)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		e.caps = append(e.caps, at)
	}
	s.seal()
	e.irq.reset()
	return e, nil
}

// Name implements vbus.Device: the function's name.
func (e *Endpoint) Name() string { return e.f.Name() }

// Reset implements vbus.Device: configuration space and the function. The slot
// keeps its card.
func (e *Endpoint) Reset() {
	if r := e.lockRoot(); r != nil {
		e.resetLocked()
		r.mu.Unlock()
	}
	e.f.Reset()
}

// lockRoot locks the root complex that the endpoint is plugged into, if any.
func (e *Endpoint) lockRoot() *Root {
	r := e.owner.Load()
	if r == nil {
		return nil
	}
	r.mu.Lock()
	if e.root != r { // unplugged meanwhile
		r.mu.Unlock()
		return nil
	}
	return r
}

// resetLocked puts configuration space back and takes the BARs away.
func (e *Endpoint) resetLocked() {
	e.regs.reset()
	e.irq.reset()
	e.typed()
	e.refresh()
}

// typed sets what depends on the place: an integrated endpoint has no link.
func (e *Endpoint) typed() {
	kind := uint16(spec.ExpTypeEndpoint)
	if e.slot == nil {
		kind = spec.ExpTypeIntegrated
	}
	s, at := &e.regs, e.exp
	s.set16(at+spec.ExpCapabilities, spec.ExpTypeMask, false)
	s.set16(at+spec.ExpCapabilities, kind, true)
	if e.slot != nil {
		s.linkRegisters(at, 0)
	}
}

// Address is where the function is plugged in, by the bus numbers of Configure (a
// guest may give others); zero, which is the host bridge's, when it is not.
func (e *Endpoint) Address() Address {
	if r := e.lockRoot(); r != nil {
		defer r.mu.Unlock()
		return e.at
	}
	return Address{}
}

// BusMaster says whether the guest allows DMA. Any goroutine.
func (e *Endpoint) BusMaster() bool { return e.master.Load() }

// write is a guest's write to configuration space, within one dword; Root.mu is
// held. What it gives back is to be reset after Root.mu was released.
func (e *Endpoint) write(off int, data []byte) Function {
	power := e.regs.u16(e.pm + spec.PMControl)
	e.regs.write(off, data)
	if i := e.exp + spec.ExpDeviceControl + 1 - off; i >= 0 && i < len(data) && data[i]&(spec.ExpInitiateFLR>>8) != 0 {
		e.resetLocked() // 6.6.2
		return e.f
	}
	e.regs.settlePower(e.pm, power)
	e.refresh()
	return nil
}

// read is a guest's read.
func (e *Endpoint) read(off int, data []byte) {
	e.regs.set16(spec.Status, spec.StatusInterrupt, e.irq.level.Load())
	e.regs.read(off, data)
}

// hook finds the capability that has off, where in it that is, and how many of
// n bytes it has.
func (e *Endpoint) hook(off, n int) (c *Capability, in, count int) {
	for i, at := range e.caps {
		c := &e.cfg.Capabilities[i]
		if end := at + 2 + len(c.Body); off >= at && off < end {
			return c, off - at, min(n, end-off)
		}
	}
	return nil, 0, 0
}
