package lapic

import "testing"

// wide is four APICs with IDs 0, 256, 512 and 768, enabled, in x2APIC mode.
func wide(t *testing.T) *Set {
	t.Helper()
	s := NewSpread(8, make([]Config, 4)...)
	for i := range 4 {
		a := s.At(i)
		a.cfg.X2APIC = true
		a.SetBase(a.Base()|BaseEXTD, 40)
		a.WriteMSR(MSRx2APIC+SVR>>4, 0x1FF, 0)
		want(t, "ID", a.ID(), uint32(i)<<8)
		v, _ := a.ReadMSR(MSRx2APIC+ID>>4, 0)
		want(t, "ID register", v, uint64(i)<<8)
		v, _ = a.ReadMSR(MSRx2APIC+LDR>>4, 0)
		want(t, "LDR", v, uint64(i)<<20|1)
	}
	return s
}

// got says who has a vector, a bit for each, and ends it.
func got(t *testing.T, s *Set) (who int) {
	t.Helper()
	for i := range s.Len() {
		if take(t, s.At(i)) >= 0 {
			s.At(i).EOI()
			who |= 1 << i
		}
	}
	return who
}

// TestWideIDs: every way to a processor whose ID is more than 8 bits wide (11.12.9,
// 11.12.10), and that no other one listens.
func TestWideIDs(t *testing.T) {
	s := wide(t)
	ipi := func(v uint64) func() { return func() { s.At(0).WriteMSR(MSRx2APIC+ICRLow>>4, v, 0) } }
	msi := func(addr uint64) func() { return func() { s.Signal(addr, 0x40) } }
	for name, c := range map[string]struct {
		send func()
		who  int
	}{
		"physical":           {ipi(256<<32 | 0x40), 1 << 1},
		"the last":           {ipi(768<<32 | 0x40), 1 << 3},
		"between two":        {ipi(257<<32 | 0x40), 0},
		"beyond":             {ipi(1024<<32 | 0x40), 0},
		"far beyond":         {ipi(0x8000_0000<<32 | 0x40), 0},
		"broadcast":          {ipi(Broadcast<<32 | 0x40), 0xF},
		"FFh is an ID":       {ipi(0xFF<<32 | 0x40), 0},
		"cluster":            {ipi(0x20_0001<<32 | icrLogical | 0x40), 1 << 2},
		"nobody in it":       {ipi(0x20_0002<<32 | icrLogical | 0x40), 0},
		"nobody's cluster":   {ipi(0x21_FFFF<<32 | icrLogical | 0x40), 0},
		"the index is none":  {ipi(1<<32 | 0x40), 0},
		"all others":         {ipi(3<<icrShorthandShift | 0x40), 0xE},
		"MSI, low bits only": {msi(0xFEE0_0000), 1 << 0},
		"MSI":                {msi(0xFEE0_0000 | 1<<5), 1 << 1},
		"MSI to the last":    {msi(0xFEE0_0000 | 3<<5), 1 << 3},
		"MSI to nobody":      {msi(0xFEE0_1000 | 3<<5), 0},
		"MSI to all":         {msi(0xFEEF_F000), 0xF},
		"MSI, not to all":    {msi(0xFEEF_F000 | 1<<5), 0},
	} {
		c.send()
		want(t, name, got(t, s), c.who)
	}
	// INIT and start-up go there too, and INIT leaves the mode.
	a := s.At(3)
	ipi(768<<32 | 5<<8)()
	want(t, "INIT", a.TakeEvents().INIT(), true)
	a.Init()
	want(t, "x2APIC mode", a.X2APIC(), true)
	ipi(768<<32 | 6<<8 | 8)()
	v, ok := a.TakeEvents().StartUp()
	want(t, "start-up", ok && v == 8, true)
}

// TestWideIDInXAPICMode: it shows the low bits, but they are not its address, and neither
// is the whole ID; broadcasts and logical destinations find it.
func TestWideIDInXAPICMode(t *testing.T) {
	s := wide(t)
	for i := range 4 {
		a := s.At(i)
		saved := a.Base()
		a.SetBase(saved&^(BaseEN|BaseEXTD), 40)
		a.SetBase(saved&^BaseEXTD, 40)
		a.Write(SVR, 0x1FF, 0)
		a.Write(LDR, 1<<(24+i), 0)
	}
	for renamed := range 2 {
		for dest, who := range map[uint32]int{0: 1, 0x01: 0, 0x100: 0, 0x300: 0, Broadcast: 0xF} {
			s.Deliver(Message{Dest: dest, Vector: 0x40})
			want(t, "physical", got(t, s), who)
		}
		s.Deliver(Message{Dest: 6, Logical: true, Vector: 0x40})
		want(t, "logical", got(t, s), 6)
		want(t, "its register", s.At(2).Read(ID, 0), uint32(0))
		if renamed == 0 { // as if one had been given another ID, the slow way is taken
			want(t, "nobody was given another ID", s.renamed.Load(), false)
			s.renamed.Store(true)
		}
	}
}

// TestWideIDInState: the state is the same as ever, and goes on where it was.
func TestWideIDInState(t *testing.T) {
	s, o := wide(t), wide(t)
	saved, err := s.At(3).SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.At(3).LoadState(saved); err != nil {
		t.Fatal(err)
	}
	want(t, "the fast way", o.renamed.Load(), false)
	want(t, "it listens", o.Deliver(Message{Dest: 768, Vector: 0x40}), true)
	if o.At(2).LoadState(saved) == nil {
		t.Error("the LDR of another was taken")
	}
}
