package cpusched

import (
	"fmt"
	"testing"
)

// A virtual CPU that sleeps most of the time runs soon after it wakes, whatever spins.
func TestSleeperLatency(t *testing.T) {
	for _, cpus := range []int{1, 2, 4, 64} {
		m := newSim(t, cpus, Spec{})
		sleeper := m.add(must(t)(m.s.AddVM(m.s.Root(), "sleeper", Spec{})), 0, ms/2, 7*ms)
		for i := range 2 + cpus/4 {
			m.vm(m.s.Root(), fmt.Sprint("spinner", i), 8, Spec{})
		}
		m.run(20 * ms) // at first all wake at once
		sleeper.worst = 0
		m.run(10_000 * ms)
		t.Logf("%d processors: at most %d us", cpus, sleeper.worst/1000)
		if sleeper.worst > sliceMS*ms {
			t.Errorf("%d processors: it waited %d us", cpus, sleeper.worst/1000)
		}
		times, _ := m.s.Times(sleeper.id, m.now)
		if times.Run < 10_000*ms/16 {
			t.Errorf("%d processors: it ran %d us", cpus, times.Run/1000)
		}
	}
}

// One that slept long does not keep others off for longer than a slice or two.
func TestSleeperCannotHoard(t *testing.T) {
	m := newSim(t, 1, Spec{})
	a := m.vm(m.s.Root(), "a", 1, Spec{})
	b := must(t)(m.s.AddVM(m.s.Root(), "b", Spec{}))
	m.add(b, 0, 500*ms, 60_000*ms)
	m.run(60_000 * ms)
	m.run(400 * ms) // b's first burst took a second, so it wakes soon
	m.tasks[0].longestGap = 0
	near(t, "a", m.gain(2000*ms, a)[0], .75, .03) // half of one second, all of the other
	if gap := m.tasks[0].longestGap; gap > 4*sliceMS*ms {
		t.Errorf("a waited %d us", gap/1000)
	}
}

func TestAffinity(t *testing.T) {
	m := newSim(t, 2, Spec{})
	left := must(t)(m.s.AddVM(m.s.Root(), "left", Spec{}))
	m.add(left, 1, 0, 0)
	right := must(t)(m.s.AddVM(m.s.Root(), "right", Spec{Shares: 3000}))
	k := m.add(right, 2, 0, 0)
	both := m.vm(m.s.Root(), "both", 1, Spec{})
	for i, got := range m.gain(6000*ms, left, right, both) {
		if got < .45 {
			t.Errorf("group %d got %.3f", i, got)
		}
	}
	k.affinity = 1
	if err := m.s.SetAffinity(k.id, m.now, 1); err != nil {
		t.Fatal(err)
	}
	got := m.gain(6000*ms, left, right, both)
	near(t, "left", got[0], .25, .05)
	near(t, "right", got[1], .75, .05)
	near(t, "both", got[2], 1, .01)
	if m.s.SetAffinity(k.id, m.now, 4) != ErrAffinity {
		t.Error("an affinity without a processor was taken")
	}
}

// A pair of which one has a processor for itself and the other shares one with three.
func TestCoStop(t *testing.T) {
	m := newSim(t, 2, Spec{})
	pair := must(t)(m.s.AddVM(m.s.Root(), "pair", Spec{}))
	fast, slow := m.add(pair, 1, 0, 0), m.add(pair, 2, 0, 0)
	for i := range 3 {
		m.add(must(t)(m.s.AddVM(m.s.Root(), fmt.Sprint(i), Spec{})), 2, 0, 0)
	}
	worst := int64(0)
	for range 2000 {
		m.run(5 * ms)
		f, _ := m.s.Times(fast.id, m.now)
		s, _ := m.s.Times(slow.id, m.now)
		worst = max(worst, f.Run-s.Run)
	}
	f, _ := m.s.Times(fast.id, m.now)
	s, _ := m.s.Times(slow.id, m.now)
	t.Logf("fast %+v, slow %+v, at most %d us apart", f, s, worst/1000)
	if worst > (skewMS+sliceMS)*ms {
		t.Errorf("%d us apart", worst/1000)
	}
	if f.CoStop < 10_000*ms/3 || s.CoStop != 0 {
		t.Errorf("co-stopped for %d and %d us", f.CoStop/1000, s.CoStop/1000)
	}
	// The pair as a whole gets as much as each of the others: two sevenths.
	if s.Run < 10_000*ms/8 {
		t.Errorf("the slow one ran %d us", s.Run/1000)
	}
	// When the slow one goes, nobody holds the fast one.
	m.remove(slow)
	near(t, "fast alone", m.gain(1000*ms, pair)[0], 1, .02)
}

// The agent's threads are not held together.
func TestAgentIsNotCoStopped(t *testing.T) {
	m := newSim(t, 2, Spec{})
	k := m.add(m.s.Agent(), 1, 0, 0)
	m.add(m.s.Agent(), 2, 0, 0)
	m.add(must(t)(m.s.AddVM(m.s.Root(), "x", Spec{})), 2, 0, 0)
	m.run(3000 * ms)
	if times, _ := m.s.Times(k.id, m.now); times.CoStop != 0 || times.Run != m.now {
		t.Errorf("%+v", times)
	}
}
