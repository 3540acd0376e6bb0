package net

import (
	"fmt"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vswitch"
)

const stateVersion = 2 // 1 did not say whether there is a carrier

// SaveState writes what the driver set, and what has to be the same where it is
// loaded. Frames are not saved: none is in the device.
func (m *model) SaveState() ([]byte, error) {
	d := (*Device)(m)
	d.cfgMu.Lock()
	defer d.cfgMu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.Fixed(d.mac[:])
	e.U16(d.mtu)
	e.U16(uint16(d.pairs))
	e.U16(uint16(d.active.Load()))
	e.Fixed(d.addr[:])
	f := &d.filter
	e.Bool(f.asked)
	e.Bool(f.promisc)
	e.Bool(f.allMulti)
	for _, list := range [][]vswitch.MAC{f.unicast, f.multi} {
		e.U8(uint8(len(list)))
		for _, a := range list {
			e.Fixed(a[:])
		}
	}
	e.Bool(f.vlans != nil)
	if f.vlans != nil {
		for _, w := range f.vlans {
			e.U64(w)
		}
	}
	e.Bool(d.up.Load())
	return e.Bytes(), nil
}

// LoadState takes the state of a device with the same address, MTU and pairs. Whoever has
// the port takes it down where LinkUp says so afterwards.
func (m *model) LoadState(b []byte) error {
	d := (*Device)(m)
	x := checkpoint.NewDecoder(b, stateVersion)
	var mac, addr vswitch.MAC
	x.Fixed(mac[:])
	mtu, pairs, active := x.U16(), x.U16(), x.U16()
	x.Fixed(addr[:])
	var f filter
	f.asked, f.promisc, f.allMulti = x.Bool(), x.Bool(), x.Bool()
	for _, list := range []*[]vswitch.MAC{&f.unicast, &f.multi} {
		n := x.U8()
		x.Check(n <= vswitch.MaxFilter+1, "addresses")
		for range min(n, vswitch.MaxFilter+1) {
			var a vswitch.MAC
			x.Fixed(a[:])
			*list = append(*list, a)
		}
	}
	if x.Bool() {
		f.vlans = new(vswitch.VLANSet)
		for i := range f.vlans {
			f.vlans[i] = x.U64()
		}
	}
	up := true
	if x.Version() >= 2 {
		up = x.Bool()
	}
	x.Check(active >= 1 && active <= pairs, "pairs")
	x.Check(addr.Station(), "address")
	if err := x.Done(d.Name()); err != nil {
		return err
	}
	if mac != d.mac || mtu != d.mtu || int(pairs) != d.pairs {
		return fmt.Errorf("%s: load state: %w: %v with MTU %d and %d pairs", d.Name(), virtio.ErrState, mac, mtu, pairs)
	}
	d.cfgMu.Lock()
	defer d.cfgMu.Unlock()
	if d.port != nil {
		if err := d.port.SetMAC(addr); err != nil {
			return fmt.Errorf("%s: load state: %w", d.Name(), err)
		}
	}
	d.up.Store(up)
	d.active.Store(int32(active))
	d.addr, d.filter = addr, f
	return d.tell()
}
