package inventory

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"basalt/mgmt/files"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
)

// nameDevices gives a name to each device that has none.
func nameDevices(s *Spec) {
	taken := map[string]bool{}
	for _, d := range s.Disks {
		taken[d.Name] = true
	}
	for _, n := range s.NICs {
		taken[n.Name] = true
	}
	next := func(name *string, kind string) {
		for i := 0; *name == ""; i++ {
			if n := fmt.Sprint(kind, i); !taken[n] {
				*name, taken[n] = n, true
			}
		}
	}
	for i := range s.Disks {
		next(&s.Disks[i].Name, "disk")
	}
	for i := range s.NICs {
		next(&s.NICs[i].Name, "nic")
	}
}

// takeMACs makes sure that every adapter has an address of its own, and the host's
// ports of its forwards. On an error nothing is taken. Errors: host.ConfigError.
func (v *Inventory) takeMACs(vm string, nics []host.NICConfig) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range nics {
		n := &nics[i]
		for n.MAC == "" {
			var b [3]byte
			rand.Read(b[:])
			// 52-54-00 is locally administered; virtual machines have it by custom.
			if mac := fmt.Sprintf("52:54:00:%02x:%02x:%02x", b[0], b[1], b[2]); v.macs[mac] == "" {
				n.MAC = mac
			}
		}
		n.MAC = strings.ToLower(n.MAC)
		if who := v.macs[n.MAC]; who != "" {
			for _, o := range nics[:i] {
				delete(v.macs, o.MAC)
			}
			return &host.ConfigError{Field: fmt.Sprintf("nics[%d].mac", i), Err: fmt.Errorf("%s is adapter %s already", n.MAC, who)}
		}
		v.macs[n.MAC] = n.Name + " of " + vm
	}
	err := v.takePorts(vm, nics)
	if err != nil {
		for _, n := range nics {
			delete(v.macs, n.MAC)
		}
	}
	return err
}

func (v *Inventory) giveMACs(nics []host.NICConfig) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range nics {
		delete(v.macs, n.MAC)
	}
	v.givePorts(nics)
}

// openDisks opens what stands behind the disks of a machine, or nothing.
func (v *Inventory) openDisks(c host.Config) (out []host.Disk, err error) {
	for i, d := range c.Disks {
		b, field, err := v.openDisk(c.Name, d)
		if err != nil {
			closeDisks(out)
			return nil, &host.ConfigError{Field: fmt.Sprintf("disks[%d].%s", i, field), Err: err}
		}
		out = append(out, b)
	}
	return out, nil
}

func (v *Inventory) openDisk(vm string, d host.DiskConfig) (b host.Disk, field string, err error) {
	size := int64(d.SizeMiB) << 20
	switch field = "sizeMiB"; d.Kind {
	case host.DiskImage:
		field = "image"
		b, err = v.files.OpenDisk(d.Image, d.Name, vm, d.ReadOnly)
	case host.DiskRAM:
		b, err = v.files.Scratch(d.Name, size)
	case host.DiskNull:
		b, err = files.NewNull(d.Name, size)
	default:
		field, err = "kind", fmt.Errorf("unknown kind %q", d.Kind)
	}
	if err != nil {
		return nil, field, err
	}
	return b, "", nil
}

func closeDisks(ds []host.Disk) {
	for _, d := range ds {
		d.Close()
	}
}

// change runs f as a task on a machine, waits for it and tells the event log.
func (v *Inventory) change(ctx context.Context, id, kind, user, what string, f func(context.Context, *entry) error) (VM, error) {
	e, err := v.find(id)
	if err != nil {
		return VM{}, err
	}
	t, err := v.tasks.Run(task.Request{Kind: kind, Object: e.id, User: user}, func(ctx context.Context) error {
		ev := host.Event{Kind: kind, Object: e.id, User: user, Message: fmt.Sprintf("machine %s: %s", e.spec.Name, what)}
		var err error
		if v.suspended(e) != nil {
			err = &host.StateError{Action: "change the devices of", State: host.StateSuspended}
		} else {
			v.tidy(e)
			err = f(ctx, e)
		}
		if err != nil {
			ev.Severity, ev.Message = host.SeverityWarning, fmt.Sprintf("%s of machine %s failed: %v", kind, e.spec.Name, err)
		}
		v.host.Events().Append(ev)
		return err
	})
	if err != nil {
		return VM{}, err
	}
	if err := t.Wait(ctx); err != nil {
		return VM{}, err
	}
	return v.Get(e.id)
}

