package groups

import (
	"slices"

	"basalt/vmkernel/host"
)

// Check says whether Admit would refuse what a machine asks for now; not whether there
// is room for its virtual CPUs. Errors are Admit's.
func (t *Table) Check(name string, s host.CPUSpec) error {
	t.mu.Lock()
	defer t.mu.Unlock() // of both, or a machine that starts meanwhile would be refused
	m, err := t.admit(name, 0, s)
	if err == nil {
		m.release()
	}
	return err
}

// Admit makes a machine with so many virtual CPUs, which wait. Errors: host.ErrNoCPU
// with the names of those who are promised what it asks for, host.ErrTooMany,
// host.ConfigError.
func (t *Table) Admit(name string, cpus int, s host.CPUSpec) (*Machine, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.admit(name, cpus, s)
}

func (t *Table) admit(name string, cpus int, s host.CPUSpec) (*Machine, error) {
	p, err := t.below(s)
	if err != nil {
		return nil, err
	}
	id, err := t.s.AddVM(p.id, name, spec(s))
	if err != nil {
		return nil, refused(err)
	}
	m := &Machine{VM: id, t: t, pool: p}
	for range cpus {
		v, err := t.s.AddVCPU(id, 0, t.c.Now())
		if err != nil {
			m.remove()
			return nil, refused(err)
		}
		m.CPUs = append(m.CPUs, v)
	}
	t.machines = append(t.machines, m)
	return m, nil
}

// Set changes what the machine is entitled to, and its pool, while it runs. Errors are
// Admit's; then nothing changed.
func (m *Machine) Set(s host.CPUSpec) error {
	t := m.t
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.below(s)
	if err != nil {
		return err
	}
	if err := t.s.Move(m.VM, t.c.Now(), p.id, spec(s)); err != nil {
		return refused(err)
	}
	if p != m.pool {
		had := m.times()
		m.pool.gone = sum(m.pool.gone, less(had, m.base))
		m.pool, m.base = p, had
	}
	return nil
}

// SetAffinity ties virtual CPU index to processors, as cpusched.Scheduler.SetAffinity.
func (m *Machine) SetAffinity(index int, affinity uint64) error {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	return m.t.s.SetAffinity(m.CPUs[index], m.t.c.Now(), affinity)
}

// Times is where the time of virtual CPU index went.
func (m *Machine) Times(index int) host.CPUStats {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	return m.cpu(index)
}

func (m *Machine) cpu(index int) host.CPUStats {
	t := m.t
	v, at := m.CPUs[index], t.c.Now()
	t.c.Exclusive(func() { t.times, _ = t.s.Times(v, at) })
	d := t.c.Duration
	return host.CPUStats{Sched: true, Run: d(t.times.Run), Ready: d(t.times.Ready), Wait: d(t.times.Wait), CoStop: d(t.times.CoStop)}
}

// times is where the time of all of its virtual CPUs went.
func (m *Machine) times() (all host.CPUStats) {
	for i := range m.CPUs {
		all = sum(all, m.cpu(i))
	}
	return all
}

// Stolen is for how many ns virtual CPU index wanted to run and could not. It is called
// by the thread that runs it, or while it does not run, takes no lock and allocates
// nothing.
func (m *Machine) Stolen(index int) uint64 {
	return uint64(m.t.c.Duration(m.t.s.Stolen(m.CPUs[index])))
}

// Release ends the machine's place. It is called once.
func (m *Machine) Release() {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	m.release()
}

func (m *Machine) release() {
	t := m.t
	m.pool.gone = sum(m.pool.gone, less(m.times(), m.base))
	t.machines = slices.DeleteFunc(t.machines, func(o *Machine) bool { return o == m })
	m.remove()
}

func (m *Machine) remove() {
	for _, id := range append(slices.Clone(m.CPUs), m.VM) {
		// An error is impossible: they exist, and the machine comes last.
		_ = m.t.s.Remove(id, m.t.c.Now())
	}
}
