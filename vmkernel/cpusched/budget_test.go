package cpusched

import (
	"fmt"
	"testing"
)

func TestReservation(t *testing.T) {
	for _, cpus := range []int{1, 2, 4, 64} {
		t.Run(fmt.Sprint(cpus), func(t *testing.T) {
			m := newSim(t, cpus, Spec{})
			pool := m.pool(m.s.Root(), "pool", Spec{Shares: 1, Reservation: 800})
			r := m.vm(pool, "reserved", 1, Spec{Shares: 1, Reservation: 700})
			m.vm(pool, "greedy", 8, Spec{Shares: MaxShares})
			for i := range 1 + cpus/4 {
				m.vm(m.s.Root(), fmt.Sprint("spinner", i), 8, Spec{Shares: MaxShares})
			}
			if got := m.gain(10_000*ms, r)[0]; got < .7*.98 {
				t.Errorf("%.4f processors of a reservation of 0.7", got)
			}
		})
	}
}

func TestReservationOfManyCPUs(t *testing.T) {
	m := newSim(t, 4, Spec{})
	r := m.vm(m.s.Root(), "reserved", 4, Spec{Shares: 1, Reservation: 2500})
	m.vm(m.s.Root(), "spinner", 8, Spec{Shares: MaxShares})
	near(t, "reserved", m.gain(10_000*ms, r)[0], 2.5, .02)
}

func TestLimit(t *testing.T) {
	for _, c := range []struct {
		cpus, vcpus int
		limit       int64
	}{{1, 1, 100}, {1, 8, 500}, {2, 8, 300}, {2, 8, 1500}, {4, 8, 3300}, {64, 64, 20_000}} {
		for _, alone := range []bool{true, false} {
			m := newSim(t, c.cpus, Spec{})
			pool := m.pool(m.s.Root(), "pool", Spec{Limit: c.limit, Shares: 90_000})
			m.vm(pool, "a", c.vcpus/2+1, Spec{})
			m.vm(pool, "b", c.vcpus/2, Spec{})
			if !alone {
				m.vm(m.s.Root(), "other", 2*c.cpus, Spec{})
			}
			near(t, fmt.Sprint(c, alone), m.gain(10_000*ms, pool)[0], float64(c.limit)/1000, .02)
		}
	}
}

func TestNestedLimits(t *testing.T) {
	m := newSim(t, 2, Spec{})
	pool := m.pool(m.s.Root(), "pool", Spec{Limit: 1000})
	a := m.vm(pool, "a", 2, Spec{Limit: 250})
	b := m.vm(pool, "b", 2, Spec{})
	got := m.gain(10_000*ms, a, b)
	near(t, "a", got[0], .25, .02)
	near(t, "b", got[1], .75, .02)
}

func TestAgentGetsItsShare(t *testing.T) {
	for _, cpus := range []int{1, 2, 4, 64} {
		m := newSim(t, cpus, Spec{Reservation: 300})
		m.add(m.s.Agent(), 0, 0, 0)
		for i := range 12 {
			m.vm(m.s.Root(), fmt.Sprint("vm", i), 8, Spec{Shares: 50_000})
		}
		if got := m.gain(10_000*ms, m.s.Agent())[0]; got < .3*.98 {
			t.Errorf("%d processors: the agent got %.4f of 0.3", cpus, got)
		}
	}
}

func TestAdmission(t *testing.T) {
	s, err := New(Config{CPUs: 4, Nodes: 20, Agent: Spec{Reservation: 250}})
	if err != nil {
		t.Fatal(err)
	}
	prod := must(t)(s.AddPool(s.Root(), "prod", Spec{Reservation: 2000}))
	web := must(t)(s.AddVM(prod, "web", Spec{Reservation: 500}))
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(s.AddVM(prod, "db", Spec{Reservation: 1600})), `"db" asks for 1600 thousandths of a CPU: "prod" has 2000 and has promised 500 of them ("web" 500)`},
		{second(s.AddVM(s.Root(), "x", Spec{Reservation: 1751})), `"x" asks for 1751 thousandths of a CPU: "host" has 4000 and has promised 2250 of them ("prod" 2000, "agent" 250)`},
		{s.Set(prod, 0, Spec{Reservation: 400}), `"prod" cannot have a reservation of 400 thousandths of a CPU: it has promised 500 ("web" 500)`},
		{s.Set(web, 0, Spec{Reservation: 500, Limit: 400}), `cpusched: "web" has a reservation of 500 and a limit of only 400 thousandths of a CPU`},
		{s.Set(web, 0, Spec{Reservation: 1 << 62}), `"web" asks for 4611686018427387904 thousandths of a CPU: "prod" has 2000 and has promised 0 of them (nobody else)`},
		{s.Set(web, 0, Spec{Shares: -1}), `cpusched: "web" asks for -1 shares: 1 to 100000 are possible`},
		{second(s.AddVM(web, "in a machine", Spec{})), ErrUnknown.Error()},
		{second(s.AddVCPU(prod, 0, 0)), ErrUnknown.Error()},
		{second(s.AddVCPU(web, 1<<5, 0)), ErrAffinity.Error()},
		{s.Set(s.Root(), 0, Spec{}), ErrUnknown.Error()},
		{s.Remove(s.Agent(), 0), ErrInUse.Error()},
		{s.Set(web, 0, Spec{Reservation: 2000}), "<nil>"},
		{s.Remove(web, 0), "<nil>"},
		{second(s.AddVM(prod, "db", Spec{Reservation: 2000})), "<nil>"},
	} {
		if got := fmt.Sprint(c.err); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if _, err := New(Config{CPUs: 1, Nodes: 9, Agent: Spec{Reservation: 1001}}); err == nil {
		t.Error("an agent with more than the host")
	}
}

func second(_ ID, err error) error { return err }
