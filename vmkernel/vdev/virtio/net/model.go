package net

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vswitch"
)

// model is the Device as the core sees it.
type model Device

// controlQueue is the index of the control queue (5.1.2).
func (d *Device) controlQueue() int {
	if d.has(spec.NetFMQ) {
		return 2 * d.pairs
	}
	return 2
}

// Handle implements virtio.Model.
func (m *model) Handle(q *virtio.Queue) (wants bool) {
	d := (*Device)(m)
	i := q.Index()
	switch {
	case d.has(spec.NetFCtrlVQ) && i == d.controlQueue():
		d.ctrl.handle(q)
		return true
	case i == 2*d.pairs || i%2 == 0: // receive queues are served by Deliver
		return false
	}
	d.tx[i/2].handle(q)
	return true
}

// Accept refuses what 5.1.3.1 does, and tells the port what the driver takes.
func (m *model) Accept(f uint64) bool {
	d := (*Device)(m)
	has := func(bit int) bool { return f>>bit&1 != 0 }
	for _, r := range []struct{ bit, a, b int }{
		{spec.NetFGuestTSO4, spec.NetFGuestCSum, spec.NetFGuestCSum}, {spec.NetFGuestTSO6, spec.NetFGuestCSum, spec.NetFGuestCSum},
		{spec.NetFGuestECN, spec.NetFGuestTSO4, spec.NetFGuestTSO6}, {spec.NetFHostECN, spec.NetFHostTSO4, spec.NetFHostTSO6},
		{spec.NetFHostTSO4, spec.NetFCSum, spec.NetFCSum}, {spec.NetFHostTSO6, spec.NetFCSum, spec.NetFCSum},
		{spec.NetFCtrlRx, spec.NetFCtrlVQ, spec.NetFCtrlVQ}, {spec.NetFCtrlVLAN, spec.NetFCtrlVQ, spec.NetFCtrlVQ},
		{spec.NetFMQ, spec.NetFCtrlVQ, spec.NetFCtrlVQ}, {spec.NetFCtrlMACAddr, spec.NetFCtrlVQ, spec.NetFCtrlVQ},
	} {
		if has(r.bit) && !has(r.a) && !has(r.b) {
			return false
		}
	}
	d.features.Store(f)
	d.cfgMu.Lock()
	defer d.cfgMu.Unlock()
	d.filter.init(has(spec.NetFCtrlVLAN))
	return d.tell() == nil
}

// tell gives the port what is set here. cfgMu is held.
func (d *Device) tell() error {
	if d.port == nil {
		return nil
	}
	if err := d.port.SetFeatures(vswitch.Features{
		CSum: d.has(spec.NetFGuestCSum), TSO4: d.has(spec.NetFGuestTSO4), TSO6: d.has(spec.NetFGuestTSO6), ECN: d.has(spec.NetFGuestECN),
	}); err != nil {
		return err
	}
	return d.port.SetFilter(d.filter.forPort())
}

// ReadConfig is struct virtio_net_config, 5.1.4.
func (m *model) ReadConfig(off int, p []byte) {
	var b [spec.NetCfgSize]byte
	le := binary.LittleEndian
	copy(b[spec.NetCfgMAC:], m.mac[:])
	if m.up.Load() {
		le.PutUint16(b[spec.NetCfgStatus:], spec.NetStatusLinkUp)
	}
	le.PutUint16(b[spec.NetCfgMaxPairs:], uint16(m.pairs))
	le.PutUint16(b[spec.NetCfgMTU:], m.mtu)
	copy(p, b[off:])
}

// WriteConfig: nothing can be written by a driver of version 1 (5.1.4).
func (m *model) WriteConfig(int, []byte) bool { return false }

// Reset forgets what the driver set.
func (m *model) Reset() {
	d := (*Device)(m)
	d.features.Store(0)
	d.active.Store(1)
	d.steer.clear()
	d.cfgMu.Lock()
	defer d.cfgMu.Unlock()
	d.filter.init(false)
	if d.port != nil && d.addr != d.mac {
		d.port.SetMAC(d.mac) // the configured address is always allowed
	}
	d.addr = d.mac
	d.tell() // fewer features than the port had are always possible
}

// Close has nothing to end: the port is its owner's.
func (m *model) Close() {}
