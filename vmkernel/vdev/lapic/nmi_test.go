package lapic

import "testing"

// TestTwoNMIs: the second one is news, the third is not.
func TestTwoNMIs(t *testing.T) {
	s := NewSet(Config{})
	a := s.APIC(0)
	for i, news := range []bool{true, true, false} {
		if _, fresh := a.deliver(NMI, 0, false); fresh != news {
			t.Errorf("NMI %d: news %v", i, fresh)
		}
	}
	saved, _ := a.SaveState()
	if e := a.TakeEvents(); !e.NMI() || !e.NMIAgain() {
		t.Errorf("events %x", e)
	}
	if err := a.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	if e := a.TakeEvents(); !e.NMI() || !e.NMIAgain() {
		t.Errorf("events %x after loading", e)
	}
	a.deliver(NMI, 0, false)
	if e := a.TakeEvents(); !e.NMI() || e.NMIAgain() {
		t.Errorf("events %x of one", e)
	}
}
