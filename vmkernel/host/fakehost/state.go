package fakehost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/cpusched/groups"
	"basalt/vmkernel/host"
)

// Save implements host.VM: a real container without memory, whose only section is
// the number of exits.
func (v *VM) Save(ctx context.Context, w io.Writer, o host.SaveOptions) error {
	if err := v.begin("save", host.StateRunning, host.StatePaused); err != nil {
		return err
	}
	defer v.end()
	v.mu.Lock()
	was, held, exits := v.state, v.held, v.exits
	v.mu.Unlock()
	v.enter(host.StatePaused, "")
	if err := v.write(ctx, w, held, exits, o.Note); err != nil {
		v.enter(was, "")
		return err
	}
	if o.Progress != nil {
		o.Progress(held, held)
	}
	switch o.Then {
	case host.AfterSaveGoOn:
		v.enter(was, "")
	case host.AfterSaveStop:
		v.powerOff("saved")
	}
	v.h.events.Append(host.Event{Kind: "vm.saved", Object: v.cfg.ID, Message: "machine " + v.cfg.Name + " is saved"})
	return nil
}

func (v *VM) write(ctx context.Context, w io.Writer, held, exits uint64, note []byte) error {
	if err := v.pass(ctx, "save"); err != nil {
		return err
	}
	conf, err := json.Marshal(v.cfg)
	if err != nil {
		return err
	}
	s, err := checkpoint.NewWriter(w, &checkpoint.Header{Engine: v.h.Info().Engine, Level: v.cfg.CPULevel, CPUs: uint32(v.cfg.CPUs),
		Memory: []checkpoint.Range{{Size: held}}, Config: conf})
	if err != nil {
		return err
	}
	if note != nil {
		if err := s.Section(host.NoteSection, true, note); err != nil {
			return err
		}
	}
	e := checkpoint.NewEncoder(1)
	e.U64(exits)
	if err := s.Section("machine", false, e.Bytes()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Close()
}

// Restore implements host.VMs.
func (t *table) Restore(ctx context.Context, r io.Reader, o host.RestoreOptions) (host.VM, error) {
	vm, err := t.restore(ctx, r, o)
	if err != nil {
		o.Boot.Close()
		return nil, err
	}
	return vm, nil
}

func (t *table) restore(ctx context.Context, r io.Reader, o host.RestoreOptions) (host.VM, error) {
	c, exits, err := t.read(ctx, r, o)
	if err != nil {
		return nil, err
	}
	if o.Config == nil && o.Name != "" {
		c.Name = o.Name
	}
	c.ID = o.ID
	share, err := t.h.admit(c)
	if err != nil {
		t.h.give(uint64(c.MemoryMiB) << 20)
		return nil, err
	}
	vm := newVM(t.h, c)
	vm.share = share
	vm.hold(o, exits)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.find(c.ID) >= 0 {
		t.h.give(vm.held)
		share.Release()
		vm.closeConsoles()
		return nil, fmt.Errorf("machine %q: %w", c.ID, host.ErrExists)
	}
	t.vms = append(t.vms, vm)
	return vm, nil
}

// Restore implements host.VM.
func (v *VM) Restore(ctx context.Context, r io.Reader, o host.RestoreOptions) error {
	err := v.begin("restore", host.StateOff)
	if err == nil {
		defer v.end()
		own := v.Config()
		if o.Config == nil {
			o.Config = &own
		}
		var exits uint64
		var share *groups.Machine
		if _, exits, err = v.h.vms.read(ctx, r, o); err == nil {
			if share, err = v.h.admit(own); err != nil {
				v.h.give(uint64(own.MemoryMiB) << 20)
			}
		}
		if err == nil {
			v.mu.Lock()
			v.share = share
			v.cfg.Disks, v.cfg.NICs = o.Config.Disks, o.Config.NICs
			v.hold(o, exits)
			v.mu.Unlock()
		}
	}
	if err != nil {
		o.Boot.Close()
	}
	return err
}

// hold makes the machine a restored one; v.mu is held.
func (v *VM) hold(o host.RestoreOptions, exits uint64) {
	v.disks, o.Boot.Disks = o.Boot.Disks, nil
	v.held, v.boot, v.started, v.exits = uint64(v.cfg.MemoryMiB)<<20, o.Boot, v.h.opt.Now(), exits
	v.state, v.reason, v.since, v.down = host.StatePaused, "restored", v.h.opt.Now(), map[string]bool{}
	v.unplugged = o.Unplugged
}

// read reads a state to its end and takes the machine's memory.
func (t *table) read(ctx context.Context, r io.Reader, o host.RestoreOptions) (c host.Config, exits uint64, err error) {
	if why := t.h.opt.CannotRun; why != "" {
		return c, 0, fmt.Errorf("%w: %s", host.ErrNoEngine, why)
	}
	in, err := checkpoint.NewReader(r)
	if err != nil {
		return c, 0, host.StateFailure(err)
	}
	h := in.Header()
	if name := t.h.Info().Engine; h.Engine != name {
		return c, 0, fmt.Errorf("%w: the state was saved on engine %s, this host has %s", host.ErrIncompatible, h.Engine, name)
	}
	if err := json.NewDecoder(bytes.NewReader(h.Config)).Decode(&c); err != nil {
		return c, 0, fmt.Errorf("%w: %w", host.ErrBadState, err)
	}
	if c.Hardware == 0 {
		c.Hardware = 1
	}
	if c.Hardware > host.HardwareNewest {
		return c, 0, fmt.Errorf("%w: hardware version %d", host.ErrIncompatible, c.Hardware)
	}
	if o.Config != nil {
		c = o.Config.Clone()
	}
	if err := t.checkConfig(c); err != nil {
		return c, 0, err
	}
	if len(o.Boot.Disks) != len(c.Disks) {
		return c, 0, &host.ConfigError{Field: "disks", Err: fmt.Errorf("%d given, %d saved", len(o.Boot.Disks), len(c.Disks))}
	}
	if exits, err = readExits(in); err != nil {
		return c, 0, host.StateFailure(err)
	}
	select {
	case <-t.h.gate("restore"):
	case <-ctx.Done():
		return c, 0, ctx.Err()
	}
	return c, exits, t.h.take(uint64(c.MemoryMiB) << 20)
}

func readExits(in *checkpoint.Reader) (exits uint64, err error) {
	for {
		rec, err := in.Next()
		if err == io.EOF {
			return exits, nil
		}
		if err != nil {
			return 0, err
		}
		if rec.Name != "machine" {
			if err := rec.Unknown(); err != nil {
				return 0, err
			}
			continue
		}
		d := checkpoint.NewDecoder(rec.Data, 1)
		exits = d.U64()
		if err := d.Done("machine"); err != nil {
			return 0, err
		}
	}
}
