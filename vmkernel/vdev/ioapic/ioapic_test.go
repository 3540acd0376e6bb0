package ioapic

import (
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"basalt/vmkernel/vbus"
)

type sink struct {
	log    []string
	refuse bool
}

func (s *sink) Signal(addr uint64, data uint32) bool {
	s.log = append(s.log, fmt.Sprintf("%x/%x", addr, data))
	return !s.refuse
}

func (s *sink) want(t *testing.T, what string, w ...string) {
	t.Helper()
	if fmt.Sprint(s.log) != fmt.Sprint(w) {
		t.Errorf("%s: %v, want %v", what, s.log, w)
	}
	s.log = nil
}

func reg(p *IOAPIC, i byte) uint32 {
	p.WriteMMIO(0, IOREGSEL, []byte{i})
	b := make([]byte, 4)
	p.ReadMMIO(0, IOWIN, b)
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func set(p *IOAPIC, i byte, v uint32) {
	p.WriteMMIO(0, IOREGSEL, []byte{i, 0, 0, 0})
	p.WriteMMIO(0, IOWIN, []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
}

func rte(p *IOAPIC, pin byte, v uint64) {
	set(p, IOREDTBL+2*pin+1, uint32(v>>32))
	set(p, IOREDTBL+2*pin, uint32(v))
}

func eq(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestRegisters(t *testing.T) {
	p := New(&sink{})
	eq(t, "version", reg(p, IOAPICVER), uint32(0x00170020))
	eq(t, "entries are masked", reg(p, 0x10), uint32(0x10000))
	eq(t, "no such register", reg(p, 0x40), uint32(0xFFFFFFFF))
	set(p, IOAPICID, 0xFFFFFFFF)
	eq(t, "ID", reg(p, IOAPICID), uint32(0x0F000000))
	eq(t, "arbitration ID", reg(p, IOAPICARB), uint32(0x0F000000))
	set(p, 0x14, 0xFFFFFFFF)
	set(p, 0x15, 0xFFFFFFFF)
	eq(t, "read-only bits low", reg(p, 0x14), uint32(0x1AFFF))
	eq(t, "read-only bits high", reg(p, 0x15), uint32(0xFFFE0000))
	set(p, 0xFF, 1)
	eq(t, "narrow write of the window", p.WriteMMIO(0, IOWIN, []byte{1}), vbus.BadSize)
	eq(t, "no register", p.ReadMMIO(0, 0x20, make([]byte, 4)), vbus.NoRegister)
	eq(t, "no register", p.WriteMMIO(0, 0x20, make([]byte, 4)), vbus.NoRegister)
}

func TestEdge(t *testing.T) {
	var s sink
	p := New(&s)
	p.Line(2).Set(true)
	s.want(t, "an edge on a masked pin is lost")
	rte(p, 2, 1<<56|0x30)
	s.want(t, "also after unmasking")
	p.Line(2).Set(false)
	p.Line(2).Set(true)
	p.Line(2).Set(true)
	s.want(t, "one message an edge", "fee01000/30")
	rte(p, 2, 3<<56|1<<49|1<<11|1<<8|0x31)
	vbus.Pulse(p.Line(2))
	p.Line(2).Set(true)
	s.want(t, "logical, lowest priority, extended destination", "fee03024/131")
}

func TestLevel(t *testing.T) {
	var s sink
	p := New(&s)
	rte(p, 9, 1<<15|0x40)
	p.Line(9).Set(true)
	s.want(t, "level", "fee00000/c040")
	eq(t, "remote IRR", reg(p, 0x10+18), uint32(0xC040))
	p.EOI(0x41)
	s.want(t, "another vector")
	p.EOI(0x40)
	s.want(t, "asserted: again", "fee00000/c040")
	p.Line(9).Set(false)
	p.EOI(0x40)
	s.want(t, "not asserted")
	eq(t, "remote IRR clear", reg(p, 0x10+18), uint32(0x8040))
	set(p, 0x10+18, 0x18040)
	p.Line(9).Set(true)
	s.want(t, "masked")
	set(p, 0x10+18, 0x08040)
	s.want(t, "unmasked while asserted", "fee00000/c040")
	p.WriteMMIO(0, IOEOI, []byte{0x40, 0, 0, 0})
	s.want(t, "EOI register", "fee00000/c040")
	set(p, 0x10+18, 0x10040) // Linux: edge and masked, then level again
	set(p, 0x10+18, 0x18040)
	eq(t, "edge mode clears remote IRR", reg(p, 0x10+18), uint32(0x18040))
}

func TestRefusedLevelIsTriedAgain(t *testing.T) {
	s := sink{refuse: true}
	p := New(&s)
	rte(p, 9, 1<<15|0x40)
	p.Line(9).Set(true)
	eq(t, "remote IRR stays clear", reg(p, 0x10+18), uint32(0x8040))
	s.refuse = false
	rte(p, 9, 1<<15|0x41)
	s.want(t, "next write sends", "fee00000/c040", "fee00000/c040")
}

func TestOtherModesAreEdges(t *testing.T) {
	var s sink
	p := New(&s)
	rte(p, 3, 1<<15|4<<8)
	p.Line(3).Set(true)
	s.want(t, "NMI", "fee00000/400")
	eq(t, "no remote IRR", reg(p, 0x16), uint32(0x8400))
}

func TestResetKeepsPins(t *testing.T) {
	var s sink
	p := New(&s)
	p.Line(9).Set(true)
	p.Reset()
	rte(p, 9, 1<<15|0x40)
	s.want(t, "the pin was never released", "fee00000/c040")
	p.Line(-1).Set(true)
	p.Line(24).Set(true)
}

func TestState(t *testing.T) {
	var s sink
	p, q := New(&sink{}), New(&s)
	rte(p, 9, 1<<15|0x40)
	p.Line(9).Set(true)
	saved, _ := p.SaveState()
	if err := q.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	q.EOI(0x40)
	s.want(t, "goes on", "fee00000/c040")
	saved[10+8*3+2] = 0xF0
	if err := q.LoadState(saved); err == nil {
		t.Error("a bad state was taken")
	}
}

// TestAgainstModel compares one level pin with the obvious state machine.
func TestAgainstModel(t *testing.T) {
	for seed := range int64(20) {
		r := rand.New(rand.NewSource(seed))
		var s sink
		p := New(&s)
		var pin, masked, level, remote = false, true, false, false
		sent := 0
		try := func(edge bool) {
			if masked || !pin {
				return
			}
			if level && !remote {
				remote = true
				sent++
			} else if !level && edge {
				sent++
			}
		}
		for step := range 2000 {
			switch r.Intn(4) {
			case 0, 1:
				high := r.Intn(2) == 0
				edge := high && !pin
				pin = high
				p.Line(5).Set(high)
				try(edge)
			case 2:
				p.EOI(0x55)
				if remote {
					remote = false
					try(false)
				}
			case 3:
				masked, level = r.Intn(2) == 0, r.Intn(3) > 0
				v := uint32(0x55)
				if masked {
					v |= 1 << 16
				}
				if level {
					v |= 1 << 15
				} else {
					remote = false
				}
				set(p, 0x1A, v)
				try(false)
			}
			if len(s.log) != sent || (reg(p, 0x1A)&(1<<14) != 0) != remote {
				t.Fatalf("seed %d step %d: sent %d, want %d", seed, step, len(s.log), sent)
			}
		}
	}
}

type count struct {
	mu sync.Mutex
	n  int
}

func (c *count) Signal(uint64, uint32) bool { c.mu.Lock(); c.n++; c.mu.Unlock(); return true }

// TestNoLevelIsLost: however sets and EOIs interleave, an asserted pin ends with
// remote IRR set.
func TestNoLevelIsLost(t *testing.T) {
	p := New(&count{})
	rte(p, 9, 1<<15|0x40)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 5000 {
				p.Line(9).Set(true)
				p.EOI(0x40)
				p.Line(9).Set(false)
			}
		})
	}
	wg.Wait()
	p.Line(9).Set(true)
	eq(t, "remote IRR", reg(p, 0x10+18), uint32(0xC040))
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 0x10, 1, 0x40, 2, 9, 3, 0x40})
	f.Fuzz(func(t *testing.T, in []byte) {
		var s sink
		p := New(&s)
		buf := make([]byte, 8)
		for ; len(in) >= 2; in = in[2:] {
			buf[0], buf[1], buf[2] = in[1], in[1], in[1]&1
			switch in[0] & 7 {
			case 0:
				p.WriteMMIO(0, IOREGSEL, buf[:1])
			case 1:
				p.WriteMMIO(0, IOWIN, buf[:4])
			case 2:
				p.Line(int(in[1] & 31)).Set(in[1]&0x80 != 0)
			case 3:
				p.EOI(in[1])
			case 4:
				p.ReadMMIO(0, uint64(in[1]), buf[:1+in[1]&7])
			case 5:
				p.WriteMMIO(0, uint64(in[1]), buf[:1+in[1]&7])
			}
			s.log = s.log[:0]
		}
		for i := range p.pins {
			if entry(p.pins[i].Load()).due() {
				t.Fatalf("pin %d is asserted, open and not sent", i)
			}
		}
		saved, _ := p.SaveState()
		if err := p.LoadState(saved); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
	})
}

type accept struct{}

func (accept) Signal(uint64, uint32) bool { return true }

func BenchmarkLevelRoundTrip(b *testing.B) {
	p := New(accept{})
	rte(p, 9, 1<<15|0x40)
	l := p.Line(9)
	b.ReportAllocs()
	for b.Loop() {
		l.Set(true)
		l.Set(false)
		p.EOI(0x40)
	}
}
