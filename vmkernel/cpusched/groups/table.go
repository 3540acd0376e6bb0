package groups

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"basalt/vmkernel/cpusched"
	"basalt/vmkernel/host"
)

// Config is what a Table is made for.
type Config struct {
	Scheduler *cpusched.Scheduler
	CPUs      int                             // of the host
	Now       func() int64                    // ticks
	Duration  func(ticks int64) time.Duration // a time's ticks
	Exclusive func(f func())                  // runs f with the policy's lock; nil: there is none
}

// Table is the host's pools and the machines that run.
type Table struct {
	c Config
	s *cpusched.Scheduler

	mu       sync.Mutex
	pools    []*pool // parents before children; the first is the host's
	machines []*Machine
	times    cpusched.Times // of Exclusive, in memory that was written before
}

type pool struct {
	name   string
	id     cpusched.ID
	parent *pool // nil: the host's
	spec   host.CPUSpec
	gone   host.CPUStats
}

// Machine is one machine's place.
type Machine struct {
	// VM and CPUs name it in the policy; they do not change.
	VM   cpusched.ID
	CPUs []cpusched.ID

	t    *Table
	pool *pool
	base host.CPUStats // what it had when it came into its pool
}

// New makes a table of the host's pool alone.
func New(c Config) *Table {
	if c.Exclusive == nil {
		c.Exclusive = func(f func()) { f() }
	}
	return &Table{c: c, s: c.Scheduler, times: cpusched.Times{Run: -1, Ready: -1, Wait: -1, CoStop: -1},
		pools: []*pool{{name: host.PoolHost, id: c.Scheduler.Root(), spec: host.CPUSpec{Reservation: 1000 * c.CPUs}}}}
}

// find gives a pool; "" is the host's.
func (t *Table) find(name string) (*pool, error) {
	if name == "" {
		return t.pools[0], nil
	}
	for _, p := range t.pools {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("resource pool %q: %w", name, host.ErrNotFound)
}

// below is find for where something is put.
func (t *Table) below(s host.CPUSpec) (*pool, error) {
	p, err := t.find(s.Pool)
	if err != nil {
		return nil, &host.ConfigError{Field: "cpu.pool", Err: err}
	}
	return p, nil
}

func spec(s host.CPUSpec) cpusched.Spec {
	return cpusched.Spec{Shares: int64(s.Shares), Reservation: int64(s.Reservation), Limit: int64(s.Limit)}
}

// refused translates an error of the policy's.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cpusched.ErrPromised):
		return fmt.Errorf("%w: %w", host.ErrNoCPU, err)
	case errors.Is(err, cpusched.ErrFull):
		return fmt.Errorf("%w: %w", host.ErrTooMany, err)
	}
	return &host.ConfigError{Field: "cpu", Err: err}
}

// List implements host.Pools.
func (t *Table) List() []host.Pool {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]host.Pool, 0, len(t.pools))
	for _, p := range t.pools {
		out = append(out, t.view(p))
	}
	for _, m := range t.machines {
		had := less(m.times(), m.base)
		for p := m.pool; p != nil; p = p.parent {
			i := slices.Index(t.pools, p)
			out[i].Machines++
			out[i].Time = sum(out[i].Time, had)
		}
	}
	for i := len(out) - 1; i > 0; i-- { // children come after their parents
		up := slices.Index(t.pools, t.pools[i].parent)
		out[up].Time = sum(out[up].Time, t.pools[i].gone)
		t.carry(i, up, out)
	}
	return out
}

// carry adds what has gone from pool i to all pools above up.
func (t *Table) carry(i, up int, out []host.Pool) {
	for p := t.pools[up].parent; p != nil; p = p.parent {
		at := slices.Index(t.pools, p)
		out[at].Time = sum(out[at].Time, t.pools[i].gone)
	}
}

// view is a pool without the machines and pools below it.
func (t *Table) view(p *pool) host.Pool {
	v := host.Pool{PoolConfig: host.PoolConfig{Name: p.name, CPU: p.spec}, Time: p.gone}
	v.Time.Sched = true
	if p.parent != nil {
		v.CPU.Pool = p.parent.name
	}
	v.Promised = t.s.Promised(p.id)
	return v
}

// Get implements host.Pools.
func (t *Table) Get(name string) (host.Pool, error) {
	for _, p := range t.List() {
		if p.Name == name {
			return p, nil
		}
	}
	return host.Pool{}, fmt.Errorf("resource pool %q: %w", name, host.ErrNotFound)
}

// Create implements host.Pools.
func (t *Table) Create(c host.PoolConfig) error {
	if err := c.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.find(c.Name); err == nil {
		return fmt.Errorf("a resource pool with the name %q %w", c.Name, host.ErrExists)
	}
	if len(t.pools) >= host.MaxPools {
		return fmt.Errorf("%w resource pools: the host has %d", host.ErrTooMany, host.MaxPools)
	}
	up, err := t.below(c.CPU)
	if err != nil {
		return err
	}
	c.CPU.Pool = ""
	if c.CPU.Shares == 0 {
		c.CPU.Shares = host.PoolShares
	}
	id, err := t.s.AddPool(up.id, c.Name, spec(c.CPU))
	if err != nil {
		return refused(err)
	}
	t.pools = append(t.pools, &pool{name: c.Name, id: id, parent: up, spec: c.CPU})
	return nil
}

// Set implements host.Pools.
func (t *Table) Set(name string, s host.CPUSpec) error {
	if err := s.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.find(name)
	if err != nil {
		return err
	}
	if p.parent == nil {
		return ofHost("changing")
	}
	up, err := t.below(s)
	if err != nil {
		return err
	}
	if up != p.parent {
		return &host.ConfigError{Field: "cpu.pool", Err: fmt.Errorf("moving resource pool %q from %q to %q is %w: make a new one there", p.name, p.parent.name, up.name, host.ErrUnsupported)}
	}
	s.Pool = ""
	if s.Shares == 0 {
		s.Shares = host.PoolShares
	}
	if err := t.s.Set(p.id, t.c.Now(), spec(s)); err != nil {
		return refused(err)
	}
	p.spec = s
	return nil
}

// Remove implements host.Pools.
func (t *Table) Remove(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.find(name)
	if err != nil {
		return err
	}
	if p.parent == nil {
		return ofHost("removing")
	}
	if err := t.s.Remove(p.id, t.c.Now()); err != nil {
		return fmt.Errorf("resource pool %q is %w: it has pools, or machines that run", p.name, host.ErrInUse)
	}
	p.parent.gone = sum(p.parent.gone, p.gone)
	t.pools = slices.DeleteFunc(t.pools, func(o *pool) bool { return o == p })
	return nil
}

func ofHost(doing string) error {
	return &host.ConfigError{Field: "name", Err: fmt.Errorf("resource pool %q is the host itself: %s it is %w", host.PoolHost, doing, host.ErrUnsupported)}
}

func sum(a, b host.CPUStats) host.CPUStats {
	a.Run, a.Ready, a.CoStop, a.Wait = a.Run+b.Run, a.Ready+b.Ready, a.CoStop+b.CoStop, a.Wait+b.Wait
	return a
}

func less(a, b host.CPUStats) host.CPUStats {
	a.Run, a.Ready, a.CoStop, a.Wait = a.Run-b.Run, a.Ready-b.Ready, a.CoStop-b.CoStop, a.Wait-b.Wait
	return a
}
