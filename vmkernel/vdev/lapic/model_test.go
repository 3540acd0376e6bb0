package lapic

import (
	"encoding/binary"
	"math/rand"
	"sync"
	"testing"
)

// model is the obvious local APIC: three sets of vectors.
type model struct {
	irr, isr, tmr [256]bool
	tpr           int
	eoi           []uint8
}

func (m *model) ppr() int {
	for v := 255; v >= 0; v-- {
		if m.isr[v] {
			if v>>4 > m.tpr>>4 {
				return v &^ 15
			}
			break
		}
	}
	return m.tpr
}

func (m *model) pending() int {
	for v := 255; v >= 16; v-- {
		if m.irr[v] && v>>4 > m.ppr()>>4 {
			return v
		}
	}
	return -1
}

func (m *model) end() {
	for v := 255; v >= 0; v-- {
		if m.isr[v] {
			m.isr[v] = false
			if m.tmr[v] {
				m.eoi = append(m.eoi, uint8(v))
			}
			return
		}
	}
}

func TestAgainstModel(t *testing.T) {
	for seed := range int64(20) {
		r := rand.New(rand.NewSource(seed))
		s := NewSet(Config{})
		a, m := s.APIC(0), &model{}
		var log eoiLog
		s.ConnectEOI(&log)
		a.Write(SVR, 0x1FF, 0)
		for step := range 3000 {
			switch r.Intn(6) {
			case 0, 1:
				v, level := uint8(16+r.Intn(240)), r.Intn(4) == 0
				a.Accept(v, level)
				m.irr[v], m.tmr[v] = true, level
			case 2, 3:
				v, ok := a.Pending()
				if want := m.pending(); ok != (want >= 0) || ok && int(v) != want {
					t.Fatalf("seed %d step %d: pending %#x %v, want %#x", seed, step, v, ok, want)
				}
				if ok {
					a.Ack(v)
					m.irr[v], m.isr[v] = false, true
				}
			case 4:
				a.Write(EOI, 0, 0)
				m.end()
			case 5:
				m.tpr = r.Intn(256) & r.Intn(256)
				a.Write(TPR, uint32(m.tpr), 0)
			}
			if got := a.Read(PPR, 0); int(got) != m.ppr() {
				t.Fatalf("seed %d step %d: PPR %#x, want %#x", seed, step, got, m.ppr())
			}
		}
		if string(log) != string(m.eoi) {
			t.Fatalf("seed %d: EOI broadcasts differ", seed)
		}
	}
}

