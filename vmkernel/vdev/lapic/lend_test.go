package lapic

import (
	"math/rand"
	"sync"
	"testing"
)

// processor is what SDM Vol. 3C, 30.2 says of virtual-interrupt delivery.
type processor struct {
	p        Page
	rvi, svi int
	eoiExit  [4]uint64
	exit     func(vector uint8)
}

func (c *processor) word(reg uint32, v int) *uint32 { return &c.p[reg>>2+uint32(v>>5)<<2] }

func (c *processor) highest(reg uint32) int {
	for v := 255; v > 0; v-- {
		if *c.word(reg, v)>>(v&31)&1 != 0 {
			return v
		}
	}
	return 0
}

// ppr is PPR virtualization (30.1.3).
func (c *processor) ppr() int {
	vtpr := int(c.p[TPR>>2])
	if vtpr>>4 >= c.svi>>4 {
		return vtpr & 0xFF
	}
	return c.svi & 0xF0
}

// deliver takes the requested vector if its time has come (30.2.1, 30.2.2).
func (c *processor) deliver() (vector int, ok bool) {
	if c.rvi>>4 <= c.ppr()>>4 {
		return 0, false
	}
	vector = c.rvi
	*c.word(ISR, vector) |= 1 << (vector & 31)
	c.svi = vector
	*c.word(IRR, vector) &^= 1 << (vector & 31)
	c.rvi = c.highest(IRR)
	return vector, true
}

// end is EOI virtualization (30.1.4).
func (c *processor) end() {
	vector := c.svi
	*c.word(ISR, vector) &^= 1 << (vector & 31)
	c.svi = c.highest(ISR)
	if c.eoiExit[vector>>6]>>(vector&63)&1 != 0 {
		c.exit(uint8(vector))
	}
}

func (c *processor) lend(t *testing.T, a *APIC) {
	t.Helper()
	status := a.Lend(&c.p, &c.eoiExit)
	c.rvi, c.svi = int(status&0xFF), int(status>>8)
	if c.rvi != c.highest(IRR) || c.svi != c.highest(ISR) {
		t.Fatalf("status %#x, the page has IRR %#x, ISR %#x", status, c.highest(IRR), c.highest(ISR))
	}
	c.p[TPR>>2] = uint32(a.CR8()) << 4
}

func (c *processor) reclaim(a *APIC) {
	a.Reclaim(&c.p, uint16(c.rvi|c.svi<<8))
	a.SetCR8(uint64(c.p[TPR>>2] >> 4))
}

func TestLentAgainstModel(t *testing.T) {
	for seed := range int64(40) {
		r := rand.New(rand.NewSource(seed))
		s := NewSet(Config{})
		a, m := s.APIC(0), &model{}
		var log eoiLog
		s.ConnectEOI(&log)
		a.Write(SVR, 0x1FF, 0)
		c := &processor{exit: a.Ended}
		inside := false
		var late []uint8 // requested while the guest runs: it comes with the next exit
		for step := range 4000 {
			switch r.Intn(7) {
			case 0, 1: // from any thread, also while it is lent
				v := uint8(16 + r.Intn(240))
				level := v&3 == 0
				a.Accept(v, level)
				if m.tmr[v] = level; inside {
					late = append(late, v)
				} else {
					m.irr[v] = true
				}
			case 2, 3:
				if !inside {
					c.lend(t, a)
					inside = true
				}
				want := m.pending()
				v, ok := c.deliver()
				if ok != (want >= 0) || ok && v != want {
					t.Fatalf("seed %d step %d: took %#x %v, want %#x", seed, step, v, ok, want)
				}
				if ok {
					m.irr[v], m.isr[v] = false, true
				}
			case 4:
				switch {
				case !inside:
					a.Write(EOI, 0, 0)
				case c.svi != 0:
					c.end()
				}
				m.end()
			case 5:
				m.tpr = r.Intn(16) << 4 & r.Intn(256)
				if inside {
					c.p[TPR>>2] = uint32(m.tpr)
				} else {
					a.Write(TPR, uint32(m.tpr), 0)
				}
			case 6:
				if inside {
					c.reclaim(a)
					inside = false
				}
				for _, v := range late {
					m.irr[v] = true
				}
				late = nil
			}
			if inside {
				continue
			}
			for v := 16; v < 256; v++ {
				irr, isr := a.Read(IRR+uint32(v>>5)<<4, 0)>>(v&31)&1 != 0, a.Read(ISR+uint32(v>>5)<<4, 0)>>(v&31)&1 != 0
				if irr != m.irr[v] || isr != m.isr[v] {
					t.Fatalf("seed %d step %d: vector %#x: IRR %v ISR %v, want %v %v", seed, step, v, irr, isr, m.irr[v], m.isr[v])
				}
			}
			if got := a.Read(PPR, 0); int(got) != m.ppr() {
				t.Fatalf("seed %d step %d: PPR %#x, want %#x", seed, step, got, m.ppr())
			}
		}
		if string(log) != string(m.eoi) {
			t.Fatalf("seed %d: EOI broadcasts differ: %x, want %x", seed, []byte(log), m.eoi)
		}
	}
}

