package fakehost

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"basalt/vmkernel/host"
)

// on is the states in which a machine has hardware.
var on = []host.State{host.StateRunning, host.StatePaused}

// PowerButton implements host.Buttons: the guest shuts down, unless its command
// line says "nobutton".
func (v *VM) PowerButton(ctx context.Context) error {
	if err := v.begin("press the power button of", host.StateRunning); err != nil {
		return err
	}
	defer v.end()
	if err := v.pass(ctx, "shutdown"); err != nil {
		return err
	}
	v.cons.Write([]byte("\r\nfake guest: power button\r\n"))
	v.mu.Lock()
	obeys := v.boot.Cmdline != "nobutton"
	v.mu.Unlock()
	if obeys {
		v.powerOff("powered off by the guest")
	}
	return nil
}

// NMI implements host.Buttons.
func (v *VM) NMI(context.Context) error {
	if err := v.begin("send an NMI to", host.StateRunning); err != nil {
		return err
	}
	defer v.end()
	v.mu.Lock()
	v.nmis++
	n := v.nmis
	v.mu.Unlock()
	fmt.Fprintf(v.cons, "\r\nfake guest: NMI %d\r\n", n)
	return nil
}

// change runs f with the lock held while the machine is off, running or paused.
func (v *VM) change(action string, f func(powered bool) error) error {
	if err := v.begin(action, append(on, host.StateOff)...); err != nil {
		return err
	}
	defer v.end()
	v.mu.Lock()
	defer v.mu.Unlock()
	return f(v.state != host.StateOff)
}

// AttachDisk implements host.Devices.
func (v *VM) AttachDisk(_ context.Context, c host.DiskConfig, d host.Disk) error {
	err := v.change("attach a disk to", func(powered bool) error {
		next := v.cfg.Clone()
		next.Disks = append(next.Disks, c)
		if err := next.CheckDevices(); err != nil {
			return err
		}
		if v.cfg = next; powered {
			v.disks = append(slices.Clip(v.disks), d)
			d = nil
		}
		return nil
	})
	if d != nil {
		d.Close()
	}
	return err
}

func (v *VM) disk(name string) (int, error) {
	i := slices.IndexFunc(v.cfg.Disks, func(d host.DiskConfig) bool { return d.Name == name })
	if i < 0 {
		return i, fmt.Errorf("disk %q of machine %q: %w", name, v.cfg.Name, host.ErrNotFound)
	}
	return i, nil
}

// DetachDisk implements host.Devices.
func (v *VM) DetachDisk(_ context.Context, name string, force bool) error {
	var gone host.Disk
	err := v.change("detach a disk from", func(powered bool) error {
		i, err := v.disk(name)
		if err != nil {
			return err
		}
		if powered && !force && v.h.inUse(v.cfg.ID, name) {
			return fmt.Errorf("disk %q is %w by the guest of machine %q; force pulls it out", name, host.ErrInUse, v.cfg.Name)
		}
		next := v.cfg.Clone()
		next.Disks = slices.Delete(next.Disks, i, i+1)
		if v.cfg = next; powered {
			gone = v.disks[i]
			v.disks = slices.Delete(slices.Clone(v.disks), i, i+1)
		}
		return nil
	})
	if gone != nil {
		gone.Close()
	}
	return err
}

// ResizeDisk implements host.Devices.
func (v *VM) ResizeDisk(_ context.Context, name string, size int64, cut bool) error {
	return v.change("resize a disk of", func(powered bool) error {
		i, err := v.disk(name)
		if err != nil {
			return err
		}
		c := v.cfg.Disks[i]
		if powered {
			if err := v.disks[i].Resize(size, cut); err != nil {
				return err
			}
		} else if c.Kind == host.DiskImage {
			return fmt.Errorf("resizing an image while its machine is off is %w", host.ErrUnsupported)
		}
		if c.Kind != host.DiskImage {
			next := v.cfg.Clone()
			next.Disks[i].SizeMiB = int(size >> 20)
			if err := next.CheckDevices(); err != nil {
				return err
			}
			v.cfg = next
		}
		return nil
	})
}

// AttachNIC implements host.Devices.
func (v *VM) AttachNIC(_ context.Context, c host.NICConfig) error {
	return v.change("attach a network adapter to", func(bool) error {
		next := v.cfg.Clone()
		next.NICs = append(next.NICs, c)
		if err := next.CheckDevices(); err != nil {
			return err
		}
		v.cfg = next
		return nil
	})
}

func (v *VM) nic(name string) (int, error) {
	i := slices.IndexFunc(v.cfg.NICs, func(n host.NICConfig) bool { return n.Name == name })
	if i < 0 {
		return i, fmt.Errorf("network adapter %q of machine %q: %w", name, v.cfg.Name, host.ErrNotFound)
	}
	return i, nil
}

// DetachNIC implements host.Devices.
func (v *VM) DetachNIC(_ context.Context, name string, force bool) error {
	return v.change("detach a network adapter from", func(powered bool) error {
		i, err := v.nic(name)
		if err != nil {
			return err
		}
		if powered && !force && v.h.inUse(v.cfg.ID, name) {
			return fmt.Errorf("network adapter %q is %w by the guest of machine %q; force pulls it out", name, host.ErrInUse, v.cfg.Name)
		}
		if powered && force {
			v.h.pulled.Add(1)
		}
		next := v.cfg.Clone()
		next.NICs = slices.Delete(next.NICs, i, i+1)
		v.cfg = next
		return nil
	})
}

// SetForwards implements host.Devices.
func (v *VM) SetForwards(_ context.Context, name string, f []host.Forward) error {
	return v.change("set the port forwards of", func(powered bool) error {
		i, err := v.nic(name)
		if err != nil {
			return err
		}
		next := v.cfg.Clone()
		next.NICs[i].Forwards = slices.Clone(f)
		if err := next.CheckDevices(); err != nil {
			return &host.ConfigError{Field: "forwards", Err: errors.Unwrap(err)}
		}
		v.cfg = next
		return nil
	})
}

// SetLink implements host.Devices.
func (v *VM) SetLink(_ context.Context, name string, up bool) error {
	if err := v.begin("set a link of", on...); err != nil {
		return err
	}
	defer v.end()
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, err := v.nic(name); err != nil {
		return err
	}
	v.down[name] = !up
	return nil
}

// deviceStats makes numbers up from the exits; v.mu is held.
func (v *VM) deviceStats(s *host.Status) {
	for range v.cfg.CPUs {
		s.CPUs = append(s.CPUs, host.CPUStats{Run: s.CPUTime, Sched: true, Wait: s.Uptime - s.CPUTime})
	}
	for _, d := range v.cfg.Disks {
		s.Disks = append(s.Disks, host.DiskStats{Name: d.Name, Reads: v.exits, ReadBytes: 4096 * v.exits})
	}
	for _, n := range v.cfg.NICs {
		s.NICs = append(s.NICs, host.NICStats{Name: n.Name, Link: !v.down[n.Name], TxPackets: v.exits, TxBytes: 64 * v.exits})
	}
}

// UseDevice makes the guest of machine id hold on to a device, or let it go.
func (h *Host) UseDevice(id, device string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy == nil {
		h.busy = map[string]bool{}
	}
	h.busy[id+"/"+device] = on
}

// Pulled counts the adapters that guests have seen pulled out.
func (h *Host) Pulled() int { return int(h.pulled.Load()) }

func (h *Host) inUse(id, device string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.busy[id+"/"+device]
}