// AttachDisk adds a disk to a machine, whether it is off or runs. Errors:
// host.ConfigError, host.ErrNotFound, host.ErrBusy, host.ErrState,
// host.ErrUnsupported.
func (v *Inventory) AttachDisk(ctx context.Context, id string, d host.DiskConfig, user string) (VM, error) {
	return v.change(ctx, id, "vm.disk.attach", user, "a disk was attached", func(ctx context.Context, e *entry) error {
		c := e.vm.Config()
		s := Spec{Disks: append(c.Disks, d), NICs: c.NICs}
		nameDevices(&s)
		c.Disks = s.Disks
		if err := inBody("disk", c.CheckDevices()); err != nil {
			return err
		}
		d = c.Disks[len(c.Disks)-1]
		b, field, err := v.openDisk(c.Name, d)
		if err != nil {
			return &host.ConfigError{Field: field, Err: err}
		}
		return e.vm.AttachDisk(ctx, d, b)
	})
}

// inBody makes the last device's fields those of the request's body.
func inBody(kind string, err error) error {
	ce, ok := err.(*host.ConfigError)
	if !ok {
		return err
	}
	if _, f, ok := strings.Cut(ce.Field, "]."); ok && strings.HasPrefix(ce.Field, kind) {
		return &host.ConfigError{Field: f, Err: ce.Err}
	}
	return err
}

// DetachDisk takes a disk away. Errors: host.ErrNotFound, host.ErrInUse, and those
// of AttachDisk.
func (v *Inventory) DetachDisk(ctx context.Context, id, name string, force bool, user string) (VM, error) {
	return v.change(ctx, id, "vm.disk.detach", user, "disk "+name+" was detached", func(ctx context.Context, e *entry) error {
		return e.vm.DetachDisk(ctx, name, force)
	})
}

// ResizeDisk sets a disk's size in bytes. It cuts data off only if cut is set.
// Errors: host.ErrNotFound, host.ErrDiskSize, host.ErrCut, and those of AttachDisk.
func (v *Inventory) ResizeDisk(ctx context.Context, id, name string, size int64, cut bool, user string) (VM, error) {
	what := fmt.Sprintf("disk %s has %d bytes now", name, size)
	return v.change(ctx, id, "vm.disk.resize", user, what, func(ctx context.Context, e *entry) error {
		disks := e.vm.Config().Disks
		i := slices.IndexFunc(disks, func(d host.DiskConfig) bool { return d.Name == name })
		if i >= 0 && disks[i].Kind == host.DiskImage && e.vm.Status().State == host.StateOff {
			if disks[i].ReadOnly {
				return fmt.Errorf("disk %s is read-only: %w", name, host.ErrState)
			}
			return v.files.Resize(disks[i].Image, size, cut)
		}
		return e.vm.ResizeDisk(ctx, name, size, cut)
	})
}

// AttachNIC adds a network adapter. Errors as AttachDisk.
func (v *Inventory) AttachNIC(ctx context.Context, id string, n host.NICConfig, user string) (VM, error) {
	return v.change(ctx, id, "vm.nic.attach", user, "a network adapter was attached", func(ctx context.Context, e *entry) error {
		c := e.vm.Config()
		s := Spec{Disks: c.Disks, NICs: append(c.NICs, n)}
		nameDevices(&s)
		c.NICs = s.NICs
		if err := inBody("nic", c.CheckDevices()); err != nil {
			return err
		}
		fresh := c.NICs[len(c.NICs)-1:]
		if err := v.takeMACs(c.Name, fresh); err != nil {
			return inBody("nic", err)
		}
		if err := e.vm.AttachNIC(ctx, fresh[0]); err != nil {
			v.giveMACs(fresh)
			return err
		}
		return nil
	})
}

// DetachNIC takes a network adapter away. Errors as DetachDisk.
func (v *Inventory) DetachNIC(ctx context.Context, id, name string, force bool, user string) (VM, error) {
	return v.change(ctx, id, "vm.nic.detach", user, "network adapter "+name+" was detached", func(ctx context.Context, e *entry) error {
		nics := e.vm.Config().NICs
		if err := e.vm.DetachNIC(ctx, name, force); err != nil {
			return err
		}
		v.giveMACs(slices.DeleteFunc(nics, func(n host.NICConfig) bool { return n.Name != name }))
		return nil
	})
}

// SetLink plugs an adapter's cable in or out. Errors as DetachNIC.
func (v *Inventory) SetLink(ctx context.Context, id, name string, up bool, user string) (VM, error) {
	what := "the link of " + name + " is down"
	if up {
		what = "the link of " + name + " is up"
	}
	return v.change(ctx, id, "vm.nic.link", user, what, func(ctx context.Context, e *entry) error {
		return e.vm.SetLink(ctx, name, up)
	})
}