// TestNothingIsLost posts from many threads while the owner takes: every vector
// that was new when it was posted is taken once.
func TestNothingIsLost(t *testing.T) {
	s := NewSet(Config{})
	a := s.APIC(0)
	a.Write(SVR, 0x1FF, 0)
	const senders, each = 4, 5000
	var wg sync.WaitGroup
	posted := make([]int, senders)
	for n := range senders {
		wg.Go(func() {
			for range each {
				if _, fresh := a.request(uint8(0x40+n), false); fresh {
					posted[n]++
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	taken := make([]int, senders)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for {
			v, ok := a.Pending()
			if !ok {
				break
			}
			a.Ack(v)
			a.EOI()
			taken[v-0x40]++
		}
	}
	for n := range senders {
		if taken[n] != posted[n] {
			t.Errorf("sender %d: %d new requests, %d taken", n, posted[n], taken[n])
		}
	}
}

// FuzzGuest lets the input drive both APICs as a hostile guest would, and checks
// what must hold whatever it does.
func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 0xB0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0x30, 8, 0xFF, 0x40, 0, 0, 3, 0, 0, 0, 0, 0, 0, 2, 1, 0xF0, 3, 0, 0, 0})
	f.Add([]byte{6, 0, 0xD, 0, 0, 0, 0, 1, 0x3F, 8, 0x80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		s := NewSet(Config{X2APIC: true}, Config{X2APIC: true})
		now := uint64(1)
		for len(in) >= 7 {
			op, reg, v := in[0], uint32(binary.LittleEndian.Uint16(in[1:])), binary.LittleEndian.Uint32(in[3:])
			in = in[7:]
			a := s.APIC(uint32(op >> 7))
			now += uint64(reg)
			switch op & 7 {
			case 0:
				a.Write(reg&0xFFF, v, now)
			case 1:
				a.WriteMSR(0x800+reg&0xFF, uint64(v)<<(op>>3&1*16), now)
			case 2:
				a.Read(reg, now)
				a.ReadMSR(0x800+reg&0xFF, now)
			case 3:
				if p, ok := a.Pending(); ok {
					if uint32(p)>>4 <= a.Read(PPR, now)>>4 {
						t.Fatal("a vector at or below the processor priority")
					}
					a.Ack(p)
				}
			case 4:
				a.SetTSCDeadline(uint64(v), now)
				a.Expire(now)
				if d := a.Deadline(); a.timerMode() == timerPeriodic && d != 0 && d <= now {
					t.Fatal("a periodic timer stays in the past")
				}
			case 5:
				s.Signal(0xFEE00000|uint64(reg)<<4, v)
			case 6:
				a.SetBase(uint64(v)&0xC00|DefaultBase, 40)
				a.SetCR8(uint64(v))
			case 7:
				if e := a.TakeEvents(); e.INIT() {
					a.Init()
				}
			}
			if a.isrTop != a.highestISR() {
				t.Fatal("the cached vector in service is wrong")
			}
		}
		for id := range uint32(2) {
			a := s.APIC(id)
			saved, _ := a.SaveState()
			if err := a.LoadState(saved); err != nil {
				t.Fatalf("own state refused: %v", err)
			}
		}
	})
}

// FuzzLoadState: foreign state is refused or leaves a working APIC.
func FuzzLoadState(f *testing.F) {
	good, _ := NewSet(Config{X2APIC: true}).APIC(0).SaveState()
	f.Add(good)
	f.Fuzz(func(t *testing.T, in []byte) {
		a := NewSet(Config{X2APIC: true}).APIC(0)
		if a.LoadState(in) != nil {
			return
		}
		a.Expire(1 << 40)
		a.EOI()
		if v, ok := a.Pending(); ok {
			a.Ack(v)
		}
		if saved, _ := a.SaveState(); a.LoadState(saved) != nil {
			t.Fatal("own state refused")
		}
	})
}

// addressed is SDM 11.6.2 and 11.12.10 in words.
func addressed(dest uint32, logical, x2 bool, id, ldr, dfr uint32) bool {
	switch {
	case dest == Broadcast:
		return true
	case !logical:
		return dest == id
	case x2:
		cluster, bit := id/16, id%16
		return dest/0x10000 == cluster && dest%0x10000/(1<<bit)%2 == 1
	case dest >= 0x100:
		return false
	}
	logicalID := ldr / 0x1000000
	if dfr/0x10000000 == 0xF {
		for bit := range 8 {
			if dest/(1<<bit)%2 == 1 && logicalID/(1<<bit)%2 == 1 {
				return true
			}
		}
		return false
	}
	if dfr/0x10000000 != 0 {
		return false // reserved model
	}
	if dest/16 != 15 && dest/16 != logicalID/16 {
		return false
	}
	for bit := range 4 {
		if dest/(1<<bit)%2 == 1 && logicalID/(1<<bit)%2 == 1 {
			return true
		}
	}
	return false
}

func TestDestinationsAgainstModel(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	const cpus = 40
	configs := make([]Config, cpus)
	for i := range configs {
		configs[i].X2APIC = true
	}
	for round := range 400 {
		shift := r.Intn(2) * r.Intn(10)
		s := NewSpread(uint8(shift), configs...)
		for i := range cpus {
			a := s.At(i)
			a.Write(SVR, 0x1FF, 0)
			a.Write(DFR, []uint32{0xFFFFFFFF, 0x0FFFFFFF, 0x7FFFFFFF}[r.Intn(3)], 0)
			a.Write(LDR, r.Uint32(), 0)
			if round%2 == 0 && r.Intn(2) == 0 {
				a.Write(ID, r.Uint32()%64<<24, 0)
			}
			if r.Intn(3) == 0 {
				a.SetBase(a.Base()|BaseEXTD, 40)
			}
		}
		for range 50 {
			m := Message{Dest: uint32(r.Intn(256)), Logical: r.Intn(2) == 0, Vector: 0x40}
			switch r.Intn(5) {
			case 0:
				m.Dest = r.Uint32() & 0x0003_FFFF
			case 1:
				m.Dest = Broadcast
			case 2:
				m.Dest = uint32(r.Intn(cpus)) << shift
			case 3:
				m.Dest = uint32(r.Intn(cpus))<<shift>>4<<16 | 1<<r.Intn(16)
			}
			any := false
			s.Deliver(m)
			for i := range cpus {
				a := s.At(i)
				_, got := a.Pending()
				id := a.Read(ID, 0) >> 24
				switch {
				case a.X2APIC():
					id = uint32(i) << shift
				case i<<shift >= 255: // nobody's
					id = Broadcast
				}
				w := addressed(m.Dest, m.Logical, a.X2APIC(), id, a.ldr.Load(), a.dfr.Load())
				if got != w {
					t.Fatalf("%+v to CPU %d (x2APIC %v, LDR %#x, DFR %#x): %v, want %v", m, i, a.X2APIC(), a.ldr.Load(), a.dfr.Load(), got, w)
				}
				if got {
					any = true
					a.Ack(0x40)
					a.EOI()
				}
			}
			m.Mode = LowestPriority
			if s.Deliver(m) != any {
				t.Fatalf("%+v: lowest priority finds another set", m)
			}
			n := 0
			for i := range cpus {
				if v, ok := s.At(i).Pending(); ok {
					n++
					s.At(i).Ack(v)
					s.At(i).EOI()
				}
			}
			if n > 1 {
				t.Fatalf("%d CPUs took a lowest-priority interrupt", n)
			}
		}
	}
}
