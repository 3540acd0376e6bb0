package virtio_test

import (
	"encoding/binary"
	"testing"

	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vbus"
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

func Test_4_1_3_1_Widths(t *testing.T) {
	r := newRig(t)
	r.Write(r.Common+spec.QueueDesc+4, 4, 0x89)
	r.Write(r.Common+spec.QueueDesc, 4, 0x12345670)
	want(t, "low half", r.reg(spec.QueueDesc, 4), 0x12345670)
	want(t, "high half", r.reg(spec.QueueDesc+4, 4), 0x89)
	data := make([]byte, 8)
	for off := range uint64(spec.CommonCfgFullSize + 8) {
		for _, n := range []int{1, 2, 3, 4, 8} {
			before := r.Status()
			read, write := r.dev.ReadBAR(0, off, data[:n]), r.dev.WriteBAR(0, off, data[:n])
			if read != write || (n == 3 || n == 8) && read == vbus.OK {
				t.Errorf("%d bytes at %#x: read %d, write %d", n, off, read, write)
			}
			if read != vbus.OK {
				want(t, "status", r.Status(), before)
			}
		}
	}
}

func Test_4_1_4_3_1_FeatureWords(t *testing.T) {
	r := newRig(t)
	want(t, "offered", r.Offered(), r.dev.Offered())
	for _, i := range []uint64{2, 3, 0xffffffff} {
		r.Write(r.Common+spec.DeviceFeatureSelect, 4, i)
		want(t, "word", r.reg(spec.DeviceFeature, 4), 0)
	}
	if r.dev.Offered()>>spec.FVersion1&1 == 0 { // 6.2
		t.Error("VERSION_1 is not offered")
	}
}

func Test_4_1_4_3_1_QueueSizeIsZeroForQueuesThatAreNot(t *testing.T) {
	r := newRig(t)
	for _, i := range []int{2, 3, 65535} {
		r.sel(i)
		want(t, "queue_size", r.reg(spec.QueueSize, 2), 0)
		want(t, "queue_enable", r.reg(spec.QueueEnable, 2), 0)
		r.Write(r.Common+spec.QueueEnable, 2, 1) // goes nowhere
	}
	want(t, "status", r.Status(), 0)
}

func Test_4_1_4_3_1_GenerationChangesWithWhatIsRead(t *testing.T) {
	r := newRig(t)
	r.Read(r.Config, 4)
	gen := r.reg(spec.ConfigGeneration, 1)
	r.Read(r.Config, 4)
	want(t, "unchanged", r.reg(spec.ConfigGeneration, 1), gen)
	for range 256 { // a counter of 8 bits must not come round
		r.dev.ConfigChanged()
	}
	r.Read(r.Config+4, 4)
	if r.reg(spec.ConfigGeneration, 1) == gen {
		t.Error("the generation did not change")
	}
}

func Test_2_5_2_ConfigurationIsReadableBeforeFeaturesOK(t *testing.T) {
	r := newRig(t)
	want(t, "4 bytes", r.Read(r.Config+8, 4), 1)
	want(t, "1 byte", r.Read(r.Config+12, 1), 2)
	want(t, "8 bytes", r.Read(r.Config+8, 8), 2<<32|1)
	want(t, "beyond", r.dev.ReadBAR(0, r.Config+14, make([]byte, 4)), vbus.NoRegister)
}

func Test_4_1_4_3_1_QueueReset(t *testing.T) {
	for _, f := range []uint64{1 << spec.FRingReset, 1<<spec.FRingReset | 1<<spec.FRingPacked} {
		r := newRig(t)
		r.Init(f, 2, 0)
		r.echo(0, 1)
		r.sel(0)
		r.Write(r.Common+spec.QueueReset, 2, 1)
		for r.reg(spec.QueueReset, 2) != 0 {
		}
		want(t, "queue_enable", r.reg(spec.QueueEnable, 2), 0)
		want(t, "queue_size", r.reg(spec.QueueSize, 2), 64)
		want(t, "queue_msix_vector", r.reg(spec.QueueMSIXVector, 2), spec.NoVector)
		r.Ring(0)    // nobody hears it
		r.echo(1, 2) // the other queue goes on
		r.Rings[0] = r.Setup(0, 16, f)
		r.echo(0, 3)

		// With a chain in flight it takes until that is back.
		r.m.setHold()
		r.send(0, 4)
		r.Ring(0)
		for r.m.count(func(m *echo) int { return len(m.held) }) == 0 {
			r.dev.Queue(0).Ring()
		}
		r.sel(0)
		r.Write(r.Common+spec.QueueReset, 2, 1)
		want(t, "queue_reset", r.reg(spec.QueueReset, 2), 1)
		r.m.release(r.dev, 1)
		for r.reg(spec.QueueReset, 2) != 0 {
		}
		want(t, "queue_enable", r.reg(spec.QueueEnable, 2), 0)
		want(t, "status", r.Status()&spec.StatusNeedsReset, 0)
		r.Rings[0] = r.Setup(0, 0, f)
		r.echo(0, 5)
	}
}

func Test_4_1_4_5_1_ISRAndPinWithoutMSIX(t *testing.T) {
	r := newRig(t)
	r.Slot.SetMSIX(false)
	r.Init(0, 1, 0)
	r.send(0, 1)
	r.Kick(0)
	r.Until("the pin", func() bool { high, _ := r.Slot.Pin(); return high })
	want(t, "ISR", r.Read(r.ISR, 1), spec.ISRQueue)
	high, _ := r.Slot.Pin()
	want(t, "pin after reading ISR", high, false)
	want(t, "ISR again", r.Read(r.ISR, 1), 0)
	r.dev.ConfigChanged()
	want(t, "ISR", r.Read(r.ISR, 1), spec.ISRConfig)
	want(t, "messages", r.Slot.Signals(0)+r.Slot.Signals(1), 0)
	r.dev.ConfigChanged()
	r.Reset()
	high, _ = r.Slot.Pin()
	want(t, "pin after a reset", high, false)
}

func Test_4_1_4_5_1_ConfigurationBitWithMSIXToo(t *testing.T) {
	r := newRig(t)
	r.Init(0, 1, 0)
	r.dev.ConfigChanged()
	high, rises := r.Slot.Pin()
	want(t, "pin", high || rises != 0, false)
	want(t, "messages", r.Slot.Signals(0), 1)
	want(t, "ISR", r.Read(r.ISR, 1), spec.ISRConfig)
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

func Test_4_1_5_1_2_1_Vectors(t *testing.T) {
	r := newRig(t)
	for v := range uint64(5) {
		r.Write(r.Common+spec.ConfigMSIXVector, 2, v)
		r.sel(1)
		r.Write(r.Common+spec.QueueMSIXVector, 2, v)
		kept := v
		if v > 2 {
			kept = spec.NoVector
		}
		want(t, "config_msix_vector", r.reg(spec.ConfigMSIXVector, 2), kept)
		want(t, "queue_msix_vector", r.reg(spec.QueueMSIXVector, 2), kept)
	}
}

func Test_4_1_5_3_1_NoVectorNoInterrupt(t *testing.T) {
	r := newRig(t)
	r.Init(0, 1, 0)
	r.Write(r.Common+spec.QueueMSIXVector, 2, spec.NoVector)
	r.Write(r.Common+spec.ConfigMSIXVector, 2, spec.NoVector) // 4.1.5.4.1
	r.dev.ConfigChanged()
	r.send(0, 1)
	r.Kick(0)
	for ok := false; !ok; {
		_, _, ok = r.Rings[0].Used()
	}
	if err := r.dev.Pause(t.Context()); err != nil { // the pass is over
		t.Fatal(err)
	}
	want(t, "messages", r.Slot.Signals(0)+r.Slot.Signals(1)+r.Slot.Signals(spec.NoVector), 0)
	_, rises := r.Slot.Pin()
	want(t, "pin", rises, 0)
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
