package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"basalt/mgmt/files"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
)

// stateLimit is what writing or reading a saved state may take.
const stateLimit = 30 * time.Minute

// suspension is what a suspended machine has instead of hardware.
type suspension struct {
	file  string // its state
	since time.Time
	hold  *files.Hold // on the state and the images of its disks
}

// Suspend is what a person says about a suspension.
type Suspend struct {
	File    string // where the state goes; "": the machine's name and ".state"
	Replace bool   // a file that is there may be replaced
}

// note is what management keeps in a saved state.
type note struct {
	Saved  time.Time
	Boot   Boot
	Format host.KernelFormat
}

func (v *Inventory) noteOf(e *entry) []byte {
	b, err := json.Marshal(note{v.now().UTC(), e.spec.Boot, e.format})
	if err != nil || len(b) > host.MaxNote {
		return nil
	}
	return b
}

func (v *Inventory) suspended(e *entry) *suspension {
	v.mu.Lock()
	defer v.mu.Unlock()
	return e.asleep
}

// savable says whether what stands behind the disks is there when the state is read.
func savable(c host.Config) error {
	for _, d := range c.Disks {
		if d.Kind == host.DiskRAM {
			return fmt.Errorf("disk %q of machine %q %w: what a disk of kind %q holds is in no file", d.Name, c.Name, host.ErrNotSavable, d.Kind)
		}
	}
	return nil
}

// limitOf is what an action may take: with a suspended machine it may read its state.
func limitOf(a Action) time.Duration {
	if a == Start || a == Resume {
		return stateLimit
	}
	return 0
}

// Suspend begins to write the state of a running or paused machine into a file of the
// store; then the machine is off, its disks are held, and it is suspended. When it
// fails, or is cancelled, the machine goes on as before and there is no file. Errors:
// host.ErrNotFound, host.ErrBusy; the task's: host.ErrState, host.ErrNotSavable,
// host.ErrExists for the file, files.ErrTooLarge, files.ErrPath.
func (v *Inventory) Suspend(id string, s Suspend, user string) (*task.Task, error) {
	e, err := v.find(id)
	if err != nil {
		return nil, err
	}
	if s.File == "" {
		s.File = e.spec.Name + ".state"
	}
	return v.long("vm.suspend", e, user, "suspended to "+s.File, func(ctx context.Context) error { return v.suspend(ctx, e, s) })
}

// long runs f as a task that may take long, and tells the event log.
func (v *Inventory) long(kind string, e *entry, user, what string, f func(context.Context) error) (*task.Task, error) {
	return v.tasks.Run(task.Request{Kind: kind, Object: e.id, User: user, Limit: stateLimit}, func(ctx context.Context) error {
		ev := host.Event{Kind: kind, Object: e.id, User: user, Message: fmt.Sprintf("machine %s: %s", e.spec.Name, what)}
		err := f(ctx)
		if err != nil {
			ev.Severity, ev.Message = host.SeverityWarning, fmt.Sprintf("%s of machine %s failed: %v", kind, e.spec.Name, err)
		}
		v.host.Events().Append(ev)
		return err
	})
}

func (v *Inventory) suspend(ctx context.Context, e *entry, s Suspend) error {
	st := e.vm.Status().State
	if v.suspended(e) != nil {
		st = host.StateSuspended
	}
	if st != host.StateRunning && st != host.StatePaused {
		return &host.StateError{Action: "suspend", State: st}
	}
	if err := savable(e.vm.Config()); err != nil {
		return err
	}
	w, err := v.files.NewWriter(s.File, !s.Replace)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := e.vm.Save(ctx, w, host.SaveOptions{Then: host.AfterSavePause, Note: v.noteOf(e),
		Progress: func(done, total uint64) { task.Progress(ctx, done, total) }}); err != nil {
		return err
	}
	// The machine is paused with its state written. Until it is off there is a way back.
	back := func(err error) error {
		if st == host.StateRunning {
			err = errors.Join(err, e.vm.Resume(context.WithoutCancel(ctx)))
		}
		return err
	}
	if err := ctx.Err(); err != nil {
		return back(err)
	}
	c := e.vm.Config() // of the state: a device may have left just before
	info, hold, err := w.CommitHeld(c.Name, images(c)...)
	if err != nil {
		return back(err)
	}
	if err := e.vm.Stop(context.WithoutCancel(ctx)); err != nil {
		return back(errors.Join(err, hold.Remove(info.Path)))
	}
	v.mu.Lock()
	e.asleep = &suspension{file: info.Path, since: v.now(), hold: hold}
	v.mu.Unlock()
	return nil
}

// images are the images behind the disks, to be kept as they are with the state.
func images(c host.Config) (held []files.Held) {
	for _, d := range c.Disks {
		if d.Kind == host.DiskImage {
			held = append(held, files.Held{Path: d.Image, ReadOnly: d.ReadOnly})
		}
	}
	return held
}

// actAsleep does an action on a suspended machine.
func (v *Inventory) actAsleep(ctx context.Context, e *entry, a Action) error {
	switch a {
	case Start, Resume:
		return v.wake(ctx, e)
	case Stop, Discard:
		return v.forget(e)
	}
	return &host.StateError{Action: string(a), State: host.StateSuspended}
}

// forget throws the state away.
func (v *Inventory) forget(e *entry) error {
	v.mu.Lock()
	s := e.asleep
	e.asleep = nil
	v.mu.Unlock()
	return s.hold.Remove(s.file)
}

// wake lets a suspended machine go on. The state is thrown away then: going on from it
// again would find other disks. On an error the machine is suspended as before.
func (v *Inventory) wake(ctx context.Context, e *entry) error {
	s := v.suspended(e)
	boot, err := v.bootOf(e)
	if err != nil {
		return err
	}
	c := e.vm.Config()
	if boot.Disks, err = v.openDisks(c); err != nil {
		boot.Close()
		return err
	}
	f, err := v.files.Open(s.file)
	if err != nil {
		boot.Close()
		return err
	}
	err = e.vm.Restore(ctx, f.Reader(), host.RestoreOptions{Boot: boot, Progress: func(done, total uint64) { task.Progress(ctx, done, total) }})
	f.Close()
	if err != nil {
		return err
	}
	if err := e.vm.Resume(context.WithoutCancel(ctx)); err != nil {
		// It has not run: its state is as good as before.
		return errors.Join(err, e.vm.Stop(context.WithoutCancel(ctx)))
	}
	return v.forget(e)
}

// bootOf opens what a reset would boot; without the files, which may be gone by now,
// a machine goes on, but cannot be reset.
func (v *Inventory) bootOf(e *entry) (host.Boot, error) {
	if e.spec.Boot.Kernel == "" {
		return host.Boot{}, nil
	}
	boot, err := v.openBoot(e.spec.Boot)
	if errors.Is(err, host.ErrNotFound) {
		v.host.Events().Append(host.Event{Severity: host.SeverityWarning, Kind: "vm.boot", Object: e.id,
			Message: fmt.Sprintf("machine %s goes on without its boot files and cannot be reset: %v", e.spec.Name, err)})
		return host.Boot{}, nil
	}
	return boot, err
}
