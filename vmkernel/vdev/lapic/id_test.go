package lapic

import (
	"encoding/binary"
	"testing"
)

// ids gives the APICs, all enabled in xAPIC mode, IDs as given.
func ids(t *testing.T, want ...uint32) *Set {
	t.Helper()
	s := NewSet(make([]Config, len(want))...)
	for i, id := range want {
		a := s.APIC(uint32(i))
		a.cfg.X2APIC = true
		a.Write(SVR, 0x1FF, 0)
		a.Write(ID, id<<24, 0)
		if got := a.Read(ID, 0); got != id<<24 {
			t.Fatalf("ID %#x, want %#x", got, id<<24)
		}
	}
	return s
}

// TestIDOfTwo: a message goes to all that have the ID, and to nobody's number.
func TestIDOfTwo(t *testing.T) {
	s := ids(t, 0x80, 0x80, 1)
	for _, c := range []struct {
		dest uint32
		got  [3]bool
	}{{0x80, [3]bool{true, true, false}}, {0, [3]bool{}}, {1, [3]bool{false, false, true}}, {2, [3]bool{}}, {Broadcast, [3]bool{true, true, true}}} {
		s.Deliver(Message{Dest: c.dest, Vector: 0x40})
		for i := range c.got {
			a := s.APIC(uint32(i))
			if _, ok := a.Pending(); ok != c.got[i] {
				t.Errorf("to %#x: APIC %d: %v", c.dest, i, ok)
			} else if ok {
				a.Ack(0x40)
				a.EOI()
			}
		}
	}
}

// TestIDAfterChangeOfMode: the ID is the processor's own in x2APIC mode and after the
// APIC was off; INIT keeps it (11.4.7.3).
func TestIDAfterChangeOfMode(t *testing.T) {
	s := ids(t, 5)
	a := s.APIC(0)
	a.Init()
	if a.Read(ID, 0) != 5<<24 {
		t.Error("INIT changed the ID")
	}
	a.SetBase(a.Base()|BaseEXTD, 40)
	if v, _ := a.ReadMSR(MSRx2APIC+ID>>4, 0); v != 0 {
		t.Errorf("x2APIC ID %d", v)
	}
	a.SetBase(DefaultBase|BaseBSP, 40)
	a.SetBase(DefaultBase|BaseBSP|BaseEN, 40)
	if v := a.Read(ID, 0); v != 0 {
		t.Errorf("ID %#x after the APIC was off", v)
	}
	a.Write(ID, 5<<24, 0)
	a.Reset()
	if v := a.Read(ID, 0); v != 0 {
		t.Errorf("ID %#x after a reset", v)
	}
}

// TestIDInState: the ID goes along, messages find it, and a state that is older than
// the field has the processor's own.
func TestIDInState(t *testing.T) {
	saved, err := ids(t, 0x22).APIC(0).SaveState()
	if err != nil {
		t.Fatal(err)
	}
	s := NewSet(Config{X2APIC: true})
	a := s.APIC(0)
	if err := a.LoadState(saved); err != nil || a.Read(ID, 0) != 0x22<<24 {
		t.Fatalf("%v, ID %#x", err, a.Read(ID, 0))
	}
	if !s.Deliver(Message{Dest: 0x22, Vector: 0x40}) || s.Deliver(Message{Dest: 0, Vector: 0x40}) {
		t.Error("a message goes to the old ID")
	}
	old := saved[:len(saved)-1]
	binary.LittleEndian.PutUint16(old, 1)
	if err := a.LoadState(old); err != nil || a.Read(ID, 0) != 0 {
		t.Errorf("version 1: %v, ID %#x", err, a.Read(ID, 0))
	}
	a.SetBase(a.Base()|BaseEXTD, 40)
	saved, _ = a.SaveState()
	saved[len(saved)-1] = 7
	if a.LoadState(saved) == nil {
		t.Error("an xAPIC ID in x2APIC mode was taken")
	}
}
