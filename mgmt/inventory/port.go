package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"basalt/vmkernel/host"
)

// takePorts takes the host's ports of adapters' forwards, all or none. v.mu is held.
// Errors: host.ConfigError.
func (v *Inventory) takePorts(vm string, nics []host.NICConfig) error {
	if v.ports == nil {
		v.ports = map[string]string{}
	}
	var taken []string
	for i, n := range nics {
		for _, f := range n.Forwards {
			key := portKey(f)
			if who := v.ports[key]; who != "" {
				for _, k := range taken {
					delete(v.ports, k)
				}
				return &host.ConfigError{Field: fmt.Sprintf("nics[%d].forwards", i), Err: fmt.Errorf("%s port %d of the host leads to adapter %s already", f.Protocol, f.HostPort, who)}
			}
			v.ports[key] = n.Name + " of " + vm
			taken = append(taken, key)
		}
	}
	return nil
}

// givePorts gives them back. v.mu is held.
func (v *Inventory) givePorts(nics []host.NICConfig) {
	for _, n := range nics {
		for _, f := range n.Forwards {
			delete(v.ports, portKey(f))
		}
	}
}

// tidy gives back the addresses and ports of adapters that a machine has no more: its
// guest may let one go long after the request for that has given up. Nothing but the
// caller's task is under way with the machine.
func (v *Inventory) tidy(e *entry) {
	has := map[string]bool{}
	for _, n := range e.vm.Config().NICs {
		has[n.MAC] = true
		for _, f := range n.Forwards {
			has[portKey(f)] = true
		}
	}
	stale := func(key, who string) bool { return strings.HasSuffix(who, " of "+e.spec.Name) && !has[key] }
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.macs, stale)
	maps.DeleteFunc(v.ports, stale)
}

func portKey(f host.Forward) string { return fmt.Sprintf("%s %d", f.Protocol, f.HostPort) }

// SetForwards sets all port forwards of an adapter. Errors: host.ConfigError with
// field "forwards", host.ErrInUse, and those of DetachNIC.
func (v *Inventory) SetForwards(ctx context.Context, id, name string, list []host.Forward, user string) (VM, error) {
	what := fmt.Sprintf("network adapter %s has %d port forwards", name, len(list))
	return v.change(ctx, id, "vm.nic.forward", user, what, func(ctx context.Context, e *entry) error {
		c := e.vm.Config()
		i := slices.IndexFunc(c.NICs, func(n host.NICConfig) bool { return n.Name == name })
		if i < 0 {
			return fmt.Errorf("network adapter %q of machine %q: %w", name, c.Name, host.ErrNotFound)
		}
		old, fresh := c.NICs[i:i+1:i+1], []host.NICConfig{c.NICs[i]}
		fresh[0].Forwards = list
		want := c.Clone()
		want.NICs[i].Forwards = list
		if err := inBody("nic", want.CheckDevices()); err != nil {
			return err
		}
		if err := v.swapPorts(c.Name, old, fresh); err != nil {
			return inBody("nic", err)
		}
		if err := e.vm.SetForwards(ctx, name, list); err != nil {
			// What was given a moment ago is still free: swapPorts is one step, and a
			// machine has one change at a time; only another machine can have come between.
			if back := v.swapPorts(c.Name, fresh, old); back != nil {
				return fmt.Errorf("%w; and %w", err, back)
			}
			return err
		}
		return nil
	})
}

// swapPorts gives and takes in one step; on an error nothing changed.
func (v *Inventory) swapPorts(vm string, old, fresh []host.NICConfig) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.givePorts(old)
	err := v.takePorts(vm, fresh)
	if err != nil {
		_ = v.takePorts(vm, old) // it was theirs until now
	}
	return err
}
