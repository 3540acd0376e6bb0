package vm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/acpipm"
)

// tscTolerance is by how much the counter of another host, or of this one after
// another calibration, may differ: 1/4000, which is KVM's default of 250 ppm. The
// guest's idea of its frequency is fixed.
const tscTolerance = 4000

// Restore implements host.VMs. Nothing is visible before the stream has been read to
// its end and everything in it was right; on an error nothing is left.
func (t *Manager) Restore(ctx context.Context, r io.Reader, o host.RestoreOptions) (host.VM, error) {
	m, err := t.restore(ctx, r, o)
	if err != nil {
		o.Boot.Close()
		return nil, err
	}
	t.mu.Lock()
	if t.index(m.conf.ID) >= 0 {
		t.mu.Unlock()
		m.discard()
		return nil, fmt.Errorf("vm: %s: %w", m.conf.ID, host.ErrExists)
	}
	t.list = append(t.list, m)
	t.mu.Unlock()
	t.p.event(m.conf.ID, "info", "restored from a saved state")
	return m, nil
}

func (t *Manager) restore(ctx context.Context, r io.Reader, o host.RestoreOptions) (*Machine, error) {
	if t.p.Factory == nil {
		return nil, fmt.Errorf("vm: %w: %s", host.ErrNoEngine, t.p.Reason)
	}
	if _, err := t.Get(o.ID); err == nil {
		return nil, fmt.Errorf("vm: %s: %w", o.ID, host.ErrExists)
	}
	in, err := checkpoint.NewReader(r)
	if err != nil {
		return nil, bad(err)
	}
	h := in.Header()
	conf, err := t.accept(h)
	if err != nil {
		return nil, err
	}
	conf.ID = o.ID
	if o.Name != "" {
		conf.Name = o.Name
	}
	if o.NewGeneration {
		for i := range conf.NICs {
			conf.NICs[i].Forwards = nil // the ports of the host are the original's
		}
	}
	if len(o.Boot.Disks) != len(conf.Disks) {
		return nil, &host.ConfigError{Field: "disks", Err: fmt.Errorf("%d disks were given for %d of the saved machine", len(o.Boot.Disks), len(conf.Disks))}
	}
	if o.NewGeneration {
		conf.UUID = "" // a twin is somebody else, from its next reset on
	}
	m := newMachine(t.p, conf)
	m.generation = h.Generation
	if o.NewGeneration {
		rand.Read(m.generation[:]) // it never fails
	}
	share, err := m.admit()
	if err != nil {
		m.discard()
		return nil, err
	}
	f := &frozen{}
	f.b, err = build(t.p, conf, share, o.Boot.Disks, &m.con, m.ask)
	if err != nil {
		m.discard()
		return nil, translate(err)
	}
	f.stopped = t.p.TSC()
	if err = f.b.sameCPU(h); err == nil {
		err = f.load(ctx, in, o.Progress)
	}
	if f.b.generation = m.generation; err == nil && o.NewGeneration {
		// The guest is told as soon as it runs (Microsoft, "Virtual Machine Generation
		// ID"): it must not draw the same random numbers as its twin.
		if err = f.b.mem.Write(generationAt, m.generation[:]); err == nil {
			f.b.pm.Event(acpipm.GPEGenerationID)
		}
	}
	if err == nil {
		err = m.tell(action{kind: actAdopt, state: f, boot: o.Boot})
	}
	if err != nil {
		if again := f.b.close(); again != nil {
			t.p.log("vm %s: restore: %v", conf.ID, again)
		}
		m.discard()
		return nil, err
	}
	return m, nil
}

// discard ends a machine that was never visible, or is no more.
func (m *Machine) discard() {
	m.busy.Store(true)
	close(m.quit)
	<-m.gone
	m.con.close()
}

func bad(err error) error {
	if errors.Is(err, checkpoint.ErrVersion) || errors.Is(err, checkpoint.ErrUnknown) {
		return fmt.Errorf("vm: %w: %w", host.ErrIncompatible, err)
	}
	return fmt.Errorf("vm: %w: %w", host.ErrBadState, err)
}

// accept decides from the header alone whether this host can carry the machine.
func (t *Manager) accept(h *checkpoint.Header) (c host.Config, err error) {
	no := func(format string, a ...any) (host.Config, error) {
		return c, fmt.Errorf("vm: %w: %w", host.ErrIncompatible, fmt.Errorf(format, a...))
	}
	if name := t.p.Factory.Name(); h.Engine != name {
		return no("the state was saved on engine %s, this host has %s", h.Engine, name)
	}
	if d := max(h.TSCKHz, t.p.TSCKHz) - min(h.TSCKHz, t.p.TSCKHz); d > t.p.TSCKHz/tscTolerance {
		return no("the guest's counter runs at %d kHz, this host's at %d kHz", h.TSCKHz, t.p.TSCKHz)
	}
	dec := json.NewDecoder(bytes.NewReader(h.Config))
	dec.DisallowUnknownFields() // what this host does not know it cannot build
	if err := dec.Decode(&c); err != nil {
		return no("configuration: %w", err)
	}
	if err := t.check(c); err != nil {
		return c, err
	}
	_, _, regions := memory(uint64(c.MemoryMiB) << 20)
	if int64(h.CPUs) != int64(c.AllCPUs()) || !slices.Equal(h.Memory, ranges(regions)) {
		return c, fmt.Errorf("vm: %w: the header does not agree with the configuration in it", host.ErrBadState)
	}
	return c, nil
}

