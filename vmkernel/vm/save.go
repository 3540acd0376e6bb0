package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vbus"
)

const machineVersion = 1

// frozen is a machine between running and a stream.
type frozen struct {
	b        *board
	ran      bool // it was running before
	header   checkpoint.Header
	sections []section
	machine  machineState
	note     []byte
	// Of a restore: what the machine becomes.
	layout     *layout
	conf       host.Config
	generation [16]byte
	stopped    uint64 // of a restore: this host's counter at which the guest's goes on
}

type section struct {
	name string
	data []byte
}

// machineState is the section "machine".
type machineState struct {
	later request
	now   int64 // of the machine's clock, ns since power-on
	wall  int64 // time of day when it was saved, ns since 1970
}

func (s *machineState) encode() []byte {
	e := checkpoint.NewEncoder(machineVersion)
	e.U8(uint8(s.later))
	e.I64(s.now)
	e.I64(s.wall)
	return e.Bytes()
}

func (s *machineState) decode(b []byte) error {
	d := checkpoint.NewDecoder(b, machineVersion)
	l := d.U8()
	d.Check(l <= uint8(reqReset), "request")
	s.later, s.now, s.wall = request(l), d.I64(), d.I64()
	d.Check(s.now >= 0 && s.now < 1<<62, "clock")
	return d.Done("machine")
}

// sectionOf is the name of a device's section. Names of devices have spaces, names of
// sections have not.
func sectionOf(d vbus.Device) string {
	return "device/" + strings.ReplaceAll(d.Name(), " ", "-")
}

// order is the order in which devices are saved and loaded: an interrupt controller
// comes after what drives its pins. Input that arrives in between may then be an
// interrupt too many in the state, never one too few; and loading a device moves
// pins of a controller that is overwritten afterwards.
func order(devices []vbus.Device) []vbus.Device {
	rank := func(d vbus.Device) int {
		switch d.Name() {
		case "pic":
			return 1
		case "ioapic":
			return 2
		}
		return 0
	}
	out := make([]vbus.Device, 0, len(devices))
	for r := range 3 {
		for _, d := range devices {
			if rank(d) == r {
				out = append(out, d)
			}
		}
	}
	return out
}

// Save implements host.VM. The machine stands still until the end; its memory goes
// from where it is into w.
func (m *Machine) Save(ctx context.Context, w io.Writer, o host.SaveOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !m.busy.CompareAndSwap(false, true) {
		return host.ErrBusy
	}
	defer m.busy.Store(false)
	if len(o.Note) > host.MaxNote {
		return fmt.Errorf("vm: save: a note of %d bytes, at most %d are allowed", len(o.Note), host.MaxNote)
	}
	f := frozen{note: o.Note}
	if err := m.tell(action{kind: actFreeze, state: &f}); err != nil {
		return err
	}
	// From here on nothing runs, and nobody but us may start it: busy is ours.
	start := time.Now()
	n, err := f.write(ctx, w, o.Progress)
	if err != nil {
		m.p.event(m.conf.ID, "error", "not saved: "+err.Error())
		if f.ran {
			if again := m.tell(action{kind: actResume}); again != nil {
				m.p.log("vm %s: after a failed save: %v", m.conf.ID, again)
			}
		}
		return err
	}
	m.p.event(m.conf.ID, "info", fmt.Sprintf("saved: %d bytes in %v", n, time.Since(start).Round(time.Millisecond)))
	switch {
	case o.Then == host.AfterSaveStop:
		return m.tell(action{kind: actStop})
	case o.Then == host.AfterSaveGoOn && f.ran:
		return m.tell(action{kind: actResume})
	}
	return nil
}

// freeze pauses the machine and takes everything but its memory. On an error it
// goes on as before. The owner's.
func (m *Machine) freeze(f *frozen) error {
	f.ran = m.current() == host.StateRunning
	if f.ran {
		if err := m.pause(); err != nil {
			return err
		}
	}
	m.heard()
	err := m.empty()
	if err == nil {
		err = m.b.hold()
	}
	if err == nil {
		err = m.collect(f)
	}
	if err != nil && f.ran {
		if again := m.resume(); again != nil {
			m.p.log("vm %s: after a failed save: %v", m.conf.ID, again)
		}
	}
	return err
}

// heard takes what devices of a paused machine asked for and the owner has not looked at
// yet: it is in the state, or a guest that is restored goes on behind its own power-off.
func (m *Machine) heard() {
	for {
		select {
		case r := <-m.requests:
			m.device(r)
		default:
			return
		}
	}
}

// empty takes the devices out of the books that are on no bus any more: a state would
// promise what it does not have.
func (m *Machine) empty() error {
	for _, d := range slices.Clone(m.b.devices) {
		select {
		case <-m.b.pci.Gone(d.at):
		default:
			continue
		}
		if err := m.out(d); err != nil {
			return fmt.Errorf("vm: %s %q, which is being taken out, cannot be saved: %w: %w", d.kind, d.name, host.ErrNotSavable, err)
		}
	}
	return nil
}

