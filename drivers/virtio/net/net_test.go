package net

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	"basalt/drivers/netio"
	"basalt/drivers/netio/netiotest"
	"basalt/drivers/netio/pipe"
	spec "basalt/drivers/spec/virtio"
	"basalt/drivers/virtio/virtiotest"
)

const allNet = 1<<spec.NetFMAC | 1<<spec.NetFStatus | 1<<spec.NetFMTU

var configs = []struct {
	name string
	conf virtiotest.NetConfig
}{
	{"wire", virtiotest.NetConfig{Features: allNet}},
	{"wire, event index", virtiotest.NetConfig{Features: allNet | 1<<spec.FRingEventIdx}},
	{"one vector", virtiotest.NetConfig{Features: allNet, Vectors: 1}},
	{"three vectors, event index", virtiotest.NetConfig{Features: allNet | 1<<spec.FRingEventIdx, Vectors: 3}},
	{"three vectors", virtiotest.NetConfig{Features: allNet, Vectors: 3}},
	{"small ring", virtiotest.NetConfig{Features: allNet | 1<<spec.FRingEventIdx, Vectors: 3, Ring: 4}},
	{"features that we do not know", virtiotest.NetConfig{Features: ^uint64(1 << spec.FVersion1), Vectors: 3}},
}

type machine struct {
	card *virtiotest.Net
	link netio.Link
	far  *pipe.End
}

func setup(t *testing.T, c virtiotest.NetConfig, faults virtiotest.NetFaults) machine {
	near, far := pipe.New(pipe.Config{})
	card := virtiotest.NewNet(c, near)
	card.Faults = faults
	link, err := Open("vmnic0", card.Dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		link.Close()
		far.Close()
		card.Remove()
		if c := card.Complaints(); len(c) > 0 {
			t.Errorf("against the specification: %q", c)
		}
		if n := card.Dev.Mem.Live(); n != 0 {
			t.Errorf("%d DMA regions left", n)
		}
	})
	return machine{card, link, far}
}

func TestConformance(t *testing.T) {
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			netiotest.Test(t, func(t *testing.T) netiotest.Setup {
				m := setup(t, c.conf, virtiotest.NetFaults{})
				return netiotest.Setup{Link: m.link, Far: m.far, Carrier: m.card.SetCarrier, Remove: m.card.Remove}
			})
		})
	}
}

// TestBrokenDevice lets the device break the protocol in the third frame: the link
// ends with ErrGone, and nothing outside of the buffers was touched.
func TestBrokenDevice(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults virtiotest.NetFaults
		want   string
	}{
		{"used index jumps", virtiotest.NetFaults{UsedJump: map[int]uint16{2: 1000}}, "jumped"},
		{"used index runs backwards", virtiotest.NetFaults{UsedJump: map[int]uint16{2: 0xfff0}}, "jumped"},
		{"identifier out of range", virtiotest.NetFaults{UsedID: map[int]uint32{2: 0x10000}}, "not outstanding"},
		{"more than the buffer", virtiotest.NetFaults{Length: map[int]uint32{2: 2049}}, "wrote 2049"},
		{"4 GiB", virtiotest.NetFaults{Length: map[int]uint32{2: 0xffffffff}}, "wrote"},
	} {
		for _, conf := range configs[:5] {
			t.Run(c.name+"/"+conf.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := setup(t, conf.conf, c.faults)
					go netiotest.SendSequence(m.far, 3)
					err := netiotest.ReceiveSequence(m.link, 20)
					if !errors.Is(err, netio.ErrGone) || !strings.Contains(err.Error(), c.want) {
						t.Fatal(err)
					}
					if _, err := m.link.Send([][]byte{netiotest.Frame(60, 0)}); !errors.Is(err, netio.ErrGone) {
						t.Errorf("Send: %v", err)
					}
				})
			})
		}
	}
}

func TestShortFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := setup(t, configs[3].conf, virtiotest.NetFaults{Length: map[int]uint32{0: 0, 1: 11, 2: 25}})
		go m.far.Send([][]byte{netiotest.Frame(60, 0), netiotest.Frame(60, 1), netiotest.Frame(60, 2), netiotest.Frame(60, 3)})
		b := netiotest.NewBuffers(4)
		if n, err := m.link.Receive(b.Bufs, b.Sizes); n != 1 || err != nil || b.Frame(0)[20] != 3 {
			t.Fatal(n, err)
		}
		if s := m.link.Stats(); s.RxErrors != 3 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestNeedsReset(t *testing.T) {
	for _, c := range configs {
		synctest.Test(t, func(t *testing.T) {
			m := setup(t, c.conf, virtiotest.NetFaults{})
			go func() {
				time.Sleep(time.Second)
				m.card.NeedReset()
			}()
			b := netiotest.NewBuffers(1)
			if _, err := m.link.Receive(b.Bufs, b.Sizes); !errors.Is(err, netio.ErrGone) || !strings.Contains(err.Error(), "reset") {
				t.Errorf("%s: %v", c.name, err)
			}
		})
	}
}

func TestLostInterrupt(t *testing.T) {
	for _, c := range configs {
		if c.conf.Vectors == 0 {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			m := setup(t, c.conf, virtiotest.NetFaults{})
			for _, v := range m.card.Dev.Vectors {
				v.Lose(1 << 30)
			}
			go netiotest.SendSequence(m.far, 500)
			if err := netiotest.ReceiveSequence(m.link, 500); err != nil {
				t.Fatal(err)
			}
			go netiotest.SendSequence(m.link, 1000)
			if err := netiotest.ReceiveSequence(m.far, 1000); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		conf virtiotest.NetConfig
		hurt func(n *virtiotest.Net)
		want string
	}{
		{"not modern", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Features = 0 }, "version 1"},
		{"refuses", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.RefuseFeatures = true }, "refuses"},
		{"stuck", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.StuckReset = true; n.NeedReset() }, "finish a reset"},
		{"gone", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Gone() }, "gone"},
		{"no capabilities", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Dev.ConfigRegs = bustest.RAM(256) }, "no modern"},
		{"small BAR", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Dev.BARs[4] = bustest.RAM(0x1000) }, "no modern"},
		{"BAR absent", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Dev.BARs = map[int]bus.Registers{} }, "no modern"},
		{"queue of odd size", virtiotest.NetConfig{Ring: 100}, nil, "impossible size"},
		{"multicast address", virtiotest.NetConfig{Features: allNet, Config: []byte{1, 2, 3, 4, 5, 6, 1, 0, 0, 0, 0, 9}}, nil, "unicast"},
		{"short configuration", virtiotest.NetConfig{Features: allNet, Config: []byte{2, 2, 3, 4, 5, 6, 1, 0}}, nil, "shorter"},
		{"tiny MTU", virtiotest.NetConfig{Features: allNet, Config: []byte{2, 2, 3, 4, 5, 6, 1, 0, 0, 0, 9, 0}}, nil, "MTU 9"},
		{"no address", virtiotest.NetConfig{Vectors: 1}, nil, ""},
		{"no interrupt", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Dev.Vectors = nil }, "no interrupt"},
		{"no memory 1", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Dev.FailDMA = 1 }, "no memory"},
		{"no memory 4", virtiotest.NetConfig{}, func(n *virtiotest.Net) { n.Dev.FailDMA = 4 }, "no memory"},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := pipe.New(pipe.Config{})
			card := virtiotest.NewNet(c.conf, near)
			defer far.Close()
			defer card.Remove()
			if c.hurt != nil {
				c.hurt(card)
			}
			l, err := Open("vmnic0", card.Dev)
			if c.want == "" {
				if err != nil || l.MAC()[0]&3 != 2 {
					t.Fatalf("%s: %v", c.name, err)
				}
				l.Close()
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
			if n := card.Dev.Mem.Live(); n != 0 {
				t.Errorf("%s: %d DMA regions left", c.name, n)
			}
		})
	}
}
