package linux

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// fakeReference counts 1 GHz for the counter and 100 MHz for the APIC timer, with
// each interval held up as listed; behind the list nothing holds it up.
type fakeReference struct {
	late  []uint64 // ticks that the interval is too long
	apic  []uint64 // ticks between the counter and the APIC timer
	count int
	none  bool
}

func (f *fakeReference) measure() interval {
	i := f.count
	f.count++
	if f.none {
		return interval{}
	}
	at := func(l []uint64) uint64 {
		if i < len(l) {
			return l[i]
		}
		return uint64(i)
	}
	m := interval{tsc: 5e6 + at(f.late), ns: 5e6, spread: 20 + at(f.apic)}
	m.apicTSC = m.tsc
	m.apic = m.tsc/10 + at(f.apic)/10
	return m
}

func TestCalibrate(t *testing.T) {
	for _, c := range []struct {
		name  string
		ref   fakeReference
		count int
		exact bool
	}{
		{"quiet machine", fakeReference{}, 2, true},
		{"first held up", fakeReference{late: []uint64{9e6}}, 3, true},
		{"three held up, which used to be all", fakeReference{late: []uint64{1.6e6, 4e6, 2e6}}, 5, true},
		{"held up in turn", fakeReference{late: []uint64{9e6, 0, 7e6, 5e6, 2e6}}, 6, true},
		{"held up before the counter was read", fakeReference{apic: []uint64{10e6}}, 2, true},
		{"no clock", fakeReference{none: true}, 1, false},
	} {
		m := calibrate(&c.ref)
		if c.ref.count != c.count {
			t.Errorf("%s: %d intervals, want %d", c.name, c.ref.count, c.count)
		}
		if !c.exact {
			if m != (interval{}) {
				t.Errorf("%s: %+v", c.name, m)
			}
			continue
		}
		if hz := m.hz(); hz < 1e9 || hz > 1e9+1e6 {
			t.Errorf("%s: %d Hz", c.name, hz)
		}
		if hz := muldiv(m.apic, 1e9, m.apicTSC); hz < 100e6-1e5 || hz > 100e6+1e5 {
			t.Errorf("%s: APIC timer at %d Hz", c.name, hz)
		}
	}
	never := fakeReference{late: make([]uint64, 100)}
	for i := range never.late {
		never.late[i] = uint64(100-i) * 1e5
	}
	if calibrate(&never); never.count != mostIntervals {
		t.Errorf("%d intervals where no two are alike", never.count)
	}
}

// TestStartUpAllocatesNothing: there is no runtime yet. What is called through an
// interface is named.
func TestStartUpAllocatesNothing(t *testing.T) {
	w1test.NoAlloc(t, bestInterval, pit.measure, (*pmTimer).measure, syncTSC, startedPeer.exchange, startedPeer.adjust, answerTSC)
}
