package vm

import (
	"context"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
)

// StartDirty begins to note what is written to the machine's memory, by its guest and by
// its devices, so that a copy can follow it while it runs. All memory that is there counts
// as written at first. A machine that runs stands still for a moment. Errors: StateError
// when it is off, gmem.ErrTracking when it is noted already, host.ErrNoMemory.
func (m *Machine) StartDirty(ctx context.Context) error {
	return m.alter(ctx, "follow the memory of", func(on bool) error {
		if !on {
			return &host.StateError{Action: "follow the memory of", State: host.StateOff}
		}
		ran := m.current() == host.StateRunning
		if ran {
			if err := m.pause(); err != nil {
				return err
			}
		}
		err := m.b.startDirty()
		if err == nil {
			err = m.b.mem.Frames(func(gpa uint64, _ []byte, _ *gmem.Pages) error {
				m.b.mem.MarkDirty(gpa, gmem.FrameSize)
				return nil
			})
		}
		if ran {
			if again := m.resume(); err == nil {
				err = again
			}
		}
		return translate(err)
	})
}

// CollectDirty calls f for each frame of 2 MiB with pages that were written since the last
// call, in ascending order, while the machine runs on: what f reads of them, and is written
// after that, is found by the next call. When the machine is paused, that is all that is
// missing in the copy. After an error, of f too, everything that was found counts as
// written again. Errors: gmem.ErrTracking when nothing is noted, also after the machine was
// off.
func (m *Machine) CollectDirty(ctx context.Context, f func(mem *gmem.Memory, gpa uint64, pages *gmem.Pages) error) error {
	return m.alter(ctx, "follow the memory of", func(on bool) error {
		if !on {
			return gmem.ErrTracking
		}
		list, err := m.b.collectDirty(nil)
		if err != nil {
			return translate(err)
		}
		for i := range list {
			if err := f(m.b.mem, list[i].gpa, &list[i].pages); err != nil {
				for _, d := range list {
					m.b.mem.MarkDirty(d.gpa, gmem.FrameSize)
				}
				return err
			}
		}
		return nil
	})
}

// StopDirty ends it.
func (m *Machine) StopDirty(ctx context.Context) error {
	return m.alter(ctx, "follow the memory of", func(on bool) error {
		if !on {
			return nil
		}
		return m.b.stopDirty()
	})
}
