package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"basalt/mgmt/files"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
)

// NICs is what becomes of the network adapters of a copy.
type NICs string

// What there is to choose. A guest reads an adapter's address once, and then uses it:
// a copy cannot be given another one. So its adapters are pulled out before it runs,
// as by a person, and new ones are put into free slots.
const (
	NICsKeep NICs = "keep" // as they were, with their addresses
	NICsNew  NICs = "new"  // pulled out; new ones of the same names with new addresses
	NICsNone NICs = "none" // pulled out
)

// Clone is what a person says about a clone.
type Clone struct {
	Name string // of the new machine
	NICs NICs   // NICsNew or NICsNone; "": NICsNew
}

// Restore is what a person says about a machine from a state file.
type Restore struct {
	File string
	Name string // "": as saved
	NICs NICs   // "": NICsKeep
	// Images are other paths for the disks with these names. What they hold must be
	// what the disks held when the machine was saved.
	Images map[string]string
	// Boot, if it has a kernel, is what a reset and later starts boot; otherwise what
	// the machine had that was saved.
	Boot Boot
	// Paused leaves the machine paused.
	Paused bool
}

// Clone begins to make a second machine that goes on from where a running or paused
// one is, with a copy of each image that it writes to, new adapters, and a new
// generation ID. Both are then in the state in which the first was. The first stands
// still meanwhile; whatever fails, it goes on, and nothing else is left. Errors:
// host.ErrNotFound, host.ErrBusy, host.ErrExists; the task's: host.ErrState,
// host.ErrNotSavable, host.ErrExists for a copy's path, host.ErrNoMemory,
// files.ErrTooLarge.
func (v *Inventory) Clone(id string, in Clone, user string) (*task.Task, error) {
	e, err := v.find(id)
	if err != nil {
		return nil, err
	}
	if in.NICs == "" {
		in.NICs = NICsNew
	}
	if in.NICs != NICsNew && in.NICs != NICsNone {
		return nil, &host.ConfigError{Field: "nics", Err: fmt.Errorf("%q, a clone beside its original has adapters that are %s or %s", in.NICs, NICsNew, NICsNone)}
	}
	if err := checkName(in.Name); err != nil {
		return nil, &host.ConfigError{Field: "name", Err: err}
	}
	return v.long("vm.clone", e, user, "cloned as "+in.Name, func(ctx context.Context) error { return v.clone(ctx, e, in) })
}

func (v *Inventory) clone(ctx context.Context, e *entry, in Clone) (err error) {
	st := e.vm.Status().State
	if v.suspended(e) != nil {
		st = host.StateSuspended
	}
	if st != host.StateRunning && st != host.StatePaused {
		return &host.StateError{Action: "clone", State: st}
	}
	c := e.vm.Config()
	if err := savable(c); err != nil {
		return err
	}
	spec := e.spec
	spec.Name = in.Name
	n := &entry{id: newID(), spec: spec, format: e.format, created: v.now()}
	if err := v.reserve(n); err != nil {
		return err
	}
	v.takePool(c.CPU.Pool)
	m := making{v: v, e: n, pool: c.CPU.Pool}
	defer func() { err = m.end(err) }()
	old := c.Clone()
	c.ID, c.Name = n.id, in.Name
	noForwards(&c)
	if err := m.images(&c); err != nil {
		return err
	}
	m.boot, err = v.bootOf(n)
	if err != nil {
		return err
	}
	// The state goes from one machine to the other, through no file.
	r, w := io.Pipe()
	saved := make(chan error, 1)
	go func() {
		err := e.vm.Save(ctx, w, host.SaveOptions{Then: host.AfterSavePause, Progress: func(done, total uint64) { task.Progress(ctx, done, total) }})
		w.CloseWithError(err)
		saved <- err
	}()
	err = m.restore(ctx, r, c, in.NICs)
	r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	serr := <-saved
	if serr == nil {
		// The first machine is paused, its devices are at rest: this is the instant.
		for i := range old.Disks {
			if err == nil && old.Disks[i].Image != c.Disks[i].Image {
				err = v.files.Copy(ctx, old.Disks[i].Image, c.Disks[i].Image)
			}
		}
		if st == host.StateRunning {
			err = errors.Join(err, e.vm.Resume(context.WithoutCancel(ctx)))
		}
	} else if err == nil || errors.Is(err, serr) {
		err = serr // the other end's error only says that this one has ended
	}
	if err != nil {
		return err
	}
	return m.finish(ctx, c, in.NICs, st == host.StateRunning)
}

// making is a machine that is being made from a state.
type making struct {
	v      *Inventory
	e      *entry
	boot   host.Boot // until restore
	copies []string  // images that were made for it
	macs   []host.NICConfig
	pool   string
	vm     host.VM
}

