package pic

import (
	"math/rand"
	"testing"

	"basalt/vmkernel/vbus"
)

func out(p *PIC, port uint16, v ...byte) {
	for _, b := range v {
		p.WritePort(port, []byte{b})
	}
}

func in(p *PIC, port uint16) byte {
	b := []byte{0}
	p.ReadPort(port, b)
	return b[0]
}

// boot initialises both chips as Linux does: vectors 0x30 and 0x38, all open.
func boot(icw4 byte) (*PIC, *int) {
	n := new(int)
	p := New(func() { *n++ })
	out(p, 0x20, 0x11)
	out(p, 0x21, 0x30, 0x04, icw4)
	out(p, 0xA0, 0x11)
	out(p, 0xA1, 0x38, 0x02, icw4)
	out(p, 0x21, 0)
	out(p, 0xA1, 0)
	return p, n
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// ack takes the next vector, or -1.
func ack(p *PIC) int {
	if !p.Pending() {
		return -1
	}
	return int(p.Ack())
}

func TestProbeMaskRegister(t *testing.T) { // Linux probe_8259A
	p := New(nil)
	want(t, "masked at power-on", in(p, 0x21), byte(0xFF))
	out(p, 0xA1, 0xFF)
	out(p, 0x21, 0xFB)
	want(t, "IMR reads back", in(p, 0x21), byte(0xFB))
	m, ok := p.ReadMask(0x21)
	want(t, "fast", m, uint8(0xFB))
	want(t, "fast", ok, true)
}

// TestFirmware: the vectors of a BIOS; the timer comes through and nothing else.
func TestFirmware(t *testing.T) {
	p := New(nil)
	for n := range NumPins { // before it, nothing does
		p.Line(n).Set(true)
		p.Line(n).Set(false)
	}
	want(t, "pending at power-on", p.Pending(), false)
	p.Firmware()
	want(t, "edges of before", p.Pending(), false)
	want(t, "masks", [2]byte{in(p, 0x21), in(p, 0xA1)}, [2]byte{0xFA, 0xFF})
	for n := range NumPins {
		p.Line(n).Set(true)
	}
	want(t, "timer", ack(p), 0x08)
	out(p, 0x20, 0x20)
	want(t, "the rest is masked", p.Pending(), false)
	out(p, 0xA1, 0xF7)
	want(t, "IRQ 11", ack(p), 0x73)
	out(p, 0xA0, 0x20)
	out(p, 0x20, 0x20)
	want(t, "after its end", p.Pending(), false)
}

func TestFullyNested(t *testing.T) {
	p, n := boot(1)
	p.Line(4).Set(true)
	want(t, "notified", *n > 0, true)
	p.Line(1).Set(true)
	want(t, "highest first", ack(p), 0x31)
	want(t, "lower waits", ack(p), -1)
	p.Line(0).Set(true)
	want(t, "higher nests", ack(p), 0x30)
	out(p, 0x20, 0x20, 0x20)
	want(t, "after both EOI", ack(p), 0x34)
	out(p, 0x20, 0x0B)
	want(t, "ISR", in(p, 0x20), byte(0x10))
	out(p, 0x20, 0x64, 0x0A)
	want(t, "specific EOI, IRR", in(p, 0x20), byte(0))
}

func TestEdgeNeedsALowBetween(t *testing.T) {
	p, _ := boot(1)
	p.Line(4).Set(true)
	want(t, "edge", ack(p), 0x34)
	out(p, 0x20, 0x20)
	p.Line(4).Set(true)
	want(t, "still high", ack(p), -1)
	vbus.Pulse(p.Line(4))
	want(t, "no edge without a low", ack(p), -1)
	vbus.Pulse(p.Line(4))
	want(t, "latched after the pin fell", ack(p), 0x34)
}

func TestLevelTriggered(t *testing.T) {
	p, _ := boot(1)
	out(p, 0x4D1, 0xFF)
	want(t, "ELCR has fixed bits", in(p, 0x4D1), byte(0xDE))
	p.Line(11).Set(true)
	want(t, "level", ack(p), 0x3B)
	out(p, 0xA0, 0x20)
	out(p, 0x20, 0x20)
	want(t, "asks again while high", ack(p), 0x3B)
	out(p, 0xA0, 0x20)
	out(p, 0x20, 0x20)
	p.Line(11).Set(false)
	want(t, "low", ack(p), -1)
}

func TestCascade(t *testing.T) {
	p, _ := boot(1)
	p.Line(8).Set(true)
	p.Line(3).Set(true)
	want(t, "slave above master 3", ack(p), 0x38)
	p.Line(9).Set(true)
	want(t, "slave's lower waits", ack(p), -1)
	out(p, 0xA0, 0x20)
	want(t, "the master's cascade is in service", ack(p), -1)
	out(p, 0x20, 0x62)
	want(t, "then", ack(p), 0x39)
}

func TestSpuriousIRQ7And15(t *testing.T) { // data sheet, "Interrupt Sequence"
	p, _ := boot(1)
	out(p, 0x4D0, 0xF8)
	out(p, 0x4D1, 0xDE)
	p.Line(5).Set(true)
	p.Line(5).Set(false)
	want(t, "spurious", int(p.Ack()), 0x37)
	out(p, 0x20, 0x0B)
	want(t, "nothing in service", in(p, 0x20), byte(0))
	// The slave's request goes away between the two acknowledgements: only
	// visible as: master accepted the cascade, slave answers 7.
	out(p, 0xA1, 0xFF)
	p.master.Store(uint64(chip(p.master.Load()) | 1<<(fIRR+cascade)))
	want(t, "a stale cascade bit is not believed", p.Pending(), false)
}

func TestSpecialMaskMode(t *testing.T) {
	p, _ := boot(1)
	p.Line(3).Set(true)
	want(t, "in service", ack(p), 0x33)
	p.Line(6).Set(true)
	want(t, "blocked", ack(p), -1)
	out(p, 0x21, 0x08)
	want(t, "mask alone does not help", ack(p), -1)
	out(p, 0x20, 0x68)
	want(t, "special mask lets lower through", ack(p), 0x36)
	out(p, 0x20, 0x20, 0x20)
	out(p, 0x20, 0x0B)
	want(t, "non-specific EOI leaves masked bits", in(p, 0x20), byte(0x08))
}

func TestRotation(t *testing.T) {
	p, _ := boot(1)
	out(p, 0x20, 0xC3) // set priority: IR3 lowest
	p.Line(0).Set(true)
	p.Line(4).Set(true)
	want(t, "IR4 is highest", ack(p), 0x34)
	out(p, 0x20, 0xA0) // rotate on non-specific EOI
	p.Line(5).Set(true)
	vbus.Pulse(p.Line(4))
	vbus.Pulse(p.Line(4))
	want(t, "IR5 is highest now", ack(p), 0x35)
	out(p, 0x20, 0xE5) // rotate on specific EOI
	want(t, "then IR0", ack(p), 0x30)
}

func TestAutoEOI(t *testing.T) {
	p, _ := boot(3)
	out(p, 0x20, 0x80) // rotate in automatic EOI
	for range 2 {
		vbus.Pulse(p.Line(0))
	}
	want(t, "first", ack(p), 0x30)
	vbus.Pulse(p.Line(0))
	vbus.Pulse(p.Line(1))
	want(t, "IR0 is lowest now", ack(p), 0x31)
	want(t, "then", ack(p), 0x30)
	out(p, 0x20, 0x0B)
	want(t, "nothing in service", in(p, 0x20), byte(0))
}

func TestSpecialFullyNested(t *testing.T) {
	p, _ := boot(0x11)
	p.Line(12).Set(true)
	want(t, "slave", ack(p), 0x3C)
	p.Line(9).Set(true)
	want(t, "a higher one of the same slave nests", ack(p), 0x39)
}

func TestPoll(t *testing.T) {
	p, _ := boot(1)
	p.Line(6).Set(true)
	out(p, 0x20, 0x0C)
	_, ok := p.ReadMask(0x21)
	want(t, "no fast path in poll mode", ok, false)
	want(t, "poll word", in(p, 0x20), byte(0x86))
	out(p, 0x20, 0x0B)
	want(t, "acknowledged", in(p, 0x20), byte(0x40))
	out(p, 0x20, 0x0C)
	want(t, "nothing", in(p, 0x20), byte(0))
}

func TestInitialisationSequence(t *testing.T) {
	p, _ := boot(1)
	vbus.Pulse(p.Line(1))
	out(p, 0x20, 0x13) // single, ICW4 follows: no ICW3
	want(t, "ICW1 clears requests", p.Pending(), false)
	out(p, 0x21, 0x48, 0x01)
	out(p, 0x21, 0xFE)
	want(t, "IMR", in(p, 0x21), byte(0xFE))
	p.Line(0).Set(true)
	want(t, "new base", ack(p), 0x48)
	out(p, 0x20, 0x12) // no ICW4
	out(p, 0x21, 0x50)
	out(p, 0x21, 0x7F)
	want(t, "done after ICW2", in(p, 0x21), byte(0x7F))
}

func TestAccessRules(t *testing.T) {
	p := New(nil)
	want(t, "wide read", p.ReadPort(0x20, make([]byte, 2)), vbus.BadSize)
	want(t, "wide write", p.WritePort(0x20, make([]byte, 4)), vbus.BadSize)
	want(t, "other port", p.ReadPort(0x22, make([]byte, 1)), vbus.NoRegister)
	for _, n := range []int{-1, 2, 16} {
		p.Line(n).Set(true)
	}
	want(t, "no such pins", p.master.Load()|p.slave.Load(), New(nil).master.Load())
}

func TestState(t *testing.T) {
	p, _ := boot(1)
	p.Line(4).Set(true)
	p.Line(9).Set(true)
	ack(p)
	saved, _ := p.SaveState()
	q := New(nil)
	if err := q.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	out(q, 0xA0, 0x20)
	out(q, 0x20, 0x20)
	want(t, "goes on", ack(q), 0x34)
	saved[2+3] = 0 // master's pins
	saved[2+4] = 1 // master's ELCR: the timer cannot be level-triggered
	if err := q.LoadState(saved); err == nil {
		t.Error("a bad state was taken")
	}
}

// model is the obvious 8259A pair for the common modes.
type model struct {
	pins, irr, isr, imr, elcr [16]bool
}

func (m *model) want(n int) bool {
	if n == 2 {
		return m.first(8) >= 0
	}
	if m.elcr[n] {
		return m.pins[n]
	}
	return m.irr[n]
}

// first is the pin that a chip (pins from base) asks for, or -1.
func (m *model) first(base int) int {
	for n := base; n < base+8; n++ {
		if m.isr[n] {
			return -1
		}
		if !m.imr[n] && m.want(n) {
			return n
		}
	}
	return -1
}

func (m *model) ack() int {
	n := m.first(0)
	if n < 0 {
		return -1
	}
	m.irr[n], m.isr[n] = false, true
	if n == 2 {
		n = m.first(8)
		m.irr[n], m.isr[n] = false, true
	}
	return 0x30 + n
}

func (m *model) eoi(base int) {
	for n := base; n < base+8; n++ {
		if m.isr[n] {
			m.isr[n] = false
			return
		}
	}
}

func TestAgainstModel(t *testing.T) {
	for seed := range int64(20) {
		r := rand.New(rand.NewSource(seed))
		p, _ := boot(1)
		m := &model{}
		for step := range 3000 {
			switch n := r.Intn(16); r.Intn(8) {
			case 0, 1, 2:
				if n != 2 {
					high := r.Intn(2) == 0
					if high && !m.pins[n] {
						m.irr[n] = true
					}
					m.pins[n] = high
					p.Line(n).Set(high)
				}
			case 3, 4:
				if got, want := ack(p), m.ack(); got != want {
					t.Fatalf("seed %d step %d: %#x, want %#x", seed, step, got, want)
				}
			case 5:
				out(p, 0x20, 0x20)
				m.eoi(0)
			case 6:
				out(p, 0xA0, 0x20)
				m.eoi(8)
			case 7:
				bits := r.Intn(256) & r.Intn(256)
				base, port := n&8, uint16(0x21+n&8*16)
				if n&1 == 0 {
					for i := range 8 {
						m.imr[base+i] = bits>>i&1 != 0
					}
				} else {
					port = 0x4D0 + uint16(n>>3)
					bits &= []int{masterLevel, slaveLevel}[n>>3]
					for i := range 8 {
						m.elcr[base+i] = bits>>i&1 != 0
					}
				}
				out(p, port, byte(bits))
			}
		}
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 0x11, 1, 0x30, 1, 4, 1, 1, 9, 0, 6, 0})
	f.Add([]byte{0, 0x0C, 6, 0, 2, 0x68, 9, 0x81, 10, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		p := New(func() {})
		ports := []uint16{0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1}
		b := []byte{0}
		for ; len(in) >= 2; in = in[2:] {
			switch op := int(in[0]) % 12; {
			case op < 6:
				b[0] = in[1]
				p.WritePort(ports[op], b)
			case op < 9:
				p.ReadPort(ports[int(in[1])%6], b)
			case op == 9:
				p.Line(int(in[1] & 15)).Set(in[1]&0x80 != 0)
			default:
				if !p.Pending() {
					break
				}
				v := p.Ack()
				if m, s := p.load(); v&^7 != m.field(fBase) && v&^7 != s.field(fBase) {
					t.Fatalf("vector %#x belongs to no chip", v)
				}
			}
		}
		saved, _ := p.SaveState()
		if err := p.LoadState(saved); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
	})
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	p, _ := boot(1)
	l, b := p.Line(3), []byte{0x20}
	if n := testing.AllocsPerRun(100, func() {
		l.Set(true)
		p.Pending()
		p.Ack()
		p.WritePort(0x20, b)
		p.ReadMask(0x21)
		l.Set(false)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkReadMask(b *testing.B) {
	p := New(nil)
	for b.Loop() {
		p.ReadMask(0x21)
	}
}

func BenchmarkPendingNone(b *testing.B) {
	p := New(nil)
	for b.Loop() {
		p.Pending()
	}
}

func BenchmarkEdgeAckEOI(b *testing.B) {
	p, _ := boot(1)
	l, eoi := p.Line(3), []byte{0x20}
	b.ReportAllocs()
	for b.Loop() {
		l.Set(true)
		p.Ack()
		p.WritePort(0x20, eoi)
		l.Set(false)
	}
}
