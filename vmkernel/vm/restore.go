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
	if _, err := t.Get(o.ID); err == nil {
		return nil, fmt.Errorf("vm: %s: %w", o.ID, host.ErrExists)
	}
	in, conf, l, err := t.p.open(r)
	if err != nil {
		return nil, err
	}
	if o.Config == nil {
		want := conf.Clone()
		if o.Name != "" {
			want.Name = o.Name
		}
		for i := range want.NICs {
			if o.NewGeneration {
				want.NICs[i].Forwards = nil // the ports of the host are the original's
			}
		}
		o.Config = &want
	}
	want := o.Config.Clone()
	want.ID = o.ID
	if o.NewGeneration {
		want.UUID = "" // a twin is somebody else, from its next reset on
	}
	o.Config = &want
	m := newMachine(t.p, want)
	m.busy.Store(true)
	if err := m.take(ctx, in, conf, l, o); err != nil {
		m.discard()
		return nil, err
	}
	m.busy.Store(false)
	return m, nil
}

// Restore implements host.VM.
func (m *Machine) Restore(ctx context.Context, r io.Reader, o host.RestoreOptions) error {
	err := m.restore(ctx, r, o)
	if err != nil {
		o.Boot.Close()
		return err
	}
	m.p.event(m.conf.ID, "info", "restored from a saved state")
	return nil
}

func (m *Machine) restore(ctx context.Context, r io.Reader, o host.RestoreOptions) error {
	if !m.busy.CompareAndSwap(false, true) {
		return host.ErrBusy
	}
	defer m.busy.Store(false)
	if st := m.current(); st != host.StateOff { // and stays so: busy is ours
		return &host.StateError{Action: actionNames[actAdopt], State: st}
	}
	in, conf, l, err := m.p.open(r)
	if err != nil {
		return err
	}
	if o.Config == nil {
		own := m.Config()
		o.Config = &own
	}
	return m.take(ctx, in, conf, l, o)
}

// open reads a state's header and decides whether this host can carry the machine.
func (p *Platform) open(r io.Reader) (in *checkpoint.Reader, c host.Config, l *layout, err error) {
	if p.Factory == nil {
		return nil, c, nil, fmt.Errorf("vm: %w: %s", host.ErrNoEngine, p.Reason)
	}
	if in, err = checkpoint.NewReader(r); err != nil {
		return nil, c, nil, bad(err)
	}
	c, l, err = p.accept(in.Header())
	return in, c, l, err
}

// take builds a board for the configuration in o, loads the rest of the stream into
// it and gives it to the machine, which is off and busy.
func (m *Machine) take(ctx context.Context, in *checkpoint.Reader, conf host.Config, l *layout, o host.RestoreOptions) error {
	want, h := o.Config.Clone(), in.Header()
	want.ID = m.conf.ID
	if err := alike(conf, want); err != nil {
		return err
	}
	if err := NewManager(m.p).check(want); err != nil {
		return err
	}
	if len(o.Boot.Disks) != len(want.Disks) {
		return &host.ConfigError{Field: "disks", Err: fmt.Errorf("%d disks were given for %d of the saved machine", len(o.Boot.Disks), len(want.Disks))}
	}
	f := &frozen{layout: l, conf: want, generation: h.Generation}
	if o.NewGeneration {
		rand.Read(f.generation[:]) // it never fails
	}
	share, err := m.admit()
	if err != nil {
		return err
	}
	if f.b, err = build(m.p, want, share, l, o.Unplugged, o.Boot.Disks, &m.con, m.ask); err != nil {
		m.giveBack()
		return translate(err)
	}
	f.stopped = m.p.TSC()
	if err = f.b.sameCPU(h); err == nil {
		err = f.load(ctx, in, o.Progress)
	}
	if f.b.generation = f.generation; err == nil && o.NewGeneration {
		// The guest is told as soon as it runs (Microsoft, "Virtual Machine Generation
		// ID"): it must not draw the same random numbers as its twin.
		if err = f.b.mem.Write(generationAt, f.generation[:]); err == nil {
			f.b.pm.Event(acpipm.GPEGenerationID)
		}
	}
	if err == nil {
		err = m.tell(action{kind: actAdopt, state: f, boot: o.Boot})
	}
	if err != nil {
		if again := f.b.close(); again != nil {
			m.p.log("vm %s: restore: %v", m.conf.ID, again)
		}
		m.giveBack()
	}
	return err
}

