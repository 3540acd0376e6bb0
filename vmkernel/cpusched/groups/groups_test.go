package groups

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"basalt/vmkernel/cpusched"
	"basalt/vmkernel/host"
)

// rig is a host of two processors in simulated time, of which the agent is promised
// 250 thousandths.
type rig struct {
	*Table
	t   *testing.T
	s   *cpusched.Scheduler
	now int64
}

func newRig(t *testing.T) *rig {
	s, err := cpusched.New(cpusched.Config{CPUs: 2, Nodes: 300, Agent: cpusched.Spec{Reservation: 250}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, s: s}
	r.Table = New(Config{Scheduler: s, CPUs: 2, Now: func() int64 { return r.now },
		Duration: func(d int64) time.Duration { return time.Duration(d) }})
	return r
}

func (r *rig) make(name, in string, s host.CPUSpec) {
	r.t.Helper()
	s.Pool = in
	if err := r.Create(host.PoolConfig{Name: name, CPU: s}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) admit(name, in string, s host.CPUSpec) *Machine {
	r.t.Helper()
	s.Pool = in
	m, err := r.Admit(name, 1, s)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// run lets a machine run alone for a while, then wait.
func (r *rig) run(m *Machine, d time.Duration) {
	r.t.Helper()
	r.s.Wake(m.CPUs[0], r.now)
	if got := r.s.Pick(0, r.now); got.VCPU != m.CPUs[0] {
		r.t.Fatalf("%+v runs, not %v", got, m.CPUs[0])
	}
	r.now += int64(d)
	r.s.Block(m.CPUs[0], r.now)
}

// is compares what a pool says.
func (r *rig) is(name string, promised, machines int, run, wait time.Duration) {
	r.t.Helper()
	p, err := r.Get(name)
	if err != nil {
		r.t.Fatal(err)
	}
	if p.Promised != promised || p.Machines != machines || p.Time.Run != run || p.Time.Wait != wait || !p.Time.Sched {
		r.t.Errorf("%+v, want %d promised, %d machines, run %v, wait %v", p, promised, machines, run, wait)
	}
}

func TestPoolsNest(t *testing.T) {
	r := newRig(t)
	r.make("prod", "", host.CPUSpec{Reservation: 1000, Limit: 1500})
	r.make("web", "prod", host.CPUSpec{Shares: 100, Reservation: 300})
	r.make("test", host.PoolHost, host.CPUSpec{})
	var names []string
	for _, p := range r.List() {
		names = append(names, p.CPU.Pool+"/"+p.Name)
	}
	if got := strings.Join(names, " "); got != "/host host/prod prod/web host/test" {
		t.Error(got)
	}
	if p, _ := r.Get("test"); p.CPU.Shares != host.PoolShares {
		t.Errorf("%+v", p)
	}
	r.is("host", 1250, 0, 0, 0)
	r.is("prod", 300, 0, 0, 0)
	for name, c := range map[string]struct {
		err   error
		is    error
		field string
		words string
	}{
		"no name":       {r.Create(host.PoolConfig{}), nil, "name", "1 to 63"},
		"bad name":      {r.Create(host.PoolConfig{Name: "a b"}), nil, "name", "position 2"},
		"taken":         {r.Create(host.PoolConfig{Name: "web"}), host.ErrExists, "", `"web"`},
		"the host":      {r.Create(host.PoolConfig{Name: "host"}), host.ErrExists, "", `"host"`},
		"no parent":     {r.Create(host.PoolConfig{Name: "x", CPU: host.CPUSpec{Pool: "none"}}), host.ErrNotFound, "cpu.pool", `"none"`},
		"shares":        {r.Create(host.PoolConfig{Name: "x", CPU: host.CPUSpec{Shares: 100001}}), nil, "cpu.shares", "100001"},
		"limit":         {r.Create(host.PoolConfig{Name: "x", CPU: host.CPUSpec{Reservation: 2, Limit: 1}}), nil, "cpu.limit", "less than"},
		"too much":      {r.Create(host.PoolConfig{Name: "x", CPU: host.CPUSpec{Reservation: 751}}), host.ErrNoCPU, "", `"host" has 2000 and has promised 1250 of them`},
		"too much here": {r.Create(host.PoolConfig{Name: "x", CPU: host.CPUSpec{Reservation: 701, Pool: "prod"}}), host.ErrNoCPU, "", `"prod" has 1000 and has promised 300 of them ("web" 300)`},
		"less":          {r.Set("prod", host.CPUSpec{Reservation: 299}), host.ErrNoCPU, "", `it has promised 300 ("web" 300)`},
		"set none":      {r.Set("none", host.CPUSpec{}), host.ErrNotFound, "", `"none"`},
		"set the host":  {r.Set("host", host.CPUSpec{}), host.ErrUnsupported, "", "the host itself"},
		"move":          {r.Set("web", host.CPUSpec{Pool: "test"}), host.ErrUnsupported, "", `from "prod" to "test"`},
		"remove none":   {r.Remove("none"), host.ErrNotFound, "", `"none"`},
		"remove parent": {r.Remove("prod"), host.ErrInUse, "", `"prod"`},
		"remove host":   {r.Remove("host"), host.ErrUnsupported, "", "the host itself"},
	} {
		var ce *host.ConfigError
		if c.err == nil || c.is != nil && !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.words) ||
			c.field != "" && (!errors.As(c.err, &ce) || ce.Field != c.field) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if err := r.Set("web", host.CPUSpec{Reservation: 900, Pool: "prod"}); err != nil {
		t.Error(err)
	}
	r.is("prod", 900, 0, 0, 0)
	for _, n := range []string{"web", "prod", "test"} {
		if err := r.Remove(n); err != nil {
			t.Error(err)
		}
	}
	r.is("host", 250, 0, 0, 0)
	up := ""
	for i := 0; ; i++ {
		name := strings.Repeat("d", i+1)
		if err := r.Create(host.PoolConfig{Name: name, CPU: host.CPUSpec{Pool: up}}); err != nil {
			var ce *host.ConfigError
			if !errors.As(err, &ce) || i != cpusched.MaxDepth-1 {
				t.Errorf("%d levels: %v", i, err)
			}
			break
		}
		up = name
	}
	for i := len(r.List()); i < host.MaxPools; i++ {
		r.make(fmt.Sprint("x", i), "", host.CPUSpec{})
	}
	if err := r.Create(host.PoolConfig{Name: "one-more"}); !errors.Is(err, host.ErrTooMany) {
		t.Error(err)
	}
}

// Machines take what they are promised out of their pool, and its times are theirs for
// as long as they are in it.
func TestMachinesInPools(t *testing.T) {
	r := newRig(t)
	r.make("prod", "", host.CPUSpec{Reservation: 1000})
	r.make("web", "prod", host.CPUSpec{Reservation: 500})
	if err := r.Check("a", host.CPUSpec{Reservation: 501, Pool: "web"}); !errors.Is(err, host.ErrNoCPU) || !strings.Contains(err.Error(), `"a" asks for 501`) {
		t.Error(err)
	}
	if err := r.Check("a", host.CPUSpec{Pool: "none"}); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	a := r.admit("a", "web", host.CPUSpec{Reservation: 400})
	b := r.admit("b", "", host.CPUSpec{})
	if err := r.Check("c", host.CPUSpec{Reservation: 101, Pool: "web"}); !errors.Is(err, host.ErrNoCPU) {
		t.Error(err)
	}
	r.run(a, 3*time.Millisecond)
	r.run(b, 2*time.Millisecond)
	const ms = time.Millisecond
	r.is("web", 400, 1, 3*ms, 2*ms)
	r.is("prod", 500, 1, 3*ms, 2*ms)
	r.is("host", 1250, 2, 5*ms, 5*ms)
	if err := a.Set(host.CPUSpec{Reservation: 700, Pool: "prod"}); !errors.Is(err, host.ErrNoCPU) {
		t.Error(err)
	}
	if err := r.Remove("web"); !errors.Is(err, host.ErrInUse) {
		t.Error(err)
	}
	if err := a.Set(host.CPUSpec{Reservation: 500, Pool: "prod"}); err != nil {
		t.Fatal(err)
	}
	r.run(a, 1*ms)
	r.is("web", 0, 0, 3*ms, 2*ms)
	r.is("prod", 1000, 1, 4*ms, 2*ms)
	if err := r.Remove("web"); err != nil {
		t.Error(err)
	}
	r.is("prod", 500, 1, 4*ms, 2*ms)
	if got := a.Times(0); got.Run != 4*ms || got.Wait != 2*ms || a.Stolen(0) != 0 {
		t.Errorf("%+v", got)
	}
	a.Release()
	b.Release()
	r.is("prod", 0, 0, 4*ms, 2*ms)
	r.is("host", 1250, 0, 6*ms, 6*ms)
	if err := r.Remove("prod"); err != nil {
		t.Error(err)
	}
	r.is("host", 250, 0, 6*ms, 6*ms)
}

// A machine for which there is no room leaves nothing.
func TestNoRoom(t *testing.T) {
	r := newRig(t)
	if _, err := r.Admit("big", 300, host.CPUSpec{}); !errors.Is(err, host.ErrTooMany) {
		t.Error(err)
	}
	if r.List()[0].Machines != 0 {
		t.Error("it is counted")
	}
	r.admit("small", "", host.CPUSpec{}).Release()
}

// Who asks what would be possible takes nothing from a machine that starts meanwhile.
func TestCheckTakesNothing(t *testing.T) {
	r := newRig(t)
	var stop atomic.Bool
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for !stop.Load() {
				_ = r.Check("asks", host.CPUSpec{Reservation: 1000}) // may be refused
			}
		})
	}
	for range 2000 {
		m, err := r.Admit("starts", 0, host.CPUSpec{Reservation: 1000})
		if err != nil {
			t.Error(err)
			break
		}
		m.Release()
	}
	stop.Store(true)
	asking.Wait()
}