// images makes an empty image for each one that the machine may write to, and names
// it in c.
func (m *making) images(c *host.Config) error {
	var from []string
	for _, d := range c.Disks {
		if d.Kind == host.DiskImage && !d.ReadOnly {
			from = append(from, d.Image)
		}
	}
	if need, free := m.v.files.Used(from...), m.v.files.Free(); uint64(need) > free {
		return fmt.Errorf("copies of the disks of %d bytes %w: %d bytes are free", need, files.ErrTooLarge, free)
	}
	for i, d := range c.Disks {
		if d.Kind != host.DiskImage || d.ReadOnly {
			continue
		}
		size := int64(0)
		for _, f := range m.v.files.List(d.Image) {
			if f.Path == d.Image {
				size = f.Bytes
			}
		}
		path := c.Name + "." + d.Name + ".img"
		if _, err := m.v.files.Create(path, size); err != nil {
			return err
		}
		m.copies = append(m.copies, path)
		c.Disks[i].Image = path
	}
	return nil
}

// restore reads the state into a new machine, which is paused then.
func (m *making) restore(ctx context.Context, r io.Reader, c host.Config, nics NICs) error {
	boot := m.boot
	m.boot = host.Boot{}
	var err error
	if boot.Disks, err = m.v.openDisks(c); err != nil {
		boot.Close()
		return err
	}
	if nics == NICsKeep {
		if err := m.v.takeMACs(c.Name, c.NICs); err != nil {
			boot.Close()
			var ce *host.ConfigError
			if errors.As(err, &ce) {
				err = fmt.Errorf("%w; restore it with new adapters, or without: %w", ce.Err, host.ErrInUse)
			}
			return err
		}
		m.macs = c.NICs
	}
	m.vm, err = m.v.host.VMs().Restore(ctx, r, host.RestoreOptions{ID: c.ID, Config: &c, Boot: boot, Unplugged: nics != NICsKeep, NewGeneration: true,
		Progress: func(done, total uint64) { task.Progress(ctx, done, total) }})
	return err
}

// finish changes the adapters, lets the machine run and enters it into the table.
func (m *making) finish(ctx context.Context, c host.Config, nics NICs, run bool) error {
	// It runs before the adapters go: they lead nowhere meanwhile, and the guest can let
	// them go.
	if run {
		if err := m.vm.Resume(ctx); err != nil {
			return err
		}
	}
	if nics != NICsKeep {
		for _, n := range c.NICs {
			if err := m.takeOut(ctx, n.Name, run); err != nil {
				return err
			}
		}
	}
	if nics == NICsNew {
		fresh := slices.Clone(c.NICs)
		for i := range fresh {
			fresh[i].MAC = ""
		}
		if err := m.v.takeMACs(c.Name, fresh); err != nil {
			return err
		}
		m.macs = fresh
		for _, n := range fresh {
			if err := m.vm.AttachNIC(ctx, n); err != nil {
				return err
			}
		}
	}
	m.v.mu.Lock()
	m.e.vm = m.vm
	m.v.mu.Unlock()
	return nil
}

// takeOut takes an adapter out. A guest that runs is asked to let it go: Linux 6.1 can poll
// an adapter for ever that is pulled out under traffic (virtnet_poll on a broken queue). One
// that takes no part, or not in time, sees it pulled out, as does one that is paused.
func (m *making) takeOut(ctx context.Context, name string, running bool) error {
	if running {
		if err := m.vm.DetachNIC(ctx, name, false); !errors.Is(err, host.ErrInUse) {
			return err
		}
	}
	err := m.vm.DetachNIC(ctx, name, true)
	if running && errors.Is(err, host.ErrNotFound) { // it has let it go just now
		return nil
	}
	return err
}

// end takes everything back after an error.
func (m *making) end(err error) error {
	m.boot.Close()
	if err == nil {
		return nil
	}
	err = unfit(err)
	if m.vm != nil {
		err = errors.Join(err, m.vm.Stop(context.Background()), m.v.host.VMs().Delete(m.e.id))
	}
	m.v.giveMACs(m.macs)
	m.v.givePool(m.pool)
	for _, p := range m.copies {
		err = errors.Join(err, m.v.files.Remove(p))
	}
	m.v.drop(m.e.id)
	return err
}

// SavedState is what a state file says.
type SavedState struct {
	host.SavedState
	note
	Bytes int64
}

// noForwards leaves the ports of the host to the machine that has them.
func noForwards(c *host.Config) {
	for i := range c.NICs {
		c.NICs[i].Forwards = nil
	}
}

