package cpusched

import "testing"

// A slice has to be kept, whoever waits, where a limit says so, and nowhere else.
func TestBounded(t *testing.T) {
	m := newSim(t, 1, Spec{})
	free := m.add(must(t)(m.s.AddVM(m.s.Root(), "free", Spec{})), 0, 0, 0)
	m.s.Wake(free.id, 0)
	if d := m.s.Pick(0, 0); d.VCPU != free.id || d.Bounded {
		t.Errorf("%+v", d)
	}
	m.s.Block(free.id, ms)
	if d := m.s.Pick(0, ms); d.VCPU != None || d.Slice != 0 || d.Bounded {
		t.Errorf("%+v", d)
	}
	less := m.add(must(t)(m.s.AddVM(m.pool(m.s.Root(), "pool", Spec{Limit: 100}), "limited", Spec{})), 0, 0, 0)
	m.s.Wake(less.id, ms)
	for now := ms; ; now += 5 * ms {
		d := m.s.Pick(0, now)
		if !d.Bounded || d.Slice <= 0 {
			t.Fatalf("%+v", d)
		}
		if d.VCPU == None {
			break // its time is used up, and comes again
		}
		if now > 100*ms {
			t.Fatal("no limit")
		}
	}
}

// Time slept on a processor that nobody else wanted is no run time and costs nothing.
func TestSlept(t *testing.T) {
	m := newSim(t, 1, Spec{})
	k := m.add(must(t)(m.s.AddVM(m.s.Root(), "vm", Spec{})), 0, 0, 0)
	m.s.Slept(k.id, 0, ms) // it does not run
	m.s.Wake(k.id, 0)
	m.s.Pick(0, 0)
	m.s.Slept(k.id, 10*ms, 7*ms)
	m.s.Slept(k.id, 10*ms, -ms)
	m.s.Ran(k.id, 12*ms, 1<<62)
	if got, state := m.s.Times(k.id, 12*ms); got != (Times{Run: 5 * ms, Wait: 7 * ms}) || state != Ready {
		t.Errorf("%+v, %v", got, state)
	}
	if vm := m.s.nodes[m.s.nodes[m.s.at(k.id)].parent]; vm.vtime != 5*ms*vscale/CPUShares {
		t.Errorf("charged %d", vm.vtime)
	}
	m.s.Pick(0, 12*ms)
	m.s.Slept(k.id, 13*ms, 100*ms) // more than there was
	if got, _ := m.s.Times(k.id, 13*ms); got != (Times{Run: 5 * ms, Wait: 8 * ms}) {
		t.Errorf("%+v", got)
	}
}

// A limit that is set while a machine runs alone, for which nobody ends its slice, has
// its processor ask again.
func TestSetAsksAgain(t *testing.T) {
	s, err := New(Config{CPUs: 2, Nodes: 10, TicksPerMS: 1000})
	if err != nil {
		t.Fatal(err)
	}
	vm, err := s.AddVM(s.Root(), "vm", Spec{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.AddVCPU(vm, 1<<1, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Wake(v, 1)
	if d := s.Pick(1, 1); d.VCPU != v || d.Bounded {
		t.Fatalf("%+v", d)
	}
	s.Kicks()
	if err := s.Set(vm, 2, Spec{Limit: 100}); err != nil {
		t.Fatal(err)
	}
	if k := s.Kicks(); k != 1<<1 {
		t.Fatalf("kicks %#x", k)
	}
	if d := s.Pick(1, 3); d.VCPU != v || !d.Bounded {
		t.Fatalf("%+v", d)
	}
}
