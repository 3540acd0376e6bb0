package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"basalt/vmkernel/host"
)

// forward opens an adapter's port forwards; stop is nil when it has none.
func (p *Platform) forward(c host.NICConfig) (stop func(), err error) {
	if len(c.Forwards) == 0 {
		return nil, nil
	}
	if p.Forward == nil {
		return nil, fmt.Errorf("port forwards are %w", host.ErrUnsupported)
	}
	return p.Forward(c.MAC, c.Forwards)
}

// stopForwards closes the adapter's port forwards.
func (d *plugged) stopForwards() {
	if d.forwards != nil {
		d.forwards()
		d.forwards = nil
	}
}

// SetForwards implements host.Devices. The owner's goroutine opens the new ones
// before it closes the old ones where they do not meet, so that the guest keeps its
// address; where they do, the old ones come back if the new ones cannot be.
func (m *Machine) SetForwards(ctx context.Context, name string, f []host.Forward) error {
	return m.alter(ctx, "set the port forwards of", func(on bool) error {
		i := slices.IndexFunc(m.conf.NICs, func(n host.NICConfig) bool { return n.Name == name })
		if i < 0 {
			return fmt.Errorf("%s %q of machine %q: %w", nicKind, name, m.conf.Name, host.ErrNotFound)
		}
		want := m.conf.Clone()
		old := want.NICs[i]
		want.NICs[i].Forwards = slices.Clone(f)
		if err := want.CheckDevices(); err != nil {
			var ce *host.ConfigError
			if errors.As(err, &ce) {
				return &host.ConfigError{Field: "forwards", Err: ce.Err}
			}
			return err
		}
		if on {
			d := m.b.device(nicKind, name)
			if d == nil {
				return fmt.Errorf("%s %q of machine %q: %w", nicKind, name, m.conf.Name, host.ErrNotFound)
			}
			if err := m.exchange(d, old, want.NICs[i]); err != nil {
				return fmt.Errorf("%s %q: %w", nicKind, name, err)
			}
		} else if len(f) > 0 && m.p.Forward == nil {
			return fmt.Errorf("port forwards are %w", host.ErrUnsupported)
		}
		m.configure(func(now *host.Config) { now.NICs = want.NICs })
		m.p.event(m.conf.ID, "info", fmt.Sprintf("%s %q has %d port forwards now", nicKind, name, len(f)))
		return nil
	})
}

// exchange puts new forwards in the place of an adapter's old ones.
func (m *Machine) exchange(d *plugged, old, fresh host.NICConfig) error {
	meet := slices.ContainsFunc(fresh.Forwards, func(f host.Forward) bool { return slices.ContainsFunc(old.Forwards, f.Meets) })
	if meet {
		d.stopForwards()
	}
	stop, err := m.p.forward(fresh)
	if err == nil {
		d.stopForwards()
		d.forwards = stop
		return nil
	}
	if meet {
		var again error
		if d.forwards, again = m.p.forward(old); again != nil {
			err = fmt.Errorf("%w; and the old ones cannot be opened again: %w", err, again)
		}
	}
	return err
}
