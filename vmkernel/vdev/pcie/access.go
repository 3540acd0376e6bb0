package pcie

import (
	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

func ones(data []byte) {
	for i := range data {
		data[i] = 0xff
	}
}

// find gives who answers to a bus, device and function; nil: nobody. A link has
// only device 0 on it (PCI Express Base Specification 3.0, 7.3.1).
func (r *Root) find(bus, devfn uint8) target {
	if bus == 0 {
		return r.bus0[devfn]
	}
	if p := r.behind[bus]; p != nil && devfn == 0 && p.linked() && p.awake() {
		return p.card
	}
	return nil
}

// read is a configuration read within one dword; off is below 4096.
func (r *Root) read(bus, devfn uint8, off int, data []byte) {
	r.mu.Lock()
	t := r.find(bus, devfn)
	if t == nil {
		r.mu.Unlock()
		ones(data)
		return
	}
	t.read(off, data)
	c, in, n := t.hook(off, len(data))
	r.mu.Unlock()
	if c != nil && c.Read != nil {
		c.Read(in, data[:n:n])
	}
}

// write is a configuration write within one dword.
func (r *Root) write(bus, devfn uint8, off int, data []byte) {
	r.mu.Lock()
	t := r.find(bus, devfn)
	if t == nil {
		r.mu.Unlock()
		return
	}
	reset := t.write(off, data)
	c, in, n := t.hook(off, len(data))
	r.mu.Unlock()
	if c != nil && c.Write != nil {
		c.Write(in, data[:n:n])
	}
	if reset != nil {
		reset.Reset()
	}
}

// selected is what CONFIG_ADDRESS names (PCI 3.0, 3.2.2.3.2).
func (r *Root) selected() (bus, devfn uint8, off int, ok bool) {
	a := r.address.Load()
	return uint8(a >> 16), uint8(a >> 8), int(a & 0xfc), a&spec.ConfigAddressValid != 0
}

// ReadPort implements vbus.PortIO: CONFIG_ADDRESS as a dword, CONFIG_DATA.
func (r *Root) ReadPort(port uint16, data []byte) vbus.Access {
	if port == spec.ConfigAddressPort && len(data) == 4 {
		le.PutUint32(data, r.address.Load())
		return vbus.OK
	}
	in := int(port) - spec.ConfigDataPort
	if in < 0 || in+len(data) > 4 {
		return vbus.BadSize
	}
	bus, devfn, off, ok := r.selected()
	if !ok {
		return vbus.NoRegister
	}
	r.read(bus, devfn, off+in, data)
	return vbus.OK
}

// configAddressMask are the bits that CONFIG_ADDRESS has.
const configAddressMask = spec.ConfigAddressValid | 0x00ff_fffc

// FastWritePort implements vbus.FastPortIO: every access through the ports begins with
// a write of CONFIG_ADDRESS, which needs nothing that could wait. W1.
func (r *Root) FastWritePort(port uint16, size uint8, value uint32) (ok bool) {
	if port != spec.ConfigAddressPort || size != 4 {
		return false
	}
	r.address.Store(value & configAddressMask)
	return true
}

// WritePort implements vbus.PortIO.
func (r *Root) WritePort(port uint16, data []byte) vbus.Access {
	if port == spec.ConfigAddressPort && len(data) == 4 {
		r.address.Store(le.Uint32(data) & configAddressMask)
		return vbus.OK
	}
	in := int(port) - spec.ConfigDataPort
	if in < 0 || in+len(data) > 4 {
		return vbus.BadSize
	}
	bus, devfn, off, ok := r.selected()
	if !ok {
		return vbus.NoRegister
	}
	r.write(bus, devfn, off+in, data)
	return vbus.OK
}

// each cuts an ECAM access at dword borders: what crosses one is undefined
// (7.2.2), and here it is several accesses.
func each(off uint64, data []byte, do func(bus, devfn uint8, reg int, part []byte)) {
	for len(data) > 0 {
		n := min(len(data), 4-int(off&3))
		do(uint8(off>>20), uint8(off>>12), int(off&0xfff), data[:n:n])
		data, off = data[n:], off+uint64(n)
	}
}

// ReadMMIO implements vbus.MMIO: the ECAM window.
func (r *Root) ReadMMIO(_ int, off uint64, data []byte) vbus.Access {
	each(off, data, r.read)
	return vbus.OK
}

// WriteMMIO implements vbus.MMIO.
func (r *Root) WriteMMIO(_ int, off uint64, data []byte) vbus.Access {
	each(off, data, r.write)
	return vbus.OK
}