// TestNothingLentIsLost posts from many threads while vectors are lent and taken: a vector
// that was new when it was posted is taken, and once.
func TestNothingLentIsLost(t *testing.T) {
	s := NewSet(Config{})
	a := s.APIC(0)
	a.Write(SVR, 0x1FF, 0)
	const senders, each = 4, 5000
	var wg sync.WaitGroup
	var last [senders]int // the number of the last post, written before it
	var mu sync.Mutex
	for n := range senders {
		wg.Go(func() {
			for i := range each {
				mu.Lock()
				last[n] = i + 1
				mu.Unlock()
				a.Accept(uint8(0x40+0x10*n), false)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	c := &processor{}
	var seen [senders]int
	for running := true; running; {
		select {
		case <-done:
			running = false // and one look more
		default:
		}
		for {
			c.lend(t, a)
			v, ok := c.deliver()
			if ok {
				mu.Lock()
				seen[v>>4-4] = last[v>>4-4]
				mu.Unlock()
				c.end()
			}
			c.reclaim(a)
			if !ok {
				break
			}
		}
	}
	for n := range senders {
		if seen[n] != each {
			t.Errorf("vector %#x: taken last after post %d of %d", 0x40+0x10*n, seen[n], each)
		}
	}
}

// TestADisabledAPICLendsNoRequest: what is in service stays, and what is requested is not
// for the processor.
func TestADisabledAPICLendsNoRequest(t *testing.T) {
	s := NewSet(Config{X2APIC: true})
	a := s.APIC(0)
	a.Write(SVR, 0x1FF, 0)
	a.Accept(0x51, false)
	a.base.Store(a.base.Load() &^ BaseEN)
	var p Page
	var eoi [4]uint64
	if status := a.Lend(&p, &eoi); status != 0 || p != (Page{}) {
		t.Errorf("status %#x", status)
	}
}

// TestLoadedStateIsLent: a saved state may have a level in service.
func TestLoadedStateIsLent(t *testing.T) {
	from := NewSet(Config{}).APIC(0)
	from.Write(SVR, 0x1FF, 0)
	from.Accept(0x51, true)
	from.Ack(0x51)
	from.Accept(0x47, false)
	b, err := from.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	a := NewSet(Config{}).APIC(0)
	var c processor
	c.lend(t, a)
	c.reclaim(a)
	if err := a.LoadState(b); err != nil {
		t.Fatal(err)
	}
	c.lend(t, a)
	if c.svi != 0x51 || c.rvi != 0x47 || c.eoiExit != [4]uint64{1: 1 << 0x11} {
		t.Errorf("in service %#x, requested %#x, EOI exits %#x", c.svi, c.rvi, c.eoiExit)
	}
}