// discard ends a machine that was never visible, or is no more.
func (m *Machine) discard() {
	m.busy.Store(true)
	close(m.quit)
	<-m.gone
	m.con.close()
}

func bad(err error) error { return fmt.Errorf("vm: %w", host.StateFailure(err)) }

// accept decides from the header alone whether this host can carry the machine.
func (p *Platform) accept(h *checkpoint.Header) (c host.Config, l *layout, err error) {
	no := func(format string, a ...any) (host.Config, *layout, error) {
		return c, nil, fmt.Errorf("vm: %w: %w", host.ErrIncompatible, fmt.Errorf(format, a...))
	}
	if name := p.Factory.Name(); h.Engine != name {
		return no("the state was saved on engine %s, this host has %s", h.Engine, name)
	}
	if d := max(h.TSCKHz, p.TSCKHz) - min(h.TSCKHz, p.TSCKHz); d > p.TSCKHz/tscTolerance {
		return no("the guest's counter runs at %d kHz, this host's at %d kHz", h.TSCKHz, p.TSCKHz)
	}
	dec := json.NewDecoder(bytes.NewReader(h.Config))
	dec.DisallowUnknownFields() // what this host does not know it cannot build
	var from savedConfig
	if err := dec.Decode(&from); err != nil {
		return no("configuration: %w", err)
	}
	c = saved(from.Config)
	if c.Hardware > host.HardwareNewest {
		return no("hardware version %d, this host knows %d to %d", c.Hardware, host.HardwareOldest, host.HardwareNewest)
	}
	if err := p.sizes(c); err != nil {
		return c, nil, err
	}
	if l = from.Layout; l == nil {
		l = standard(c)
	}
	if err := l.check(c); err != nil {
		return c, nil, fmt.Errorf("vm: %w: %w", host.ErrBadState, err)
	}
	at := spaceOf(c, l.Memory)
	if int64(h.CPUs) != int64(c.AllCPUs()) || !slices.Equal(h.Memory, ranges(at.regions())) {
		return c, nil, fmt.Errorf("vm: %w: the header does not agree with the configuration in it", host.ErrBadState)
	}
	return c, l, nil
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
			out = append(out, sectionOf(d))
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
			if err := s.LoadState(got[sectionOf(d)]); err != nil {
				return fail(sectionOf(d), err)
			}
		}
	}
	for _, d := range b.devices {
		if d.port != nil {
			d.port.SetUp(d.linked())
		}
	}
	if err := b.mapAll(); err != nil {
		return err
	}
	for i, c := range b.cpus {
		name := fmt.Sprintf("lapic/%d", i)
		if err := b.apics.At(i).LoadState(got[name]); err != nil {
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
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	return b.mapRuns()
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
	m.b, m.cpus, m.generation = f.b, cpus, f.generation
	m.conf.Disks, m.conf.NICs = f.conf.Disks, f.conf.NICs // all that may differ
	m.start, m.last = time.Now(), host.Status{}
	m.mu.Unlock()
	m.con.connect(f.b)
	m.drain()
	m.later, m.frozen = f.machine.later, f.stopped
	m.resets, m.booted = 0, time.Now()
	m.set(host.StatePaused, "restored")
	m.stillLeaving(f.layout)
	return nil
}

// stillLeaving waits again for devices that the guest was asked to let go before it
// was saved.
func (m *Machine) stillLeaving(l *layout) {
	for _, d := range m.b.devices {
		if d.name == "" || !l.of(d.name).Leaving {
			continue
		}
		m.leave(d, m.b.pci.Gone(d.at))
	}
}