func (m *Machine) collect(f *frozen) error {
	b := m.b
	c := m.conf
	c.UUID = host.FormatUUID(c.SystemUUID()) // it may come back under another ID
	conf, err := json.Marshal(savedConfig{c, b.layout()})
	if err != nil {
		return fmt.Errorf("vm: save: configuration: %w", err)
	}
	f.b = b
	f.header = checkpoint.Header{Engine: m.p.Factory.Name(), Level: m.conf.CPULevel, Fingerprint: b.cpus[0].CPUID.Fingerprint(), TSCKHz: m.p.TSCKHz,
		CPUs: uint32(len(b.cpus)), Memory: ranges(b.mem.Regions()), Generation: m.generation, Config: conf}
	f.machine = machineState{later: m.later, now: b.clock.Now(), wall: time.Now().UnixNano()}
	add := func(name string, data []byte) { f.sections = append(f.sections, section{name, data}) }
	add("machine", f.machine.encode())
	for _, d := range order(b.bus.Devices()) {
		s, ok := d.(vbus.Stateful)
		if !ok {
			return fmt.Errorf("vm: device %s cannot be saved: %w", d.Name(), host.ErrNotSavable)
		}
		data, err := s.SaveState()
		if err != nil {
			return fmt.Errorf("vm: device %s cannot be saved: %w: %w", d.Name(), host.ErrNotSavable, err)
		}
		add(sectionOf(d), data)
	}
	states := make([][]byte, len(m.cpus))
	fails := make([]error, len(m.cpus))
	for i, c := range m.cpus {
		c.call = func() { states[i], fails[i] = c.v.SaveState(m.frozen) }
		c.running = true
		m.running++
		c.run <- struct{}{}
	}
	for m.running > 0 {
		s := <-m.reports // its thread does our work and nothing else: it comes
		m.took(s)
		if s.stop.Reason != "" {
			fails[s.c.v.Index] = fmt.Errorf("%s", s.stop.Reason)
		}
	}
	for i := range states {
		if fails[i] != nil {
			return fmt.Errorf("vm: %w: %w", host.ErrNotSavable, fails[i])
		}
		apic, err := b.apics.At(i).SaveState()
		if err != nil {
			return fmt.Errorf("vm: local APIC %d cannot be saved: %w: %w", i, host.ErrNotSavable, err)
		}
		add(fmt.Sprintf("lapic/%d", i), apic)
		add(fmt.Sprintf("cpu/%d", i), states[i])
	}
	return nil
}

// hold pauses the devices that work by themselves, in bounded time. release ends it,
// whether it succeeded or not.
func (b *board) hold() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	b.held = true
	for _, d := range b.bus.Devices() {
		if p, ok := d.(vbus.Pausable); ok {
			if err := p.Pause(ctx); err != nil {
				return fmt.Errorf("vm: device %s cannot be saved now: %w: %w", d.Name(), host.ErrNotSavable, err)
			}
		}
	}
	return nil
}

func (b *board) unhold() {
	if !b.held {
		return
	}
	b.held = false
	for _, d := range b.bus.Devices() {
		if p, ok := d.(vbus.Pausable); ok {
			p.Resume()
		}
	}
}

// ranges joins what touches.
func ranges(in []gmem.Range) (out []checkpoint.Range) {
	for _, r := range in {
		if n := len(out); n > 0 && out[n-1].Start+out[n-1].Size == r.Start {
			out[n-1].Size += r.Size
			continue
		}
		out = append(out, checkpoint.Range{Start: r.Start, Size: r.Size})
	}
	return out
}

// write writes the stream and returns its length in bytes. progress may be nil.
func (f *frozen) write(ctx context.Context, w io.Writer, progress func(done, total uint64)) (int64, error) {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	s, err := checkpoint.NewWriter(w, &f.header)
	if err != nil {
		return 0, fmt.Errorf("vm: save: %w", err)
	}
	if f.note != nil {
		if err := s.Section(host.NoteSection, true, f.note); err != nil {
			return s.Bytes(), fmt.Errorf("vm: save: %s: %w", host.NoteSection, err)
		}
	}
	for _, x := range f.sections {
		if err := s.Section(x.name, false, x.data); err != nil {
			return s.Bytes(), fmt.Errorf("vm: save: %s: %w", x.name, err)
		}
	}
	total := f.b.mem.Resident()
	done := uint64(0)
	if err := f.b.mem.Frames(func(gpa uint64, frame []byte, pages *gmem.Pages) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := checkpoint.Pages(*pages)
		p.DropZero(frame)
		if err := s.Memory(gpa, &p, frame); err != nil {
			return err
		}
		done += gmem.FrameSize
		progress(done, total)
		return nil
	}); err != nil {
		return s.Bytes(), fmt.Errorf("vm: save: memory: %w", err)
	}
	if err := s.Close(); err != nil {
		return s.Bytes(), fmt.Errorf("vm: save: %w", err)
	}
	return s.Bytes(), nil
}
