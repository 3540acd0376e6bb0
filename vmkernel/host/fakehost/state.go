package fakehost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"basalt/vmkernel/checkpoint"
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
	if err := v.write(ctx, w, held, exits); err != nil {
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

func (v *VM) write(ctx context.Context, w io.Writer, held, exits uint64) error {
	if err := v.pass(ctx, "save"); err != nil {
		return err
	}
	conf, err := json.Marshal(v.cfg)
	if err != nil {
		return err
	}
	s, err := checkpoint.NewWriter(w, &checkpoint.Header{Engine: v.h.Info().Engine, CPUs: uint32(v.cfg.CPUs),
		Memory: []checkpoint.Range{{Size: held}}, Config: conf})
	if err != nil {
		return err
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
	if why := t.h.opt.CannotRun; why != "" {
		return nil, fmt.Errorf("%w: %s", host.ErrNoEngine, why)
	}
	in, err := checkpoint.NewReader(r)
	if err != nil {
		return nil, bad(err)
	}
	h := in.Header()
	if name := t.h.Info().Engine; h.Engine != name {
		return nil, fmt.Errorf("%w: the state was saved on engine %s, this host has %s", host.ErrIncompatible, h.Engine, name)
	}
	var c host.Config
	if err := json.NewDecoder(bytes.NewReader(h.Config)).Decode(&c); err != nil {
		return nil, bad(err)
	}
	c.ID = o.ID
	if o.Name != "" {
		c.Name = o.Name
	}
	if err := t.checkConfig(c); err != nil {
		return nil, err
	}
	exits, err := readExits(in)
	if err != nil {
		return nil, bad(err)
	}
	select {
	case <-t.h.gate("restore"):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := t.h.take(uint64(c.MemoryMiB) << 20); err != nil {
		return nil, err
	}
	vm := newVM(t.h, c)
	vm.held, vm.boot, vm.started, vm.exits, vm.state, vm.reason = uint64(c.MemoryMiB)<<20, o.Boot, t.h.opt.Now(), exits, host.StatePaused, "restored"
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.find(c.ID) >= 0 {
		t.h.give(vm.held)
		vm.cons.Close()
		return nil, fmt.Errorf("machine %q: %w", c.ID, host.ErrExists)
	}
	t.vms = append(t.vms, vm)
	return vm, nil
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

func bad(err error) error {
	if errors.Is(err, checkpoint.ErrVersion) || errors.Is(err, checkpoint.ErrUnknown) {
		return fmt.Errorf("%w: %w", host.ErrIncompatible, err)
	}
	return fmt.Errorf("%w: %w", host.ErrBadState, err)
}
