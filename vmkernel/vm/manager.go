package vm

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vm/loader"
)

// Manager is the table of machines. It implements host.VMs.
type Manager struct {
	p  *Platform
	mu sync.Mutex
	// in order of creation
	list []*Machine
}

// NewManager makes an empty table.
func NewManager(p *Platform) *Manager { return &Manager{p: p} }

// Limits are the largest number of CPUs and the least memory of a machine.
func (t *Manager) Limits() (cpus, minMemoryMiB int) { return maxCPUs, minMiB }

// check says whether this host could have such a machine.
func (t *Manager) check(c host.Config) error {
	if err := t.p.sizes(c); err != nil {
		return err
	}
	for i, n := range c.NICs {
		if _, err := t.p.network(n); err != nil {
			return &host.ConfigError{Field: fmt.Sprintf("nics[%d].network", i), Err: err}
		}
		if len(n.Forwards) > 0 && t.p.Forward == nil {
			return &host.ConfigError{Field: fmt.Sprintf("nics[%d].forwards", i), Err: host.ErrUnsupported}
		}
	}
	return t.checkLevel(c)
}

// sizes is the part of check that does not ask for networks and CPU level.
func (p *Platform) sizes(c host.Config) error {
	bad := func(field, format string, a ...any) error {
		return &host.ConfigError{Field: field, Err: fmt.Errorf(format, a...)}
	}
	if c.CPUs < 1 || c.CPUs > maxCPUs {
		return bad("cpus", "%d, from 1 to %d are possible", c.CPUs, maxCPUs)
	}
	if c.MaxCPUs != 0 && (c.MaxCPUs < c.CPUs || c.MaxCPUs > maxCPUs) {
		return bad("maxCPUs", "%d, from %d to %d are possible", c.MaxCPUs, c.CPUs, maxCPUs)
	}
	if c.MemoryMiB < minMiB {
		return bad("memoryMiB", "%d, at least %d are needed", c.MemoryMiB, minMiB)
	}
	if c.MemoryMiB > maxMiB {
		return bad("memoryMiB", "%d, at most %d are possible: %w", c.MemoryMiB, maxMiB, host.ErrNoMemory)
	}
	if c.MaxMemoryMiB > maxMiB {
		return bad("maxMemoryMiB", "%d, at most %d are possible", c.MaxMemoryMiB, maxMiB)
	}
	if err := c.CheckDevices(); err != nil {
		return err
	}
	if p.Budget != nil && uint64(c.MemoryMiB) > p.Budget.Limit()>>20 {
		return bad("memoryMiB", "%d, this host has %d for guests: %w", c.MemoryMiB, p.Budget.Limit()>>20, host.ErrNoMemory)
	}
	return nil
}

// Check implements host.VMs.
func (t *Manager) Check(c host.Config, b host.Boot) (host.KernelFormat, error) {
	if err := t.check(c); err != nil {
		return "", err
	}
	f, err := loader.Recognise(b.Kernel)
	if err != nil {
		return "", &host.ConfigError{Field: "boot.kernel", Err: fmt.Errorf("%w: %w", host.ErrBadImage, err)}
	}
	total := b.Kernel.Size()
	if b.Initrd != nil {
		total += b.Initrd.Size()
	}
	for _, m := range b.Modules {
		total += m.Image.Size()
	}
	if total > int64(c.MemoryMiB)<<20 {
		return "", &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%w: the images have %d MiB, the machine has %d", host.ErrBadImage, (total+1<<20-1)>>20, c.MemoryMiB)}
	}
	if t.p.Budget != nil {
		own := overheadAll(c)
		if free := t.p.Budget.Available(); uint64(c.MemoryMiB)<<20+own > free {
			return "", &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%d wanted and %d of the host's own for it, %d are free: %w", c.MemoryMiB, (own+1<<20-1)>>20, free>>20, host.ErrNoMemory)}
		}
	}
	if t.p.CPUs != nil {
		if err := t.p.CPUs.Check(label(c), c.AllCPUs(), entitled(c)); err != nil {
			var ce *host.ConfigError
			if !errors.As(err, &ce) {
				err = &host.ConfigError{Field: "cpu.reservation", Err: err}
			}
			return "", err
		}
	}
	return host.KernelFormat(f), nil
}

// Create implements host.VMs.
func (t *Manager) Create(c host.Config) (host.VM, error) {
	if err := t.check(c); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index(c.ID) >= 0 {
		return nil, fmt.Errorf("vm: %s: %w", c.ID, host.ErrExists)
	}
	m := newMachine(t.p, created(c))
	t.list = append(t.list, m)
	return m, nil
}

func (t *Manager) index(id string) int {
	return slices.IndexFunc(t.list, func(m *Machine) bool { return m.conf.ID == id })
}

// List implements host.VMs.
func (t *Manager) List() []host.VM {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]host.VM, len(t.list))
	for i, m := range t.list {
		out[i] = m
	}
	return out
}

// Get implements host.VMs.
func (t *Manager) Get(id string) (host.VM, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.index(id); i >= 0 {
		return t.list[i], nil
	}
	return nil, fmt.Errorf("vm: %s: %w", id, host.ErrNotFound)
}

// Delete implements host.VMs.
func (t *Manager) Delete(id string) error {
	t.mu.Lock()
	i := t.index(id)
	if i < 0 {
		t.mu.Unlock()
		return fmt.Errorf("vm: %s: %w", id, host.ErrNotFound)
	}
	m := t.list[i]
	if !m.busy.CompareAndSwap(false, true) {
		t.mu.Unlock()
		return host.ErrBusy
	}
	if st := m.current(); st != host.StateOff && st != host.StateCrashed {
		m.busy.Store(false)
		t.mu.Unlock()
		return &host.StateError{Action: "delete", State: st}
	}
	t.list = slices.Delete(t.list, i, i+1)
	t.mu.Unlock()
	// busy stays set: nobody starts it any more.
	close(m.quit)
	<-m.gone
	m.con.close()
	return nil
}
