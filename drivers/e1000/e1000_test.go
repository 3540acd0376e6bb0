package e1000

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"basalt/drivers/e1000/e1000test"
	"basalt/drivers/netio"
	"basalt/drivers/netio/netiotest"
	"basalt/drivers/netio/pipe"
	spec "basalt/drivers/spec/e1000"
)

type machine struct {
	chip *e1000test.Chip
	link netio.Link
	far  *pipe.End
}

var machines = []struct {
	name    string
	id      uint16
	vectors int
}{
	{"82540EM wire", spec.ID82540EM, 0},
	{"82545EM message", spec.ID82545EM, 1},
	{"82574L three vectors", spec.ID82574L, 3},
	{"82574L one vector", spec.ID82574L, 1},
	{"82574L wire", spec.ID82574L, 0},
}

// run calls f with an opened driver in a bubble, and checks what it left behind.
func run(t *testing.T, id uint16, vectors int, faults e1000test.Faults, f func(t *testing.T, m machine)) {
	synctest.Test(t, func(t *testing.T) { f(t, setup(t, id, vectors, faults)) })
}

func setup(t *testing.T, id uint16, vectors int, faults e1000test.Faults) machine {
	near, far := pipe.New(pipe.Config{})
	chip := e1000test.New(id, near, vectors)
	chip.Faults = faults
	link, err := Open("vmnic0", chip.Dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		link.Close()
		far.Close()
		chip.Remove()
		if c := chip.Complaints(); len(c) > 0 {
			t.Errorf("against the manual: %q", c)
		}
		if n := chip.Dev.Mem.Live(); n != 0 {
			t.Errorf("%d DMA regions left", n)
		}
	})
	return machine{chip, link, far}
}

func TestConformance(t *testing.T) {
	for _, c := range machines {
		t.Run(c.name, func(t *testing.T) {
			netiotest.Test(t, func(t *testing.T) netiotest.Setup {
				m := setup(t, c.id, c.vectors, e1000test.Faults{})
				return netiotest.Setup{Link: m.link, Far: m.far, Carrier: m.chip.SetCarrier, Remove: m.chip.Remove}
			})
		})
	}
}

// TestBadDescriptors has the device write back nonsense for frames 0 to 4.
func TestBadDescriptors(t *testing.T) {
	for _, c := range machines {
		t.Run(c.name, func(t *testing.T) {
			faults := e1000test.Faults{
				RxLength: map[int]uint16{0: 0xffff, 1: 2049, 2: 3},
				RxErrors: map[int]byte{3: 0x01},
				RxSplit:  map[int]bool{4: true}, // 5 is taken for its end
				RxAddr:   true,
			}
			run(t, c.id, c.vectors, faults, func(t *testing.T, m machine) {
				var frames [][]byte
				for i := range 300 { // once around the ring
					frames = append(frames, netiotest.Frame(100, byte(i)))
				}
				go m.far.Send(frames)
				b := netiotest.NewBuffers(32)
				for got := 6; got < 300; {
					n, err := m.link.Receive(b.Bufs, b.Sizes)
					if err != nil {
						t.Fatal(err)
					}
					for i := range n {
						if b.Frame(i)[50] != byte(got) {
							t.Fatalf("frame %d is number %d", got, b.Frame(i)[50])
						}
						got++
					}
				}
				if s := m.link.Stats(); s.RxErrors != 5 || s.RxFrames != 294 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestLostInterrupt(t *testing.T) {
	for _, c := range machines {
		if c.vectors == 0 {
			continue // a wire stays high
		}
		t.Run(c.name, func(t *testing.T) {
			run(t, c.id, c.vectors, e1000test.Faults{}, func(t *testing.T, m machine) {
				for _, v := range m.chip.Dev.Vectors {
					v.Lose(1 << 30)
				}
				go m.far.Send([][]byte{netiotest.Frame(80, 7)})
				b := netiotest.NewBuffers(1)
				if n, err := m.link.Receive(b.Bufs, b.Sizes); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				done := make(chan error, 1)
				go func() { done <- netiotest.SendSequence(m.link, 1000) }()
				if err := netiotest.ReceiveSequence(m.far, 1000); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestPolling checks that a busy receiver takes no interrupts.
func TestPolling(t *testing.T) {
	run(t, spec.ID82574L, 3, e1000test.Faults{}, func(t *testing.T, m machine) {
		const total = 200
		rx := m.chip.Dev.Vectors[0]
		if err := netiotest.SendSequence(m.far, total); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // all of them are in the ring
		before := rx.Count()
		if err := netiotest.ReceiveSequence(m.link, total); err != nil {
			t.Fatal(err)
		}
		if n := rx.Count() - before; n > 1 {
			t.Errorf("%d interrupts for %d waiting frames", n, total)
		}
	})
}

func TestRemovedWhileIdle(t *testing.T) {
	for _, zeros := range []bool{false, true} {
		run(t, spec.ID82540EM, 0, e1000test.Faults{}, func(t *testing.T, m machine) {
			m.chip.Zeros = zeros
			m.chip.Remove()
			time.Sleep(2 * time.Second)
			if m.link.LinkUp() {
				t.Error("carrier is up")
			}
			if _, err := m.link.Send([][]byte{netiotest.Frame(60, 1)}); !errors.Is(err, netio.ErrGone) {
				t.Errorf("zeros %v: Send: %v", zeros, err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		hurt func(c *e1000test.Chip)
		want string
	}{
		{"address from the EEPROM", func(c *e1000test.Chip) { c.Faults.NoStation = true }, ""},
		{"no address", func(c *e1000test.Chip) { c.Faults.NoStation, c.Faults.BadStation = true, true }, "not unicast"},
		{"stuck in reset", func(c *e1000test.Chip) { c.Faults.StuckReset = true }, "reset: register"},
		{"small BAR", func(c *e1000test.Chip) { c.Shrink() }, "BAR 0 has only"},
		{"no BAR", func(c *e1000test.Chip) { c.Dev.BARs = nil }, "no BAR 0"},
		{"no interrupt", func(c *e1000test.Chip) { c.Dev.Vectors = nil }, "no interrupt"},
		{"no memory for rings", func(c *e1000test.Chip) { c.Dev.FailDMA = 1 }, "no memory"},
		{"no memory for buffers", func(c *e1000test.Chip) { c.Dev.FailDMA = 4 }, "no memory"},
		{"unknown part", func(c *e1000test.Chip) { c.Dev.DeviceID = 1 }, "not one of ours"},
		{"gone", func(c *e1000test.Chip) { c.Remove() }, "device is gone"},
	} {
		for _, id := range []uint16{spec.ID82540EM, spec.ID82574L} {
			synctest.Test(t, func(t *testing.T) {
				near, far := pipe.New(pipe.Config{})
				chip := e1000test.New(id, near, 3)
				defer far.Close()
				defer chip.Remove()
				c.hurt(chip)
				l, err := Open("vmnic0", chip.Dev)
				if c.want == "" {
					if err != nil || l.MAC() != [6]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56} {
						t.Errorf("%s: %v", c.name, err)
					} else {
						l.Close()
					}
				} else if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v", c.name, err)
				}
				if n := chip.Dev.Mem.Live(); n != 0 {
					t.Errorf("%s: %d DMA regions left", c.name, n)
				}
			})
		}
	}
	if !Match(spec.Vendor, spec.ID82574L) || Match(0x1af4, spec.ID82574L) || Match(spec.Vendor, 0) {
		t.Error("Match")
	}
}
