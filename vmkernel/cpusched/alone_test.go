package cpusched

import "testing"

// alone is a processor that v has had for ten seconds without a decision: nobody else
// wanted it.
func alone(t *testing.T, p Spec) (m *sim, v *task) {
	m = newSim(t, 1, Spec{})
	v = m.add(must(t)(m.s.AddVM(m.s.Root(), "v", p)), 0, 0, 0)
	m.s.Wake(v.id, 0)
	m.s.Pick(0, 2*ms) // it is owed what it was promised, if it was
	m.now = 10_000 * ms
	return m, v
}

// turns makes decisions for so long and says how long each had the processor.
func (m *sim) turns(d int64) map[ID]int64 {
	had := map[ID]int64{}
	for end := m.now + d; m.now < end; {
		got := m.s.Pick(0, m.now)
		step := got.Slice
		if step == 0 {
			step = d
		}
		had[got.VCPU] += step
		m.now += step
	}
	return had
}

// What nobody else wanted does not keep a machine waiting when others come.
func TestAloneForLong(t *testing.T) {
	for _, shares := range []int64{1000, 4000, 100} {
		m, v := alone(t, Spec{})
		w := must(t)(m.s.AddVM(m.s.Root(), "w", Spec{Shares: shares}))
		for range 2 {
			m.s.Wake(m.add(w, 0, 0, 0).id, m.now)
		}
		m.s.Ran(v.id, m.now, 1<<62)
		if times, _ := m.s.Times(v.id, m.now); times.Run != m.now-2*ms {
			t.Errorf("it ran %d ms", times.Run/ms)
		}
		if had, want := m.turns(200 * ms)[v.id], 200*ms*1000/(1000+shares); had < want/2 || had > want*3/2 {
			t.Errorf("against %d shares it has %d us of the first 200 ms", shares, had/1000)
		}
	}
}

// Nor does it cost the reservation.
func TestAloneKeepsReservation(t *testing.T) {
	m, v := alone(t, Spec{Shares: 1, Reservation: 500})
	w := must(t)(m.s.AddVM(m.s.Root(), "w", Spec{Shares: MaxShares}))
	for range 2 {
		m.s.Wake(m.add(w, 0, 0, 0).id, m.now)
	}
	m.s.Ran(v.id, m.now, 1<<62)
	if had := m.turns(400 * ms)[v.id]; had < 150*ms {
		t.Errorf("it has %d us of the first 400 ms", had/1000)
	}
}

// A limit counts from the moment when it is set, and so does the place in another pool.
func TestAloneBeforeTheLimit(t *testing.T) {
	for what, set := range map[string]func(m *sim, vm ID) error{
		"set": func(m *sim, vm ID) error { return m.s.Set(vm, m.now, Spec{Limit: 100}) },
		"move": func(m *sim, vm ID) error {
			return m.s.Move(vm, m.now, m.pool(m.s.Root(), "p", Spec{Limit: 100}), Spec{})
		},
	} {
		m, v := alone(t, Spec{})
		if err := set(m, m.s.nodes[m.s.nodes[m.s.at(v.id)].parent].id); err != nil {
			t.Fatal(err)
		}
		if had := m.turns(1000 * ms)[v.id]; had < 80*ms || had > 170*ms {
			t.Errorf("%s: it has %d us of the first second with a limit of a tenth", what, had/1000)
		}
	}
}