// sameCPU says whether the board's processors show what the saved machine's showed.
func (b *board) sameCPU(h *checkpoint.Header) error {
	err := b.cpus[0].CPUID.Compare(h.Fingerprint)
	switch {
	case err == nil:
		return nil
	case h.Level != "":
		return fmt.Errorf("vm: %w: CPU level %s: %w", host.ErrIncompatible, h.Level, err)
	}
	return fmt.Errorf("vm: %w: %w", host.ErrIncompatible, err)
}

// load reads the stream to its end into the board, which nobody sees.
func (f *frozen) load(ctx context.Context, in *checkpoint.Reader, progress func(done, total uint64)) error {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	known := f.known()
	got := map[string][]byte{}
	total := in.Header().MemorySize()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return bad(err)
		}
		if r.Kind == checkpoint.KindMemory {
			if err := r.Each(f.b.mem.Write); err != nil {
				if errors.Is(err, gmem.ErrNoMemory) {
					return translate(err)
				}
				return bad(err)
			}
			progress(r.GPA, total)
			continue
		}
		if !slices.Contains(known, r.Name) {
			if err := r.Unknown(); err != nil {
				return bad(err)
			}
			continue
		}
		got[r.Name] = bytes.Clone(r.Data)
	}
	progress(total, total)
	for _, name := range known {
		if _, ok := got[name]; !ok {
			return bad(fmt.Errorf("section %s: %w", name, checkpoint.ErrMissing))
		}
	}
	return f.apply(got)
}

// known are the sections of this board.
func (f *frozen) known() []string {
	out := []string{"machine"}
	for _, d := range f.b.bus.Devices() {
		if _, ok := d.(vbus.Stateful); ok {
			out = append(out, "device/"+d.Name())
		}
	}
	for i := range f.b.cpus {
		out = append(out, fmt.Sprintf("lapic/%d", i), fmt.Sprintf("cpu/%d", i))
	}
	return out
}

// apply loads the sections. The clock comes first, because devices look at it; the
// local APICs after all that could interrupt; the processors last.
func (f *frozen) apply(got map[string][]byte) error {
	b := f.b
	fail := func(name string, err error) error { return bad(fmt.Errorf("section %s: %w", name, err)) }
	if err := f.machine.decode(got["machine"]); err != nil {
		return fail("machine", err)
	}
	if err := b.hold(); err != nil {
		return err
	}
	b.clock.Set(f.machine.now)
	for _, d := range order(b.bus.Devices()) {
		if s, ok := d.(vbus.Stateful); ok {
			if err := s.LoadState(got["device/"+d.Name()]); err != nil {
				return fail("device/"+d.Name(), err)
			}
		}
	}
	if err := b.mapAll(); err != nil {
		return err
	}
	for i, c := range b.cpus {
		name := fmt.Sprintf("lapic/%d", i)
		if err := b.apics.APIC(uint32(i)).LoadState(got[name]); err != nil {
			return fail(name, err)
		}
		name = fmt.Sprintf("cpu/%d", i)
		if err := c.LoadState(got[name], f.stopped); err != nil {
			return fail(name, err)
		}
	}
	return nil
}

// mapAll puts every frame that is present into the nested table: they would be first
// touches otherwise, and PAE paging wants its pointers at once.
func (b *board) mapAll() error {
	var maps []gmem.Mapping
	if err := b.mem.Frames(func(gpa uint64, _ []byte, _ *gmem.Pages) (err error) {
		maps, err = b.mem.Touch(gpa, maps)
		return err
	}); err != nil {
		return fmt.Errorf("vm: restore: %w", err)
	}
	for _, m := range maps {
		if err := b.table.Map(m.GPA, m.HPA, m.Size, allRights); err != nil {
			return fmt.Errorf("vm: map %#x: %w", m.GPA, err)
		}
	}
	return nil
}

// adopt takes a loaded board: the machine is paused. The owner's.
func (m *Machine) adopt(f *frozen, boot host.Boot) error {
	m.boot = boot
	m.reports = make(chan stopped, len(f.b.cpus))
	cpus := make([]*cpu, 0, len(f.b.cpus))
	for _, v := range f.b.cpus {
		cpus = append(cpus, newCPU(m.p, m.conf.ID, m.share, v, m.reports))
	}
	m.mu.Lock()
	m.b, m.cpus = f.b, cpus
	m.start = time.Now()
	m.mu.Unlock()
	m.drain()
	m.later, m.frozen = f.machine.later, f.stopped
	m.resets, m.booted = 0, time.Now()
	m.set(host.StatePaused, "restored")
	return nil
}
