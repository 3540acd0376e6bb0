package virtio

import (
	"testing"

	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vcpu/w1test"
)

// countBell counts what a run loop rings.
type countBell struct {
	Bell
	fast, closed int
}

func (b *countBell) RingFast()    { b.fast++ }
func (b *countBell) Close() error { b.closed++; return b.Bell.Close() }

// TestPortDoorbell: the doorbell in I/O space comes first, rings the queue by number
// and only one that runs, and refuses everything else.
func TestPortDoorbell(t *testing.T) {
	bells := []*countBell{}
	d, err := New(Config{Name: "d", Type: spec.TypeBlock, Queues: []uint16{8, 8}, Memory: gmemtest.New(2 << 20), Model: idle{}, PortDoorbell: true,
		NewBell: func(name string) (Bell, error) {
			b, err := NewBell(name)
			bells = append(bells, &countBell{Bell: b})
			return bells[len(bells)-1], err
		}})
	if err != nil {
		t.Fatal(err)
	}
	p := d.PCI()
	first := p.Capabilities[0]
	if p.DoorbellSize != 4 || first.ID != pcispec.CapVendor || first.Body[1] != spec.CapNotifyCfg || first.Body[spec.CapBAR-2] != DoorbellBAR {
		t.Errorf("%+v", p)
	}
	d.queues[1].state.Store(running)
	for _, c := range []struct {
		off   uint64
		size  uint8
		value uint64
		ok    bool
		rings int
	}{
		{0, 2, 0, true, 0}, {0, 2, 1, true, 1}, {0, 2, 0xabcd0001, true, 1},
		{0, 2, 2, false, 0}, {2, 2, 1, false, 0}, {0, 4, 1, false, 0}, {0, 1, 1, false, 0},
	} {
		before := bells[1].fast
		if ok := d.FastWriteBAR(DoorbellBAR, c.off, c.size, c.value); ok != c.ok || bells[1].fast-before != c.rings || bells[0].fast != 0 {
			t.Errorf("%+v: %v, %d rings", c, ok, bells[1].fast-before)
		}
	}
	if d.FastWriteBAR(RegistersBAR, 0, 2, 1) || d.FastWriteBAR(MSIXBAR, 0, 2, 1) {
		t.Error("another BAR was taken")
	}
	// The one in memory has a place for each queue, and the number has to be its.
	for _, c := range []struct {
		off   uint64
		size  uint8
		value uint64
		ok    bool
		rings int
	}{
		{Doorbell(0), 2, 0, true, 0}, {Doorbell(1), 2, 1, true, 1}, {Doorbell(1), 2, 0, false, 0}, {Doorbell(0), 2, 1, false, 0},
		{Doorbell(2), 2, 2, false, 0}, {Doorbell(1), 4, 1, false, 0}, {Doorbell(1) + 2, 2, 1, false, 0},
	} {
		before := bells[1].fast
		if ok := d.FastWriteBAR(RegistersBAR, c.off, c.size, c.value); ok != c.ok || bells[1].fast-before != c.rings || bells[0].fast != 0 {
			t.Errorf("in memory: %+v: %v, %d rings", c, ok, bells[1].fast-before)
		}
	}
	if d.status&spec.StatusNeedsReset != 0 {
		t.Error("what is left to ordinary Go has done something")
	}
	for _, c := range []struct {
		off  uint64
		data []byte
		want vbus.Access
	}{
		{0, []byte{1}, vbus.BadSize}, {2, []byte{1, 0}, vbus.BadSize}, {0, []byte{1, 0, 0, 0}, vbus.BadSize}, {0, []byte{1, 0}, vbus.OK},
	} {
		if a := d.WriteBAR(DoorbellBAR, c.off, c.data); a != c.want {
			t.Errorf("%+v: %v", c, a)
		}
	}
	if d.Err() != nil {
		t.Error(d.Err())
	}
	if d.WriteBAR(DoorbellBAR, 0, []byte{2, 0}); d.Err() == nil {
		t.Error("a queue that is not there")
	}
	d.queues[1].state.Store(stopped)
	if err := d.Close(t.Context()); err != nil || bells[0].closed != 1 || bells[1].closed != 1 {
		t.Errorf("%v, closed %d %d", err, bells[0].closed, bells[1].closed)
	}
}

func TestFastWriteBARIsFast(t *testing.T) { w1test.Fast(t, (*Device).FastWriteBAR) }

type idle struct{ Plain }

func (idle) Handle(*Queue) bool { return true }
