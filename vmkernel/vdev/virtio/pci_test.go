package virtio_test

import (
	"encoding/binary"
	"testing"

	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
)

func Test_4_1_2_1_Identity(t *testing.T) {
	p := newRig(t).dev.PCI()
	want(t, "vendor", p.Vendor, 0x1af4)
	want(t, "device", p.Device, 0x1040+0x3f)
	if p.Revision < 1 || p.SubDevice < 0x40 {
		t.Errorf("revision %d, subsystem %#x: a legacy driver would take it", p.Revision, p.SubDevice)
	}
	want(t, "vectors", p.Vectors, 3) // 4.1.5.1.2.1
}

func Test_4_1_4_StructuresAreAlignedAndInsideTheBAR(t *testing.T) {
	r := newRig(t)
	p := r.dev.PCI()
	seen := map[byte]int{}
	for _, c := range p.Capabilities {
		b := append([]byte{c.ID, 0}, c.Body...)
		want(t, "id", c.ID, uint8(pcispec.CapVendor))
		want(t, "cap_len", int(b[2]), len(b)) // 4.1.4.2
		kind := b[spec.CapType]
		seen[kind]++
		off, size := binary.LittleEndian.Uint32(b[spec.CapOffset:]), binary.LittleEndian.Uint32(b[spec.CapSize:])
		if kind == spec.CapPCICfg {
			continue
		}
		if off%4 != 0 || uint64(off)+uint64(size) > p.BARSize || size == 0 { // 4.1.4.3.1, 4.1.4.6.1
			t.Errorf("structure %d: %#x size %#x", kind, off, size)
		}
		if kind == spec.CapNotifyCfg { // 4.1.4.4.1
			m := binary.LittleEndian.Uint32(b[spec.CapNotifyMultiplier:])
			for i := range 2 {
				r.sel(i)
				if at := uint32(r.reg(spec.QueueNotifyOff, 2)) * m; size < at+2 || m&(m-1) != 0 || uint64(off+at) != virtio.Doorbell(i) {
					t.Errorf("doorbell of queue %d at %#x of %#x", i, at, size)
				}
			}
		}
	}
	for k := byte(spec.CapCommonCfg); k <= spec.CapPCICfg; k++ {
		want(t, "structures of a kind", seen[k], 1)
	}
}

func Test_4_1_4_9_1_ConfigurationAccess(t *testing.T) {
	r := newRig(t)
	caps := r.dev.PCI().Capabilities
	c := caps[len(caps)-1]
	put := func(off, n int, v uint32) {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], v)
		c.Write(off, b[:n])
	}
	get := func(off, n int) uint32 {
		var b [4]byte
		c.Read(off, b[:n])
		return binary.LittleEndian.Uint32(b[:])
	}
	at := func(off uint64, n uint32) {
		put(spec.CapBAR, 1, 0)
		put(spec.CapOffset, 4, uint32(off))
		put(spec.CapSize, 4, n)
	}
	at(r.Common+spec.NumQueues, 2)
	want(t, "num_queues", get(spec.CapPCICfgData, 4)&0xffff, 2)
	want(t, "offset", get(spec.CapOffset, 4), uint32(r.Common+spec.NumQueues))
	at(r.Common+spec.DeviceStatus, 1)
	put(spec.CapPCICfgData, 4, 0xaaaaaa00|spec.StatusAcknowledge)
	want(t, "status", r.Status(), spec.StatusAcknowledge)
	want(t, "status by the window", get(spec.CapPCICfgData, 1), spec.StatusAcknowledge)
	for _, bad := range [][3]uint32{{0, 0, 3}, {0, 0, 0}, {0, 1, 4}, {1, 0, 4}, {9, 0, 4}, {0, 1 << 31, 4}} {
		put(spec.CapBAR, 1, bad[0])
		put(spec.CapOffset, 4, bad[1])
		put(spec.CapSize, 4, bad[2])
		get(spec.CapPCICfgData, 4)
		put(spec.CapPCICfgData, 4, 0)
	}
	want(t, "status after accesses to nowhere", r.Status(), spec.StatusAcknowledge)
	b := []byte{1, 2, 3}
	c.Read(0, b)
	want(t, "ID, next and length are the endpoint's", [3]byte(b), [3]byte{1, 2, 3})
}

func TestImpossibleConfigurations(t *testing.T) {
	for name, f := range map[string]func(*virtio.Config){
		"no queues":    func(c *virtio.Config) { c.Queues = nil },
		"queue of 3":   func(c *virtio.Config) { c.Queues = []uint16{3} },
		"queue of 0":   func(c *virtio.Config) { c.Queues = []uint16{0} },
		"many queues":  func(c *virtio.Config) { c.Queues = make([]uint16, 1025) },
		"vectors":      func(c *virtio.Config) { c.Vectors = 2049 },
		"config":       func(c *virtio.Config) { c.ConfigSize = 4097 },
		"core feature": func(c *virtio.Config) { c.Features = 1 << spec.FVersion1 },
		"no memory":    func(c *virtio.Config) { c.Memory = nil },
		"no model":     func(c *virtio.Config) { c.Model = nil },
		"type":         func(c *virtio.Config) { c.Type = 0 },
	} {
		c := config(virtiotest.NewMemory(t, 2<<20), &echo{})
		f(&c)
		if _, err := virtio.New(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
