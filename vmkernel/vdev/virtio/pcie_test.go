package virtio_test

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	host "basalt/drivers/virtio"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/pcie"
	"basalt/vmkernel/vdev/virtio"
)

type msgs struct{ n atomic.Int64 }

func (m *msgs) Signal(uint64, uint32) bool { m.n.Add(1); return true }

type mmio struct {
	b    *vbus.Bus
	base uint64
}

func (m *mmio) Load(off uintptr, n int) uint64 {
	var b [8]byte
	m.b.ReadMMIO(m.base+uint64(off), b[:n])
	return binary.LittleEndian.Uint64(b[:])
}

func (m *mmio) Store(off uintptr, n int, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	m.b.WriteMMIO(m.base+uint64(off), b[:n])
}

type realBus struct {
	*hostBus
	cfg bus.Registers
}

func (r *realBus) Config() bus.Registers { return r.cfg }

func endpoint(t *testing.T, d *virtio.Device) *pcie.Endpoint {
	p := d.PCI()
	c := pcie.Config{
		Vendor: p.Vendor, Device: p.Device, SubVendor: p.SubVendor, SubDevice: p.SubDevice,
		Revision: p.Revision, Class: p.Class, Pin: p.Pin, Vectors: p.Vectors, MSIXBAR: virtio.MSIXBAR,
	}
	c.BARs[virtio.RegistersBAR] = pcie.BAR{Size: p.BARSize, Kind: pcie.Mem32}
	for _, k := range p.Capabilities {
		c.Capabilities = append(c.Capabilities, pcie.Capability(k))
	}
	e, err := pcie.NewEndpoint(c, d)
	if err != nil {
		t.Fatal(err)
	}
	d.Connect(e)
	return e
}

func TestRealPCIe(t *testing.T) {
	r := newRig(t)
	b := vbus.New()
	sink := &msgs{}
	w, err := pcie.Layout(512<<20, 0, 36)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pcie.New(pcie.RootConfig{Bus: b, Sink: sink, Slots: 2, Windows: w})
	if err != nil {
		t.Fatal(err)
	}
	e := endpoint(t, r.dev)
	a, err := root.Plug(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Configure(); err != nil {
		t.Fatal(err)
	}
	a = e.Address()
	cfg := bustest.Registers(&mmio{b, pcie.ECAMBase + uint64(a.Bus)<<20 + uint64(a.Device)<<15 + uint64(a.Func)<<12}, 4096)
	t.Log(a, cfg.Read32(0), cfg.Read32(0x10), cfg.Read32(0x14))
	base := cfg.Read32(0x10) &^ 0xf
	msix := cfg.Read32(0x14) &^ 0xf
	hb := newHostBus(r)
	hb.BARs = map[int]bus.Registers{0: bustest.Registers(&mmio{b, uint64(base)}, 0x4000)}
	tr, err := host.Open(&realBus{hb, cfg})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Write16(pcispec.Command, cfg.Read16(pcispec.Command)|pcispec.CommandBusMaster)
	if err := tr.Negotiate(spec.FRingEventIdx); err != nil {
		t.Fatal(err)
	}
	q, err := tr.NewQueue(0, 32, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Free()
	data, _ := hb.AllocDMA(64, false)
	defer data.Free()
	if err := tr.Ready(); err != nil {
		t.Fatal(err)
	}
	// MSI-X on, entry 1.
	for at := cfg.Read8(0x34); at != 0; at = cfg.Read8(uintptr(at) + 1) {
		if cfg.Read8(uintptr(at)) == pcispec.CapMSIX {
			cfg.Write16(uintptr(at)+2, cfg.Read16(uintptr(at)+2)|0x8000)
		}
	}
	tab := &mmio{b, uint64(msix)}
	tab.Store(16, 4, 0xfee00000)
	tab.Store(20, 4, 0)
	tab.Store(24, 4, 0x41)
	tab.Store(28, 4, 0)
	data.Write32(0, 77)
	q.Arm()
	q.Add([]host.Segment{{Addr: data.Addr(), Len: 4}, {Addr: data.Addr() + 32, Len: 4, Write: true}})
	q.Publish()
	for {
		_, n, ok, err := q.Take()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			want(t, "bytes", n, 4)
			break
		}
		runtime.Gosched()
	}
	for sink.n.Load() == 0 {
		runtime.Gosched()
	}
	want(t, "data", data.Read32(32), 77)
	// The PCI_CFG window through configuration space.
	for at := cfg.Read8(0x34); at != 0; at = cfg.Read8(uintptr(at) + 1) {
		o := uintptr(at)
		if cfg.Read8(o) == 9 && cfg.Read8(o+3) == spec.CapPCICfg {
			cfg.Write8(o+4, 0)
			cfg.Write32(o+8, spec.DeviceStatus)
			cfg.Write32(o+12, 1)
			want(t, "status", cfg.Read8(o+16), 15)
			want(t, "len", cfg.Read8(o+2), 20)
			cfg.Write32(o+16, 0)
			for cfg.Read8(o+16) != 0 {
				runtime.Gosched()
			}
		}
	}
}
