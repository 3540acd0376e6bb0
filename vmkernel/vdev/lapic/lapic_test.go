package lapic

import "testing"

type kicks int

func (k *kicks) Kick() { *k++ }

// pair is two enabled APICs in xAPIC mode with 3 GHz TSC and 1 GHz timer.
func pair(t *testing.T) (s *Set, a, b *APIC, ka, kb *kicks) {
	t.Helper()
	ka, kb = new(kicks), new(kicks)
	s = NewSet(Config{Kicker: ka, TSCHz: 3e9, X2APIC: true}, Config{Kicker: kb, TSCHz: 3e9, X2APIC: true})
	a, b = s.APIC(0), s.APIC(1)
	a.Write(SVR, 0x1FF, 0)
	b.Write(SVR, 0x1FF, 0)
	return
}

func take(t *testing.T, a *APIC) int {
	t.Helper()
	v, ok := a.Pending()
	if !ok {
		return -1
	}
	a.Ack(v)
	return int(v)
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestResetState(t *testing.T) { // SDM 11.4.7.1
	s := NewSet(Config{}, Config{})
	a := s.APIC(1)
	for reg, v := range map[uint32]uint32{
		ID: 1 << 24, Version: 0x01050014, TPR: 0, PPR: 0, LDR: 0, DFR: 0xFFFFFFFF, SVR: 0xFF,
		LVTT: 0x10000, LVT0: 0x10000, LVT1: 0x10000, LVTERR: 0x10000, ICRLow: 0, TMICT: 0, TDCR: 0,
	} {
		if got := a.Read(reg, 0); got != v {
			t.Errorf("register %#x: %#x, want %#x", reg, got, v)
		}
	}
	want(t, "base of the boot processor", s.APIC(0).Base(), uint64(0xFEE00900))
	want(t, "base of another", a.Base(), uint64(0xFEE00800))
}

func TestPriority(t *testing.T) { // 11.8.3
	_, a, _, ka, _ := pair(t)
	for _, v := range []uint8{0x31, 0x52, 0x55} {
		a.Accept(v, false)
	}
	want(t, "kicks", int(*ka), 3)
	a.Accept(0x31, false)
	want(t, "a request that is there needs no kick", int(*ka), 3)
	want(t, "highest first", take(t, a), 0x55)
	want(t, "same class waits", take(t, a), -1)
	want(t, "PPR is the class in service", a.Read(PPR, 0), uint32(0x50))
	a.Accept(0x60, false)
	want(t, "higher class nests", take(t, a), 0x60)
	a.EOI()
	a.EOI()
	a.SetCR8(5)
	want(t, "TPR holds its class back", take(t, a), -1)
	want(t, "CR8 is the class of TPR", a.Read(TPR, 0), uint32(0x50))
	a.SetCR8(4)
	want(t, "TPR below lets it through", take(t, a), 0x52)
	a.Write(TPR, 0x5F, 0)
	want(t, "PPR is TPR when it is above", a.Read(PPR, 0), uint32(0x5F))
	a.EOI()
	a.EOI() // nothing in service: ignored
	a.Write(TPR, 0, 0)
	want(t, "last", take(t, a), 0x31)
}

func TestSoftwareDisable(t *testing.T) { // 11.4.7.2
	_, a, _, _, _ := pair(t)
	a.Write(LVT0, 0x700, 0)
	a.Accept(0x40, false)
	a.Write(SVR, 0xFF, 0)
	want(t, "LVT entries get masked", a.Read(LVT0, 0), uint32(0x10700))
	a.Write(LVT0, 0x700, 0)
	want(t, "and stay so", a.Read(LVT0, 0), uint32(0x10700))
	want(t, "no vector is accepted", a.Accept(0x50, false), false)
	want(t, "pending ones are held", take(t, a), 0x40)
	want(t, "NMI is accepted", a.Post(NMI, 0, false), true)
	want(t, "NMI event", a.TakeEvents().NMI(), true)
}

type eoiLog []uint8

func (l *eoiLog) EOI(v uint8) { *l = append(*l, v) }

func TestEOIBroadcast(t *testing.T) { // 11.8.5
	s, a, _, _, _ := pair(t)
	var log eoiLog
	s.ConnectEOI(&log)
	a.Accept(0x40, true)
	a.Accept(0x50, false)
	take(t, a)
	a.Write(EOI, 0, 0)
	want(t, "edge is not broadcast", len(log), 0)
	take(t, a)
	want(t, "TMR", a.Read(TMR+0x20, 0), uint32(1))
	a.Write(EOI, 0, 0)
	if len(log) != 1 || log[0] != 0x40 {
		t.Errorf("level is broadcast: %x", log)
	}
	a.Write(SVR, 0x11FF, 0)
	a.Accept(0x40, true)
	take(t, a)
	a.Write(EOI, 0, 0)
	want(t, "suppressed", len(log), 1)
	a.Accept(0x40, false)
	want(t, "TMR follows the last request", a.Read(TMR+0x20, 0), uint32(0))
}

func TestErrors(t *testing.T) { // 11.5.3
	_, a, b, _, _ := pair(t)
	a.Write(LVTERR, 0xFE, 0)
	a.Write(ICRLow, 0x0F|1<<18, 0)
	want(t, "ESR shows nothing before it is written", a.Read(ESR, 0), uint32(0))
	a.Write(ESR, 0, 0)
	want(t, "send illegal vector", a.Read(ESR, 0), uint32(0x20))
	want(t, "error interrupt", take(t, a), 0xFE)
	a.EOI()
	a.Accept(3, false)
	a.Read(0x3F0, 0)
	a.Write(0x2F0, 0, 0)
	a.Write(ESR, 0, 0)
	want(t, "receive illegal vector, illegal register", a.Read(ESR, 0), uint32(0xC0))
	a.Write(ESR, 0, 0)
	want(t, "cleared", a.Read(ESR, 0), uint32(0))
	b.Write(LVTERR, 0x01, 0) // an illegal vector for the error itself
	b.Write(ICRLow, 0x0F|1<<18, 0)
	b.Write(ESR, 0, 0)
	want(t, "ends", b.Read(ESR, 0), uint32(0x60))
}

func TestBaseTransitions(t *testing.T) { // 11.12.5, figure 11-27
	const off, x1, x2, bad = DefaultBase, DefaultBase | BaseEN, DefaultBase | BaseEN | BaseEXTD, DefaultBase | BaseEXTD
	for _, c := range []struct {
		from, to uint64
		ok       bool
	}{
		{x1, x2, true}, {x1, off, true}, {x1, bad, false},
		{x2, x1, false}, {x2, off, true}, {x2, bad, false}, {x2, x2, true},
		{off, x1, true}, {off, x2, false}, {off, bad, false},
		{x1, x1 | 1, false}, {x1, x1 | 1<<45, false}, {x1, 0xFED00000 | BaseEN, true},
	} {
		a := NewSet(Config{X2APIC: true}).APIC(0)
		if c.from == off {
			a.SetBase(off, 40)
		} else {
			a.SetBase(c.from, 40)
		}
		if got := a.SetBase(c.to, 40); got != c.ok {
			t.Errorf("%#x to %#x: %v", c.from, c.to, got)
		}
		want(t, "BSP bit stays", a.Base()&BaseBSP != 0, true)
	}
	a := NewSet(Config{}).APIC(0)
	want(t, "no x2APIC", a.SetBase(x2, 40), false)
}

func TestX2APIC(t *testing.T) { // 11.12
	s, a, b, _, _ := pair(t)
	_, ok := a.ReadMSR(0x802, 0)
	want(t, "#GP in xAPIC mode", ok, false)
	a.SetBase(DefaultBase|BaseEN|BaseEXTD, 40)
	b.SetBase(DefaultBase|BaseEN|BaseEXTD, 40)
	rd := func(i uint32) uint64 { v, ok := b.ReadMSR(i, 0); want(t, "read", ok, true); return v }
	want(t, "ID is 32 bits", rd(0x802), uint64(1))
	want(t, "LDR from the ID", rd(0x80D), uint64(2))
	want(t, "SVR stays", rd(0x80F), uint64(0x1FF))
	for i, v := range map[uint32]uint64{
		0x802: 1, 0x803: 0, 0x80B: 1, 0x80D: 0, 0x80E: 0, 0x808: 0x100, 0x80F: 1 << 32, 0x828: 1, 0x830: 1 << 13,
		0x831: 0, 0x832: 1 << 8, 0x839: 0, 0x83E: 4, 0x83F: 0x100, 0x8FF: 0, 0x810: 0, 0x82F: 0,
	} {
		if a.WriteMSR(i, v, 0) {
			t.Errorf("WRMSR %#x, %#x did not fault", i, v)
		}
	}
	for _, i := range []uint32{0x80B, 0x80E, 0x831, 0x83F, 0x800, 0x8FF, 0x809} {
		if _, ok := a.ReadMSR(i, 0); ok {
			t.Errorf("RDMSR %#x did not fault", i)
		}
	}
	a.WriteMSR(0x830, 1<<32|0x40, 0)
	want(t, "physical IPI", take(t, b), 0x40)
	b.WriteMSR(0x80B, 0, 0)
	a.WriteMSR(0x830, 0xFFFFFFFF<<32|0x41, 0)
	want(t, "broadcast", take(t, a)+take(t, b), 0x82)
	a.WriteMSR(0x80B, 0, 0)
	b.WriteMSR(0x80B, 0, 0)
	a.WriteMSR(0x830, 0x0000_0003<<32|1<<11|0x42, 0)
	want(t, "logical cluster 0", take(t, a)+take(t, b), 0x84)
	a.WriteMSR(0x80B, 0, 0)
	b.WriteMSR(0x80B, 0, 0)
	a.WriteMSR(0x83F, 0x43, 0)
	want(t, "self IPI", take(t, a), 0x43)
	v, _ := a.ReadMSR(0x830, 0)
	want(t, "ICR reads back", v, uint64(0x0000_0003<<32|1<<11|0x42))
	want(t, "ESR takes 0", a.WriteMSR(0x828, 0, 0), true)
	want(t, "MSI reaches an x2APIC", s.Signal(0xFEE01000, 0x44), true)
	want(t, "MSI vector", take(t, b), 0x44)
	want(t, "8-bit broadcast", s.Signal(0xFEEFF000, 0x55), true)
	want(t, "to all", take(t, a)+take(t, b), 0xAA)
	want(t, "15-bit destination", s.Signal(0xFEE00020, 0x44), false)
	want(t, "not an MSI", s.Signal(0xFED00000, 0x44), false)
}

func TestSpuriousAccesses(t *testing.T) {
	_, a, _, _, _ := pair(t)
	buf := []byte{9, 9, 9, 9, 9, 9, 9, 9}
	a.ReadBytes(Version, buf, 0)
	want(t, "8 bytes", [8]byte(buf), [8]byte{0x14, 0, 5, 1})
	a.ReadBytes(Version+2, buf[:1], 0)
	want(t, "1 byte", buf[0], byte(5))
	a.WriteBytes(TPR, []byte{0x20}, 0)
	want(t, "narrow writes are lost", a.Read(TPR, 0), uint32(0))
	a.WriteBytes(TPR, []byte{0x20, 0, 0, 0}, 0)
	want(t, "TPR", a.Read(TPR, 0), uint32(0x20))
	a.WriteBytes(1<<40, []byte{1, 2, 3, 4}, 0)
	a.ReadBytes(1<<40, buf, 0)
}

func TestEOISkippable(t *testing.T) {
	_, a, _, _, _ := pair(t)
	want(t, "nothing in service", a.EOISkippable(), false)
	a.Accept(0x40, false)
	take(t, a)
	want(t, "one edge", a.EOISkippable(), true)
	a.Accept(0x31, false)
	want(t, "another waits", a.EOISkippable(), false)
	a.EOI()
	take(t, a)
	a.Accept(0x50, true)
	take(t, a)
	a.EOI()
	want(t, "one again", a.EOISkippable(), true)
	a.EOI()
	a.Accept(0x50, true)
	take(t, a)
	want(t, "level", a.EOISkippable(), false)
}

func TestState(t *testing.T) {
	_, a, b, _, _ := pair(t)
	a.SetBase(DefaultBase|BaseEN|BaseEXTD, 40)
	a.Accept(0x40, true)
	a.Accept(0x80, false)
	take(t, a)
	a.Post(StartUp, 0x9A, false)
	a.WriteMSR(0x800+LVTT>>4, 0x40|2<<17, 0)
	a.Write(LDR, 0xFF000000, 0) // the page is not there
	a.SetTSCDeadline(77, 1)
	saved, err := a.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	_, c, _, _, _ := pair(t)
	if err := c.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	again, _ := c.SaveState()
	want(t, "round trip", string(again), string(saved))
	want(t, "deadline", c.Deadline(), uint64(77))
	c.EOI()
	want(t, "goes on", take(t, c), 0x40)
	if err := b.LoadState(saved); err == nil {
		t.Error("another CPU's state was taken")
	}
	if err := c.LoadState(saved[:9]); err == nil {
		t.Error("a short state was taken")
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	_, a, b, _, _ := pair(t)
	a.SetBase(DefaultBase|BaseEN|BaseEXTD, 40)
	b.SetBase(DefaultBase|BaseEN|BaseEXTD, 40)
	a.WriteMSR(0x832, 0x40|2<<17, 0)
	if n := testing.AllocsPerRun(100, func() {
		a.SelfIPI(0x50)
		v, _ := a.Pending()
		a.Ack(v)
		a.WriteMSR(0x80B, 0, 0)
		a.WriteMSR(0x830, 1<<32|0x40, 0)
		b.TakeEvents()
		a.SetTSCDeadline(100, 1)
		a.Expire(100)
		a.SetCR8(3)
		a.ReadMSR(0x808, 0)
		a.set.Signal(0xFEE00000, 0x30)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkSelfIPIAckEOI(b *testing.B) {
	a := NewSet(Config{X2APIC: true}).APIC(0)
	a.Write(SVR, 0x1FF, 0)
	a.SetBase(DefaultBase|BaseEN|BaseEXTD, 40)
	b.ReportAllocs()
	for b.Loop() {
		a.WriteMSR(0x83F, 0x40, 0)
		v, _ := a.Pending()
		a.Ack(v)
		a.WriteMSR(0x80B, 0, 0)
	}
}

func BenchmarkPendingNone(b *testing.B) {
	a := NewSet(Config{}).APIC(0)
	b.ReportAllocs()
	for b.Loop() {
		a.Pending()
	}
}
