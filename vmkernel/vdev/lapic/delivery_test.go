package lapic

import "testing"

func TestICRDestinations(t *testing.T) { // 11.6.2
	const phys, logical = 0, 1 << 11
	for _, c := range []struct {
		name     string
		setup    func(a, b *APIC)
		low      uint32
		high     uint32
		toA, toB int
	}{
		{"physical", nil, 0x40 | phys, 1 << 24, -1, 0x40},
		{"physical broadcast", nil, 0x40, 0xFF << 24, 0x40, 0x40},
		{"physical, nobody", nil, 0x40, 9 << 24, -1, -1},
		{"self", nil, 0x40 | 1<<18, 0, 0x40, -1},
		{"all", nil, 0x40 | 2<<18, 0, 0x40, 0x40},
		{"others", nil, 0x40 | 3<<18, 0, -1, 0x40},
		{"logical flat", func(a, b *APIC) { a.Write(LDR, 1<<24, 0); b.Write(LDR, 2<<24, 0) }, 0x40 | logical, 2 << 24, -1, 0x40},
		{"logical flat, both", func(a, b *APIC) { a.Write(LDR, 1<<24, 0); b.Write(LDR, 2<<24, 0) }, 0x40 | logical, 3 << 24, 0x40, 0x40},
		{"logical cluster", func(a, b *APIC) {
			for i, x := range []*APIC{a, b} {
				x.Write(DFR, 0x0FFFFFFF, 0)
				x.Write(LDR, uint32(0x11+i*0x10)<<24, 0)
			}
		}, 0x40 | logical, 0x21 << 24, -1, 0x40},
		{"logical cluster, all clusters", func(a, b *APIC) {
			for i, x := range []*APIC{a, b} {
				x.Write(DFR, 0x0FFFFFFF, 0)
				x.Write(LDR, uint32(0x11+i*0x10)<<24, 0)
			}
		}, 0x40 | logical, 0xF1 << 24, 0x40, 0x40},
		{"lowest priority", func(a, b *APIC) { a.SetCR8(3) }, 0x40 | 1<<8, 0xFF << 24, -1, 0x40},
		{"lowest priority skips disabled", func(a, b *APIC) { a.SetCR8(2); b.Write(SVR, 0xFF, 0) }, 0x40 | 1<<8, 0xFF << 24, 0x40, -1},
	} {
		_, a, b, ka, kb := pair(t)
		if c.setup != nil {
			c.setup(a, b)
		}
		a.Write(ICRHigh, c.high, 0)
		a.Write(ICRLow, c.low, 0)
		want(t, c.name+" to the sender", take(t, a), c.toA)
		want(t, c.name+" to the other", take(t, b), c.toB)
		want(t, c.name+": the sender needs no kick", int(*ka), 0)
		want(t, c.name+": the other is kicked", *kb > 0, c.toB >= 0)
	}
}

func TestLowestPriorityTakesTurns(t *testing.T) {
	s, a, b, _, _ := pair(t)
	for range 10 {
		s.Deliver(Message{Dest: Broadcast, Mode: LowestPriority, Vector: 0x40})
		s.Deliver(Message{Dest: Broadcast, Mode: LowestPriority, Vector: 0x40})
		if take(t, a) != 0x40 || take(t, b) != 0x40 {
			t.Fatal("one CPU got both")
		}
		a.EOI()
		b.EOI()
	}
}

func TestStartUpSequence(t *testing.T) { // 9.4.4.1: INIT, de-assert, SIPI, SIPI
	_, a, b, _, kb := pair(t)
	a.Write(ICRHigh, 1<<24, 0)
	a.Write(ICRLow, 0xC500, 0)
	a.Write(ICRLow, 0x8500, 0)
	e := b.TakeEvents()
	want(t, "INIT", e.INIT(), true)
	a.Write(ICRLow, 0x0699, 0)
	b.Init()
	a.Write(ICRLow, 0x069A, 0)
	e = b.TakeEvents()
	v, ok := e.StartUp()
	want(t, "SIPI, the first vector", v, uint8(0x99))
	want(t, "SIPI", ok, true)
	want(t, "INIT again", e.INIT(), false)
	want(t, "kicks", int(*kb), 2)
	want(t, "nothing left", b.HasEvents(), false)
	a.Write(ICRLow, 0xC500|2<<18, 0)
	want(t, "INIT to all does not reset the sender", a.TakeEvents().INIT(), false)
}

// TestINITDropsWhatCameBefore: the owner takes INIT first, so a start-up IPI or an NMI
// that is left must have come after it.
func TestINITDropsWhatCameBefore(t *testing.T) {
	_, a, b, _, kb := pair(t)
	a.Write(ICRHigh, 1<<24, 0)
	a.Write(ICRLow, 0x0699, 0)
	a.Write(ICRLow, 0x0400, 0)
	a.Write(ICRLow, 0x4500, 0)
	e := b.TakeEvents()
	_, ok := e.StartUp()
	want(t, "INIT", e.INIT(), true)
	want(t, "SIPI from before", ok, false)
	want(t, "NMI from before", e.NMI(), false)
	a.Write(ICRLow, 0x4500, 0)
	a.Write(ICRLow, 0x4500, 0)
	a.Write(ICRLow, 0x069A, 0)
	a.Write(ICRLow, 0x069B, 0)
	e = b.TakeEvents()
	v, ok := e.StartUp()
	want(t, "INIT and SIPI", e.INIT() && ok, true)
	want(t, "the first vector behind it", v, uint8(0x9A))
	want(t, "kicks", int(*kb), 5)
}

func TestNMIAndSMI(t *testing.T) {
	_, a, b, _, _ := pair(t)
	a.Write(ICRLow, 0x400|3<<18, 0)
	a.Write(ICRLow, 0x200|3<<18, 0)
	e := b.TakeEvents()
	want(t, "NMI", e.NMI(), true)
	want(t, "SMI", e.SMI(), true)
	a.Write(ICRLow, 0x400|1<<18, 0)
	want(t, "NMI to oneself", a.TakeEvents().NMI(), true)
	a.Write(LVT1, 0x400, 0)
	a.LINT1()
	want(t, "NMI by LINT1", a.TakeEvents().NMI(), true)
	a.Write(LVT1, 0x10400, 0)
	a.LINT1()
	want(t, "LINT1 masked", a.HasEvents(), false)
}

func TestLINT0(t *testing.T) {
	_, a, b, ka, _ := pair(t)
	want(t, "masked after reset", a.ExtINTOpen(), false)
	a.LINT0()
	want(t, "no kick while masked", int(*ka), 0)
	a.VirtualWire()
	a.LINT0()
	want(t, "virtual wire", a.ExtINTOpen(), true)
	want(t, "kick", int(*ka), 1)
	a.Write(LVT0, 0x30, 0) // the virtual wire fall-back of Linux check_timer
	a.LINT0()
	want(t, "fixed mode delivers its vector", take(t, a), 0x30)
	want(t, "only the boot processor is wired", b.ExtINTOpen(), false)
	a.SetBase(DefaultBase, 40)
	want(t, "APIC off: the pin is INTR", a.ExtINTOpen(), true)
	a.SetBase(DefaultBase|BaseEN, 40)
	want(t, "and the APIC is reset", a.Read(LVT0, 0), uint32(0x10000))
}
