package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"basalt/vmkernel/host"
)

// Pool is a resource pool as people see it.
type Pool struct {
	host.Pool
	VMs []string // names of the machines in it, whatever they do; not of those in pools in it
}

// place is the name under which a pool is counted; "" for the host's own, which nobody
// can remove.
func place(pool string) string {
	if pool == host.PoolHost {
		return ""
	}
	return pool
}

// takePool keeps a pool from being removed for a machine that is to be in it, whether
// there is such a pool or not.
func (v *Inventory) takePool(pool string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.places[place(pool)]++
}

func (v *Inventory) givePool(pool string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.places[place(pool)]--; v.places[place(pool)] == 0 {
		delete(v.places, place(pool))
	}
}

// SetCPU changes what a machine is entitled to of the host's processors, and its pool,
// at once if it runs. Errors: host.ErrNoCPU, host.ConfigError, and those of AttachDisk.
func (v *Inventory) SetCPU(ctx context.Context, id string, s host.CPUSpec, user string) (VM, error) {
	return v.change(ctx, id, "vm.cpu", user, "its part of the processors was changed", func(ctx context.Context, e *entry) error {
		v.takePool(s.Pool)
		old := e.vm.Config().CPU.Pool
		if err := e.vm.SetCPU(ctx, s); err != nil {
			v.givePool(s.Pool)
			return unprefixed(err, "cpu.")
		}
		v.givePool(old)
		return nil
	})
}

// unprefixed makes a field of a part one of the request's body.
func unprefixed(err error, prefix string) error {
	var ce *host.ConfigError
	if errors.As(err, &ce) {
		if f, ok := strings.CutPrefix(ce.Field, prefix); ok {
			return &host.ConfigError{Field: f, Err: ce.Err}
		}
	}
	return err
}

// inPool is unprefixed for a pool, whose pool is its parent.
func inPool(err error) error {
	err = unprefixed(err, "cpu.")
	if ce, ok := err.(*host.ConfigError); ok && ce.Field == "pool" {
		return &host.ConfigError{Field: "parent", Err: ce.Err}
	}
	return err
}

// Pools gives the resource pools, each before those in it.
func (v *Inventory) Pools() []Pool {
	in := map[string][]string{}
	for _, vm := range v.List() {
		p := place(vm.Spec.CPU.Pool)
		in[p] = append(in[p], vm.Spec.Name)
	}
	var out []Pool
	for _, p := range v.host.Pools().List() {
		out = append(out, Pool{p, in[place(p.Name)]})
	}
	return out
}

// Pool gives one. Errors: host.ErrNotFound.
func (v *Inventory) Pool(name string) (Pool, error) {
	all := v.Pools()
	if i := slices.IndexFunc(all, func(p Pool) bool { return p.Name == name }); i >= 0 {
		return all[i], nil
	}
	return Pool{}, fmt.Errorf("resource pool %q: %w", name, host.ErrNotFound)
}

// CreatePool makes a pool. Errors are those of host.Pools.
func (v *Inventory) CreatePool(c host.PoolConfig, user string) (Pool, error) {
	if err := v.host.Pools().Create(c); err != nil {
		return Pool{}, inPool(err)
	}
	v.poolEvent("pool.created", c.Name, user, "was created")
	return v.Pool(c.Name)
}

// SetPool changes what a pool is entitled to, at once for what runs in it. Errors are
// those of host.Pools.
func (v *Inventory) SetPool(name string, s host.CPUSpec, user string) (Pool, error) {
	if err := v.host.Pools().Set(name, s); err != nil {
		return Pool{}, inPool(err)
	}
	v.poolEvent("pool.changed", name, user, "was changed")
	return v.Pool(name)
}

// RemovePool takes away a pool in which nothing is, also no machine that is off. Errors
// are those of host.Pools.
func (v *Inventory) RemovePool(name, user string) error {
	v.mu.Lock()
	n := v.places[name]
	var err error
	if n == 0 {
		err = v.host.Pools().Remove(name) // a machine that comes now finds no such pool
	}
	v.mu.Unlock()
	if n > 0 {
		return fmt.Errorf("resource pool %q is %w: machines in it: %d", name, host.ErrInUse, n)
	}
	if err == nil {
		v.poolEvent("pool.removed", name, user, "was removed")
	}
	return err
}

func (v *Inventory) poolEvent(kind, name, user, what string) {
	v.host.Events().Append(host.Event{Kind: kind, Object: name, User: user, Message: "resource pool " + name + " " + what})
}
