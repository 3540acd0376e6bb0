package pcie

import (
	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

// ReadMMIO implements vbus.MMIO; region is the BAR.
func (e *Endpoint) ReadMMIO(region int, off uint64, data []byte) vbus.Access {
	if e.msix != 0 && region == e.cfg.MSIXBAR {
		return e.irq.readTable(e.pba, off, data)
	}
	return e.f.ReadBAR(region, off, data)
}

// WriteMMIO implements vbus.MMIO.
func (e *Endpoint) WriteMMIO(region int, off uint64, data []byte) vbus.Access {
	if e.msix != 0 && region == e.cfg.MSIXBAR {
		return e.irq.writeTable(off, data)
	}
	return e.f.WriteBAR(region, off, data)
}

// port finds the I/O BAR that has a port and all n bytes from there.
func (e *Endpoint) port(port uint16, n int) (bar int, off uint64, ok bool) {
	for i := range e.io {
		v := e.io[i].Load()
		base, size := v&0xffff, uint32(e.cfg.BARs[i].Size)
		if v != 0 && uint32(port) >= base && uint32(port)+uint32(n) <= base+size {
			return i, uint64(uint32(port) - base), true
		}
	}
	return 0, 0, false
}

// ReadPort implements vbus.PortIO.
func (e *Endpoint) ReadPort(port uint16, data []byte) vbus.Access {
	if i, off, ok := e.port(port, len(data)); ok {
		return e.f.ReadBAR(i, off, data)
	}
	return vbus.NoRegister
}

// WritePort implements vbus.PortIO.
func (e *Endpoint) WritePort(port uint16, data []byte) vbus.Access {
	if i, off, ok := e.port(port, len(data)); ok {
		return e.f.WriteBAR(i, off, data)
	}
	return vbus.NoRegister
}

// FastWritePort implements vbus.FastPortIO. W1.
func (e *Endpoint) FastWritePort(port uint16, size uint8, value uint32) bool {
	if e.fast == nil {
		return false
	}
	i, off, ok := e.port(port, int(size))
	return ok && e.fast.FastWriteBAR(i, off, size, uint64(value))
}

// FastWriteMMIO implements vbus.FastMMIO. W1.
func (e *Endpoint) FastWriteMMIO(region int, off uint64, size uint8, value uint64) bool {
	if e.fast == nil || e.msix != 0 && region == e.cfg.MSIXBAR {
		return false
	}
	return e.fast.FastWriteBAR(region, off, size, value)
}

// address is what BAR i says.
func (e *Endpoint) address(i int) uint64 {
	off := spec.BaseAddress0 + 4*i
	lo := e.regs.u32(off)
	switch e.cfg.BARs[i].Kind {
	case IO:
		return uint64(lo & spec.BARIOMask)
	case Mem64:
		return uint64(e.regs.u32(off+4))<<32 | uint64(lo&spec.BARMemMask)
	}
	return uint64(lo & spec.BARMemMask)
}

// setAddress is what firmware does.
func (e *Endpoint) setAddress(i int, v uint64) {
	off := spec.BaseAddress0 + 4*i
	var b [8]byte
	le.PutUint64(b[:], v)
	n := 4
	if e.cfg.BARs[i].Kind == Mem64 {
		n = 8
	}
	e.regs.write(off, b[:n])
}

// wanted says where BAR i is to be decoded, if at all.
func (e *Endpoint) wanted(i int) (base uint64, ok bool) {
	b := e.cfg.BARs[i]
	if b.Size == 0 || e.root == nil || !e.reachable() || !e.regs.awake(e.pm) {
		return 0, false
	}
	command, base := e.regs.u16(spec.Command), e.address(i)
	last := base + b.Size - 1
	if last < base {
		return 0, false
	}
	if b.Kind == IO {
		ok = command&spec.CommandIO != 0 && base >= IOBase && last < ioEnd
	} else {
		ok = command&spec.CommandMemory != 0 && e.root.inWindow(base, last)
	}
	if ok && e.slot != nil {
		ok = e.slot.forwards(b.Kind, base, last)
	}
	return base, ok
}

// reachable: it is on bus 0, or in a slot with power.
func (e *Endpoint) reachable() bool { return e.slot == nil || e.slot.linked() }

// refresh brings everything in line with configuration space: claims, bus
// mastering, interrupts. Root.mu is held.
func (e *Endpoint) refresh() {
	master := e.root != nil && e.reachable() && e.regs.awake(e.pm) && e.regs.u16(spec.Command)&spec.CommandBusMaster != 0
	if e.slot != nil {
		master = master && e.slot.masters()
	}
	if e.master.Swap(master) != master {
		if f, ok := e.f.(MasterFunction); ok {
			f.BusMasterChanged()
		}
	}
	e.irq.sync(&e.regs, e.msix, e.msi, master, !e.regs.awake(e.pm) || !e.reachable())
	freed := false
	for i := range e.claims {
		if base, ok := e.wanted(i); e.claims[i].on && (!ok || base != e.claims[i].base) {
			e.unclaim(i)
			freed = true
		}
	}
	e.claim()
	if freed && e.root != nil {
		e.root.retry(e)
	}
}

// claim takes the ranges that are wanted and free.
func (e *Endpoint) claim() {
	e.blocked = false
	for i := range e.claims {
		base, ok := e.wanted(i)
		if !ok || e.claims[i].on {
			continue
		}
		b := e.cfg.BARs[i]
		var err error
		if b.Kind == IO {
			// Set first: the bus may route here as soon as it has the claim.
			e.io[i].Store(uint32(base) | 1<<16)
			if err = e.root.cfg.Bus.AddPorts(e, uint16(base), int(b.Size)); err != nil {
				e.io[i].Store(0)
			}
		} else {
			err = e.root.cfg.Bus.AddMMIO(e, i, base, b.Size)
		}
		if err != nil {
			e.blocked = true // overlap: not decoded
			continue
		}
		e.claims[i] = claim{true, base}
	}
}

func (e *Endpoint) unclaim(i int) {
	if e.cfg.BARs[i].Kind == IO {
		_ = e.root.cfg.Bus.RemovePorts(e, uint16(e.claims[i].base))
		e.io[i].Store(0)
	} else {
		_ = e.root.cfg.Bus.RemoveMMIO(e, i)
	}
	e.claims[i] = claim{}
}
