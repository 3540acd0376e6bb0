package cpusched

import "testing"

// small is a host of one processor with two virtual CPUs of different machines.
func small(t testing.TB) (s *Scheduler, a, b ID) {
	s, err := New(Config{CPUs: 1, Nodes: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []*ID{&a, &b} {
		vm := must(t)(s.AddVM(s.Root(), "vm", Spec{}))
		*v = must(t)(s.AddVCPU(vm, 0, 0))
	}
	return s, a, b
}

func TestTimesOfEachState(t *testing.T) {
	s, a, b := small(t)
	s.Wake(a, 10)
	if s.Kicks() != 1 || s.Kicks() != 0 {
		t.Error("the idle processor was not kicked once")
	}
	if d := s.Pick(0, 30); d.VCPU != a || d.Slice != sliceMS*ms {
		t.Fatalf("%+v", d)
	}
	s.Wake(b, 35)
	s.Ran(a, 130, 90) // ten ticks went to the host
	if got, state := s.Times(a, 135); got != (Times{Run: 90, Ready: 35, Wait: 10}) || state != Ready {
		t.Errorf("%+v %v", got, state)
	}
	if d := s.Pick(0, 140); d.VCPU != b {
		t.Errorf("%+v", d)
	}
	s.Block(b, 120) // time does not go back
	if got, state := s.Times(b, 150); got != (Times{Ready: 105, Wait: 45}) || state != Waiting {
		t.Errorf("%+v %v", got, state)
	}
	if got := s.Stolen(b); got != 105 || s.Stolen(None) != 0 {
		t.Errorf("%d ticks stolen", got)
	}
	s.Ran(b, 160, 5)
	s.Block(b, 160)
	s.Wake(a, 160)
	if got, _ := s.Times(b, 160); got != (Times{Ready: 105, Wait: 55}) {
		t.Errorf("calls in the wrong state counted: %+v", got)
	}
}

// What wakes with a better claim gets the processor at once, unless that has just
// been given.
func TestWakeKicksWhoHasLess(t *testing.T) {
	s, a, b := small(t)
	s.Wake(a, 0)
	s.Pick(0, 0)
	s.Kicks()
	s.Wake(b, ms/2)
	if s.Kicks() != 0 {
		t.Error("kicked after half a millisecond")
	}
	s.Block(b, ms/2)
	s.Wake(b, 2*ms)
	if s.Kicks() != 1 {
		t.Error("not kicked after two milliseconds")
	}
	if d := s.Pick(0, 2*ms); d.VCPU != b {
		t.Errorf("%+v", d)
	}
	s.Block(a, 2*ms)
	s.Remove(b, 2*ms)
	if s.Kicks() != 1 {
		t.Error("not kicked though what ran there is gone")
	}
	if d := s.Pick(0, 2*ms); d != (Decision{}) {
		t.Errorf("%+v", d)
	}
	if got, _ := s.Times(b, 3*ms); got != (Times{}) {
		t.Errorf("something removed has times: %+v", got)
	}
}

// A processor that a limit leaves idle is told when to look again.
func TestIdleUntilRefill(t *testing.T) {
	s, a, _ := small(t)
	if err := s.Set(s.nodes[s.nodes[s.at(a)].parent].id, 0, Spec{Limit: 100}); err != nil {
		t.Fatal(err)
	}
	s.Wake(a, 0)
	now, d := int64(0), Decision{}
	for d = s.Pick(0, 0); d.VCPU == a && now < 1000*ms; d = s.Pick(0, now) {
		now += d.Slice
	}
	if d.VCPU != None || d.Slice <= 0 || d.Slice > 21*ms {
		t.Fatalf("%+v", d)
	}
	if d := s.Pick(0, now+d.Slice); d.VCPU != a {
		t.Errorf("%+v", d)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	m := newSim(t, 4, Spec{Reservation: 100})
	m.add(m.s.Agent(), 0, ms, 3*ms)
	pool := m.pool(m.s.Root(), "pool", Spec{Reservation: 500, Limit: 1500})
	a := m.vm(pool, "a", 8, Spec{Reservation: 200, Limit: 700})
	m.vm(m.s.Root(), "b", 8, Spec{})
	m.add(a, 1, 0, 0)
	m.run(100 * ms)
	now, v := m.now, m.tasks[3].id
	step := func() {
		for cpu := range 4 {
			d := m.s.Pick(cpu, now)
			now += ms
			m.s.Ran(d.VCPU, now, ms)
			m.s.Pick(cpu, now)
		}
		m.s.Block(v, now)
		m.s.Wake(v, now+ms)
		m.s.Kicks()
		m.s.Times(v, now)
	}
	if n := testing.AllocsPerRun(2000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFullAndUsedAgain(t *testing.T) {
	s, a, _ := small(t)
	vm := s.nodes[s.nodes[s.at(a)].parent].id
	var last ID
	for range 4 {
		last = must(t)(s.AddVCPU(vm, 0, 0))
	}
	if _, err := s.AddVCPU(vm, 0, 0); err != ErrFull {
		t.Error(err)
	}
	if _, err := s.AddPool(s.Root(), "p", Spec{}); err != ErrFull {
		t.Error(err)
	}
	s.Remove(last, 0)
	if again := must(t)(s.AddVCPU(vm, 0, 0)); again == last {
		t.Error("an ID was used twice")
	}
	if s.Remove(last, 0) != ErrUnknown {
		t.Error("the old ID still names something")
	}
}
