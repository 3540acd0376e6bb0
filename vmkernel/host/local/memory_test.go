package local

import (
	"errors"
	"strings"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/host"
)

// small is a host with 16 frames for machines and files.
func small() (m memory, frames *gmemtest.Frames) {
	frames = &gmemtest.Frames{Limit: 16}
	b := gmem.NewHostBudget(16*gmem.FrameSize, func() uint64 { return uint64(16-frames.InUse()) * gmem.FrameSize })
	return memory{b, frames}, frames
}

func machineOf(m memory, frames uint64) (*gmem.Memory, error) {
	return gmem.New(gmem.Config{Frames: m.frames, Budget: m.budget, Regions: []gmem.Range{{Start: 0, Size: frames * gmem.FrameSize}}})
}

// TestPromisedMemoryIsThere: files do not get what a machine was promised, whether it
// has touched it or not; and a machine is not promised what files have.
func TestPromisedMemoryIsThere(t *testing.T) {
	m, frames := small()
	vm, err := machineOf(m, 10)
	if err != nil {
		t.Fatal(err)
	}
	touch := func(from, to uint64) {
		t.Helper()
		for i := from; i < to; i++ {
			if !vm.PutUint64(i*gmem.FrameSize, i) {
				t.Fatalf("the machine did not get frame %d of its 10; %d are out", i, frames.InUse())
			}
		}
	}
	touch(0, 3)
	var files []host.Chunk
	for {
		if want := uint64(6-len(files)) * gmem.FrameSize; m.Free() != want {
			t.Fatalf("%d bytes are free beside %d files, want %d", m.Free(), len(files), want)
		}
		c, err := m.Alloc()
		if err != nil {
			if !errors.Is(err, host.ErrNoMemory) || !strings.Contains(err.Error(), "0 of 32 MiB are free") {
				t.Errorf("the last file: %v", err)
			}
			break
		}
		files = append(files, c)
	}
	if len(files) != 6 {
		t.Errorf("files got %d frames beside the 10 that were promised", len(files))
	}
	touch(3, 10)
	if vm.Reclaim(gmem.FrameSize, func() error { return nil }); m.Free() != 0 {
		t.Errorf("%d bytes that the balloon gave back are free; they are promised still", m.Free())
	}
	if err := vm.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := machineOf(m, 11); !errors.Is(err, gmem.ErrNoMemory) || !strings.Contains(err.Error(), "22 MiB wanted, 20 of 32 MiB are free") {
		t.Errorf("a machine of 11 frames beside 6 of files: %v", err)
	}
	for _, c := range files {
		if c.Bytes()[0] = 1; len(c.Bytes()) != host.ChunkSize {
			t.Error("size of a chunk")
		}
		c.Release()
		c.Release()
	}
	if m.Free() != 16*gmem.FrameSize || frames.InUse() != 0 || m.budget.Used() != 0 {
		t.Errorf("at the end %d bytes are free, %d frames out", m.Free(), frames.InUse())
	}
}

// TestHostGrows: what the host took for itself since its start is not promised again,
// and takes nothing that was.
func TestHostGrows(t *testing.T) {
	m, frames := small()
	vm, err := machineOf(m, 4)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		frames.Alloc2M()
	}
	if got := m.Free(); got != 2*gmem.FrameSize {
		t.Errorf("%d bytes are free", got)
	}
	frames.Alloc2M()
	frames.Alloc2M()
	frames.Alloc2M() // more than it should: nothing is left, and less than that
	if _, err := m.Alloc(); m.Free() != 0 || !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("%d bytes are free, %v", m.Free(), err)
	}
	if err := vm.Close(); err != nil || m.Free() != 3*gmem.FrameSize {
		t.Errorf("%d bytes are free, %v", m.Free(), err)
	}
}
