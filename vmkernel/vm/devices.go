package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/pcie"
)

// detachWait is how long a guest may take to let a device go: Linux waits five
// seconds after the slot's button in which a person could press it again. Tests
// shorten it.
var detachWait = 15 * time.Second

// PowerButton implements host.Buttons.
func (m *Machine) PowerButton(ctx context.Context) error {
	return m.do(ctx, action{kind: actButton})
}

// NMI implements host.Buttons.
func (m *Machine) NMI(ctx context.Context) error { return m.do(ctx, action{kind: actNMI}) }

// change is a change of devices on the owner's goroutine. on says whether the
// machine has hardware now: it runs or is paused, and is not merely configured.
type change func(on bool) error

// alter runs a change in the states that allow it. what is for the message.
func (m *Machine) alter(ctx context.Context, what string, f change) error {
	return m.do(ctx, action{kind: actChange, what: what, change: f})
}

// configure changes the configuration that Config gives.
func (m *Machine) configure(f func(c *host.Config)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.conf)
}

// AttachDisk implements host.Devices.
func (m *Machine) AttachDisk(ctx context.Context, c host.DiskConfig, d host.Disk) error {
	keep := false
	err := m.alter(ctx, "attach a disk to", func(on bool) error {
		want := m.conf.Clone()
		want.Disks = append(want.Disks, c)
		if err := want.CheckDevices(); err != nil {
			return err
		}
		if on {
			if err := m.b.addDisk(m.p, c, d, m.b.hot()); err != nil {
				return translate(err)
			}
			m.boot.Disks = append(slices.Clone(m.boot.Disks), d)
			keep = true
		}
		m.configure(func(now *host.Config) { now.Disks = want.Disks })
		m.p.event(m.conf.ID, "info", fmt.Sprintf("disk %q attached", c.Name))
		return nil
	})
	if !keep {
		d.Close()
	}
	return err
}

// diskIndex is the place of a disk in the configuration.
func (m *Machine) diskIndex(name string) (int, error) {
	i := slices.IndexFunc(m.conf.Disks, func(d host.DiskConfig) bool { return d.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("disk %q of machine %q: %w", name, m.conf.Name, host.ErrNotFound)
	}
	return i, nil
}

// dropDisk takes a disk out of the configuration and closes what is behind it.
func (m *Machine) dropDisk(name string, on bool) error {
	i, err := m.diskIndex(name)
	if err != nil {
		return err
	}
	m.configure(func(c *host.Config) { c.Disks = slices.Delete(slices.Clone(c.Disks), i, i+1) })
	if on && i < len(m.boot.Disks) {
		d := m.boot.Disks[i]
		m.boot.Disks = slices.Delete(slices.Clone(m.boot.Disks), i, i+1)
		d.Close()
	}
	m.p.event(m.conf.ID, "info", fmt.Sprintf("disk %q detached", name))
	return nil
}

// drop takes a device that is out off the configuration.
func (m *Machine) drop(d *plugged) error {
	if d.kind == nicKind {
		return m.dropNIC(d.name)
	}
	return m.dropDisk(d.name, true)
}

// DetachDisk implements host.Devices.
func (m *Machine) DetachDisk(ctx context.Context, name string, force bool) error {
	return m.detach(ctx, diskKind, name, force, func() error { return m.dropDisk(name, false) })
}

// ResizeDisk implements host.Devices.
func (m *Machine) ResizeDisk(ctx context.Context, name string, size int64, cut bool) error {
	return m.alter(ctx, "resize a disk of", func(on bool) error {
		i, err := m.diskIndex(name)
		if err != nil {
			return err
		}
		image := m.conf.Disks[i].Kind == host.DiskImage
		switch {
		case on:
			err = m.boot.Disks[i].Resize(size, cut)
		case image:
			err = fmt.Errorf("%w: the machine is off, its image is resized in the file store", host.ErrUnsupported)
		case size <= 0 || size%(1<<20) != 0:
			err = fmt.Errorf("%w: %d bytes, a multiple of 1 MiB is needed", host.ErrDiskSize, size)
		}
		if err != nil {
			return fmt.Errorf("disk %q: %w", name, err)
		}
		if !image {
			m.configure(func(c *host.Config) {
				c.Disks = slices.Clone(c.Disks)
				c.Disks[i].SizeMiB = int(size >> 20)
			})
		}
		if on {
			if d := m.b.device(diskKind, name); d != nil {
				d.resized()
			}
		}
		m.p.event(m.conf.ID, "info", fmt.Sprintf("disk %q has %d bytes now", name, size))
		return nil
	})
}

// detach takes a device out: at once when the machine is off, which drop does, or force
// is set, else when its guest lets it go.
func (m *Machine) detach(ctx context.Context, kind, name string, force bool, drop func() error) error {
	var asked *plugged
	what := "detach a " + kind + " from"
	err := m.alter(ctx, what, func(on bool) error {
		if !on {
			return drop()
		}
		d := m.b.device(kind, name)
		if d == nil {
			return fmt.Errorf("%s %q of machine %q: %w", kind, name, m.conf.Name, host.ErrNotFound)
		}
		if force {
			return m.pull(d)
		}
		gone, err := m.b.pci.Unplug(d.at)
		switch {
		case errors.Is(err, pcie.ErrNotListening):
			return fmt.Errorf("%s %q is %w: the guest takes no part in hot-plug", kind, name, host.ErrInUse)
		case err != nil:
			return err
		}
		if asked = d; d.leaving == nil {
			m.leave(d, gone)
		}
		return nil
	})
	if err != nil || asked == nil {
		return err
	}
	over := time.NewTimer(detachWait)
	defer over.Stop()
	select {
	case <-asked.leaving:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-over.C:
		return fmt.Errorf("%s %q is %w: the guest has not let it go within %v; it is taken out when it does", kind, name, host.ErrInUse, detachWait)
	case <-m.gone:
		return host.ErrClosed
	}
}

// leave waits for a device that the guest was asked to let go.
func (m *Machine) leave(d *plugged, gone <-chan struct{}) {
	d.leaving = make(chan struct{})
	go m.follow(d, gone, m.b.over)
}

// follow waits until the guest has turned the slot's power off and gives the device to
// the owner, or until the machine is off, which closes over, or no more.
func (m *Machine) follow(d *plugged, gone, over <-chan struct{}) {
	select {
	case <-gone:
	case <-over:
		return
	case <-m.gone:
		return
	}
	select {
	case m.ejected <- d:
	case <-over:
	case <-m.gone:
	}
}

// eject is the owner's part of an ejection.
func (m *Machine) eject(d *plugged) {
	if m.b == nil || !slices.Contains(m.b.devices, d) {
		return // it went another way
	}
	if err := m.out(d); err != nil {
		m.p.log("vm %s: %s %q: %v", m.conf.ID, d.kind, d.name, err)
	}
}

// pull takes a device out without asking.
func (m *Machine) pull(d *plugged) error {
	if err := m.b.pci.Remove(d.at); err != nil && !errors.Is(err, pcie.ErrNotPlugged) {
		return err
	}
	return m.out(d)
}

// out ends a device that is on no bus any more. One whose requests do not come back
// keeps what it has until the machine is off.
func (m *Machine) out(d *plugged) error {
	ctx, cancel := context.WithTimeout(context.Background(), quietWait)
	defer cancel()
	if err := d.close(ctx); err != nil {
		return err
	}
	m.b.forget(d)
	d.overhead.release()
	err := m.drop(d)
	if d.leaving != nil {
		close(d.leaving)
	}
	return err
}
