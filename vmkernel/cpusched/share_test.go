package cpusched

import (
	"errors"
	"fmt"
	"testing"
)

func TestShares(t *testing.T) {
	type vm struct {
		shares int64
		cpus   int
		want   float64
	}
	for _, c := range []struct {
		cpus int
		vms  []vm
	}{
		{2, []vm{{1000, 2, 2. / 7}, {2000, 2, 4. / 7}, {4000, 2, 8. / 7}}},
		{1, []vm{{1000, 2, 1. / 7}, {2000, 2, 2. / 7}, {4000, 2, 4. / 7}}},
		{1, []vm{{1000, 8, .5}, {1000, 1, .5}}},
		{2, []vm{{1000, 8, 1}, {1000, 1, 1}}},
		{4, []vm{{1000, 8, 2}, {1000, 2, 2}}},
		{4, []vm{{1000, 8, 3}, {9000, 1, 1}}}, // the ninefold share cannot be used
		{4, []vm{{1000, 8, 1}, {3000, 8, 3}}},
		{64, []vm{{1000, 64, 64. / 4}, {3000, 64, 64. * 3 / 4}}},
		{64, []vm{{1000, 32, 16}, {1000, 32, 16}, {1000, 32, 16}, {1000, 32, 16}}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			m := newSim(t, c.cpus, Spec{})
			var ids []ID
			for i, v := range c.vms {
				ids = append(ids, m.vm(m.s.Root(), fmt.Sprint("vm", i), v.cpus, Spec{Shares: v.shares}))
			}
			for i, got := range m.gain(10_000*ms, ids...) {
				near(t, fmt.Sprint("vm", i), got, c.vms[i].want, .05)
			}
		})
	}
}

func TestNestedPools(t *testing.T) {
	m := newSim(t, 4, Spec{})
	prod := m.pool(m.s.Root(), "prod", Spec{Shares: 3000})
	test := m.pool(m.s.Root(), "test", Spec{Shares: 1000})
	web := m.pool(prod, "web", Spec{Shares: 2000})
	a := m.vm(web, "a", 4, Spec{})
	b := m.vm(web, "b", 4, Spec{})
	db := m.vm(prod, "db", 4, Spec{Shares: 1000})
	c := m.vm(test, "c", 8, Spec{Shares: MaxShares})
	for i, got := range m.gain(10_000*ms, a, b, db, c) {
		near(t, fmt.Sprint(i), got, 1, .05)
	}
}

func TestSharesChangeWhileRunning(t *testing.T) {
	m := newSim(t, 2, Spec{})
	a := m.vm(m.s.Root(), "a", 2, Spec{})
	b := m.vm(m.s.Root(), "b", 2, Spec{})
	near(t, "a", m.gain(2000*ms, a)[0], 1, .05)
	if err := m.s.Set(b, m.now, Spec{Shares: 4000}); err != nil {
		t.Fatal(err)
	}
	near(t, "a with a fifth", m.gain(5000*ms, a)[0], .4, .05)
	if err := m.s.Set(b, m.now, Spec{Shares: 1000, Limit: 500}); err != nil {
		t.Fatal(err)
	}
	near(t, "a beside a limit", m.gain(5000*ms, a)[0], 1.5, .05)
}

// A machine that runs is put into another pool: from then on it has its part there, is
// under the limit there and no more under the old one, and what was promised moves too.
func TestMove(t *testing.T) {
	m := newSim(t, 2, Spec{})
	slow := m.pool(m.s.Root(), "slow", Spec{Limit: 300, Reservation: 100})
	fast := m.pool(m.s.Root(), "fast", Spec{Shares: 3000, Reservation: 500})
	deep := m.pool(fast, "deep", Spec{Limit: 1000})
	a := m.vm(slow, "a", 2, Spec{Reservation: 100})
	b := m.vm(m.s.Root(), "b", 2, Spec{})
	near(t, "a behind the old limit", m.gain(5000*ms, a)[0], .3, .05)
	move := func(to ID, p Spec, want error) {
		t.Helper()
		if err := m.s.Move(a, m.now, to, p); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		m.kicks()
		consistent(t, m.s)
	}
	move(fast, Spec{Reservation: 501}, ErrPromised)
	move(b, Spec{}, ErrUnknown)
	move(None, Spec{}, ErrUnknown)
	move(m.s.Agent(), Spec{}, ErrUnknown)
	move(fast, Spec{Reservation: 500}, nil)
	near(t, "a in the fast pool", m.gain(5000*ms, a)[0], 1.5, .05)
	if err := m.s.Set(slow, m.now, Spec{}); err != nil {
		t.Errorf("what it was promised is still taken there: %v", err)
	}
	if err := m.s.Set(fast, m.now, Spec{Reservation: 499}); !errors.Is(err, ErrPromised) {
		t.Errorf("what it is promised is not taken here: %v", err)
	}
	move(deep, Spec{}, nil)
	near(t, "a behind the new limit", m.gain(5000*ms, a)[0], 1, .05)
	move(deep, Spec{Limit: 500}, nil) // where it is already
	near(t, "a behind its own limit", m.gain(5000*ms, a)[0], .5, .05)
	move(m.s.Root(), Spec{Shares: 3000}, nil)
	near(t, "a below the host", m.gain(5000*ms, a)[0], 1.5, .05)
	if err := m.s.Move(slow, m.now, fast, Spec{}); err != ErrUnknown {
		t.Errorf("a pool moved: %v", err)
	}
	if m.s.Remove(deep, m.now) != nil || m.s.Remove(slow, m.now) != nil {
		t.Error("pools that it left are not empty")
	}
}

func TestHotAddAndRemove(t *testing.T) {
	m := newSim(t, 2, Spec{})
	a := m.vm(m.s.Root(), "a", 2, Spec{})
	m.run(60_000 * ms)
	b := m.vm(m.s.Root(), "b", 1, Spec{})
	near(t, "a beside a new machine", m.gain(5000*ms, a)[0], 1, .05)
	k := m.add(b, 0, 0, 0)
	m.add(b, 0, 0, 0)
	got := m.gain(5000*ms, a, b)
	near(t, "a after a hot add", got[0], 1, .05)
	m.remove(k)
	for len(m.tasks) > 2 {
		m.remove(m.tasks[2])
	}
	if err := m.s.Remove(b, m.now); err != nil {
		t.Fatal(err)
	}
	near(t, "a alone", m.gain(1000*ms, a)[0], 2, .05)
	if m.s.Remove(b, m.now) != ErrUnknown || m.s.Remove(a, m.now) != ErrInUse {
		t.Error("a group was removed twice or with children")
	}
}

// A machine that left its processors to others is not owed them later.
func TestNoHoarding(t *testing.T) {
	m := newSim(t, 4, Spec{})
	a := m.vm(m.s.Root(), "a", 4, Spec{})
	b := m.vm(m.s.Root(), "b", 1, Spec{})
	m.run(100_000 * ms)
	for range 3 {
		m.add(b, 0, 0, 0)
	}
	near(t, "a", m.gain(500*ms, a)[0], 2, .1)
}
