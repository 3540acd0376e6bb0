package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
)

// TestGolden: a state of every version that was ever on main restores and runs.
func TestGolden(t *testing.T) {
	if *update {
		b := newBench(t, load()...)
		b.f.Loop = true
		b.start()
		b.wait(2)
		if err := os.WriteFile(filepath.Join("testdata", fmt.Sprintf("machine%d.state", host.HardwareNewest)), b.saved(host.AfterSaveStop), 0o644); err != nil {
			t.Fatal(err)
		}
		b = grown(t)
		b.wait(2)
		if err := os.WriteFile(filepath.Join("testdata", "machine1-grown.state"), b.saved(host.AfterSaveStop), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob("testdata/machine*.state")
	if len(files) == 0 {
		t.Fatal("no golden files")
	}
	for _, f := range files {
		state, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t)
		b.mgr.p.Budget = gmem.NewBudget(1 << 30)
		ran := make(chan vcpu.Regs, 1)
		b.f.Scripts[0] = []fakecpu.Step{{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { ran <- e.R }}}
		m := b.restore(state, "old")
		if m.b.post.Last() != 0x42 {
			t.Errorf("%s: POST code %#x", f, m.b.post.Last())
		}
		if v, _ := m.b.mem.Uint32(0x100000); v != 0x1badb002 {
			t.Errorf("%s: the kernel's first word is %#x", f, v)
		}
		if strings.HasSuffix(f, "-grown.state") {
			if at, size, flags := slot(m.b, 0); at != hotAt || size != 128<<20 || flags != 3 || m.b.numNodes != 2 {
				t.Errorf("%s: memory at %#x, %#x bytes, flags %d, %d nodes", f, at, size, flags, m.b.numNodes)
			}
			if v, _ := m.b.mem.Uint64(hotAt + 4096); v != 42 {
				t.Errorf("%s: the memory that came has %d", f, v)
			}
		}
		if err := m.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		if r := <-ran; r.RIP < 0x100000 || r.RIP > 0x101000 {
			t.Errorf("%s: RIP %#x", f, r.RIP)
		}
	}
}

// FuzzRestore: whatever comes, a machine is there and works, or nothing is.
func FuzzRestore(f *testing.F) {
	t := &testing.T{}
	b := newTable(t, load()...)
	b.f.Loop = true
	b.mgr.p.Budget = gmem.NewBudget(1 << 30)
	b.vm, _ = b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, MaxMemoryMiB: 264})
	b.start()
	if err := b.vm.AddMemory(context.Background(), 128); err != nil {
		f.Fatal(err)
	}
	b.wait(1)
	var w bytes.Buffer
	if err := b.vm.Save(context.Background(), &w, host.SaveOptions{Then: host.AfterSaveStop}); err != nil {
		f.Fatal(err)
	}
	f.Add("device/com1", []byte{1, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	in, _ := checkpoint.NewReader(bytes.NewReader(w.Bytes()))
	for {
		rec, err := in.Next()
		if err != nil {
			break
		}
		if rec.Kind == checkpoint.KindSection {
			f.Add(rec.Name, bytes.Clone(rec.Data))
		}
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		// The state with one section exchanged, or one more: the checksums are right.
		in, err := checkpoint.NewReader(bytes.NewReader(w.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		s, _ := checkpoint.NewWriter(&out, in.Header())
		for {
			rec, err := in.Next()
			if err == io.EOF {
				break
			}
			if rec.Kind == checkpoint.KindSection && rec.Name != name {
				s.Section(rec.Name, rec.Optional, rec.Data)
			}
		}
		s.Section(name, false, data)
		if s.Close() != nil {
			return // no name of a section
		}
		v, err := b.mgr.Restore(context.Background(), &out, host.RestoreOptions{ID: "x"})
		if err == nil {
			ctx := context.Background()
			if err := v.Resume(ctx); err != nil {
				t.Fatal(err)
			}
			_ = v.Save(ctx, io.Discard, host.SaveOptions{})
			if err := v.Stop(ctx); err != nil && !errors.Is(err, host.ErrState) {
				t.Fatal(err)
			}
			if err := b.mgr.Delete("x"); err != nil {
				t.Fatal(err)
			}
		}
		if b.frames.InUse() != 0 || b.mgr.p.Budget.Used() != 0 || len(b.mgr.List()) != 1 {
			t.Fatal("something is left")
		}
	})
}