// useImages puts other images behind the disks.
func useImages(c *host.Config, images map[string]string) error {
	for name, path := range images {
		i := slices.IndexFunc(c.Disks, func(d host.DiskConfig) bool { return d.Name == name })
		if i < 0 || c.Disks[i].Kind != host.DiskImage {
			return &host.ConfigError{Field: "images." + name, Err: fmt.Errorf("the saved machine has no disk %q with an image", name)}
		}
		c.Disks[i].Image = path
	}
	return nil
}

// unfit makes of what is wrong with a field that nobody has sent a reason why the
// machine does not fit here.
func unfit(err error) error {
	var ce *host.ConfigError
	if errors.As(err, &ce) {
		return fmt.Errorf("%w: %s: %w", host.ErrIncompatible, ce.Field, ce.Err)
	}
	return err
}

// State reads the beginning of a state file; with check all of it. Errors:
// files.ErrPath, host.ErrNotFound, host.ErrInUse, host.ErrBadState,
// host.ErrIncompatible.
func (v *Inventory) State(path string, check bool) (SavedState, error) {
	f, err := v.files.Open(path)
	if err != nil {
		return SavedState{}, err
	}
	defer f.Close()
	s, err := readState(f)
	if err == nil && check {
		err = host.CheckState(f.Reader())
	}
	if err != nil {
		return s, fmt.Errorf("file %q: %w", path, err)
	}
	return s, nil
}

func readState(f *files.File) (s SavedState, err error) {
	s.Bytes = f.Size()
	if s.SavedState, err = host.InspectState(f.Reader()); err != nil {
		return s, err
	}
	if s.Note != nil && json.Unmarshal(s.Note, &s.note) != nil {
		s.note = note{} // somebody else's
	}
	return s, nil
}

// Restore begins to make a machine from a state file, which stays. The machine has a
// new generation ID: nobody knows whether another one goes on from the same state. What the images of its disks hold is not in the state; they
// have to be there as they were. Errors: those of State, host.ErrExists; the task's:
// host.ErrNoMemory, host.ErrInUse for disks and addresses, host.ConfigError.
func (v *Inventory) Restore(in Restore, user string) (string, *task.Task, error) {
	if in.NICs == "" {
		in.NICs = NICsKeep
	}
	if in.NICs != NICsKeep && in.NICs != NICsNew && in.NICs != NICsNone {
		return "", nil, &host.ConfigError{Field: "nics", Err: fmt.Errorf("%q is none of %s, %s, %s", in.NICs, NICsKeep, NICsNew, NICsNone)}
	}
	s, err := v.State(in.File, false)
	if err != nil {
		return "", nil, err
	}
	c := s.SavedState.Config.Clone()
	if in.Name != "" {
		c.Name = in.Name
	}
	if err := checkName(c.Name); err != nil {
		return "", nil, &host.ConfigError{Field: "name", Err: err}
	}
	if err := c.CheckDevices(); err != nil {
		return "", nil, unfit(err)
	}
	if in.NICs != NICsKeep {
		noForwards(&c)
	}
	if err := useImages(&c, in.Images); err != nil {
		return "", nil, err
	}
	spec := Spec{Name: c.Name, CPUs: c.CPUs, MemoryMiB: c.MemoryMiB, Boot: s.Boot, CPULevel: c.CPULevel, Hardware: max(c.Hardware, 1)}
	if in.Boot.Kernel != "" {
		spec.Boot = in.Boot
	}
	e := &entry{id: newID(), spec: spec, format: s.Format, created: v.now()}
	c.ID, c.Hardware = e.id, spec.Hardware
	if err := v.reserve(e); err != nil {
		return "", nil, err
	}
	t, err := v.long("vm.restore", e, user, "restored from "+in.File, func(ctx context.Context) (err error) {
		v.takePool(c.CPU.Pool)
		if _, none := v.host.Pools().Get(c.CPU.Pool); c.CPU.Pool != "" && none != nil {
			v.givePool(c.CPU.Pool)
			v.host.Events().Append(host.Event{Severity: host.SeverityWarning, Kind: "vm.restore", Object: e.id, User: user,
				Message: fmt.Sprintf("machine %s was in resource pool %q, which is not here: it is in none", c.Name, c.CPU.Pool)})
			c.CPU.Pool = ""
			v.takePool("")
		}
		m := making{v: v, e: e, pool: c.CPU.Pool}
		defer func() { err = m.end(err) }()
		if m.boot, err = v.bootOf(e); err != nil {
			return err
		}
		f, err := v.files.Open(in.File)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := m.restore(ctx, f.Reader(), c, in.NICs); err != nil {
			return err
		}
		return m.finish(ctx, c, in.NICs, !in.Paused)
	})
	if err != nil {
		v.drop(e.id)
	}
	return e.id, t, err
}
