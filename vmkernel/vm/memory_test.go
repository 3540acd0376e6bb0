package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/memhp"
)

// slot is what the guest reads of a memory device.
func slot(b *board, n byte) (at, size uint64, flags byte) {
	b.bus.WritePort(memhp.Base, []byte{n, 0, 0, 0})
	read := func(off uint16) (v uint64) {
		p := make([]byte, 4)
		b.bus.ReadPort(memhp.Base+off, p)
		for i, x := range p {
			v |= uint64(x) << (8 * i)
		}
		return v
	}
	return read(0) | read(4)<<32, read(8) | read(12)<<32, byte(read(20))
}

// create makes the machine of the bench, on a host with so much memory.
func (b *bench) create(memory uint64, c host.Config) {
	b.t.Helper()
	b.mgr.p.Budget = gmem.NewBudget(memory)
	var err error
	if b.vm, err = b.mgr.Create(c); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = b.vm.Stop(context.Background())
		if err := b.mgr.Delete(c.ID); err != nil {
			b.t.Error(err)
		}
	})
}

// hotAt is where memory comes to a machine of a few MiB.
const hotAt = 4 << 30

// TestAddMemory: what comes is announced, is memory, and is in saved states.
func TestAddMemory(t *testing.T) {
	ctx := context.Background()
	wait, entered, acted := pressed()
	flag := make(chan uint64, 1)
	b := newTable(t, wait, out(acpipm.GPEAt+2, 1<<acpipm.GPEMemory), in(acpipm.GPEAt),
		fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { flag <- e.R.GPR[vcpu.RAX] & 0xff }})
	b.create(1<<30, host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, MaxMemoryMiB: 8 + 2048})
	b.start()
	<-entered
	m := b.vm.(*Machine)
	if m.b.mem.Contains(hotAt, 1) {
		t.Error("memory is there that did not come")
	}
	if err := b.mgr.p.Budget.Reserve(256 << 20); err != nil { // somebody else's
		t.Fatal(err)
	}
	free := (760<<20 - m.Status().MemoryOverhead) >> 20
	if err := m.AddMemory(ctx, 768); !errors.Is(err, host.ErrNoMemory) || !strings.Contains(err.Error(), fmt.Sprint(free, " of 1024 MiB are free")) {
		t.Errorf("over-promised: %v", err)
	}
	b.mgr.p.Budget.Release(256 << 20)
	if err := m.AddMemory(ctx, 1024); !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("more than the host has: %v", err)
	}
	if err := m.AddMemory(ctx, 2176); !errors.Is(err, host.ErrTooMany) {
		t.Errorf("beyond the limit: %v", err)
	}
	if got := m.b.memhp.Devices(); len(got) != 0 || m.Config().MemoryMiB != 8 {
		t.Errorf("after refusals %+v", got)
	}
	for _, mib := range []int{128, 256} {
		if err := m.AddMemory(ctx, mib); err != nil {
			t.Fatal(err)
		}
	}
	close(acted)
	if v := <-flag; v != 1<<acpipm.GPEMemory {
		t.Errorf("GPE0_STS %#x", v)
	}
	if at, size, f := slot(m.b, 1); at != hotAt+128<<20 || size != 256<<20 || f != memhp.Present|memhp.Fresh {
		t.Errorf("the second piece is at %#x, %#x bytes, flags %#x", at, size, f)
	}
	const last = hotAt + 384<<20 - 8
	if !m.b.mem.PutUint64(last, 42) || m.b.mem.Contains(last+8, 1) {
		t.Error("the end of what came")
	}
	if ok, err := (&cpuIO{b: m.b}).Backed(hotAt, true); !ok || err != nil {
		t.Errorf("the guest's first touch: %v, %v", ok, err)
	}
	// The guest says what it made of it.
	m.b.bus.WritePort(memhp.Base, []byte{0, 0, 0, 0})
	m.b.bus.WritePort(memhp.Base+8, []byte{0, 0, 0, 0})
	b.until("the guest took the 128 MiB")
	m.b.bus.WritePort(memhp.Base, []byte{1, 0, 0, 0})
	m.b.bus.WritePort(memhp.Base+8, []byte{0x80, 0, 0, 0})
	b.until("did not take the 256 MiB of memory that were added: status 0x80")

	// Saved, and restored beside it and in its place.
	state := b.saved(host.AfterSavePause)
	twin := b.restore(state, "twin")
	if v, ok := twin.b.mem.Uint64(last); v != 42 || !ok || twin.Config().MemoryMiB != 392 {
		t.Errorf("restored: %d, %v, %d MiB", v, ok, twin.Config().MemoryMiB)
	}
	if err := twin.AddMemory(ctx, 128); err != nil {
		t.Error(err)
	}
	if at, _, f := slot(twin.b, 2); at != last+8 || f != memhp.Present|memhp.Fresh {
		t.Errorf("the third piece is at %#x, flags %#x", at, f)
	}
	if _, _, f := slot(twin.b, 0); f != memhp.Present|memhp.Fresh {
		t.Errorf("the first, which its guest has not taken: flags %#x", f)
	}
	if err := twin.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if used := b.mgr.p.Budget.Used() - b.vm.Status().MemoryOverhead; used != 392<<20 {
		t.Errorf("%d MiB are promised", used>>20)
	}
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	first, second := parts(t, state), parts(t, b.saved(host.AfterSavePause))
	delete(first, "device/rtc")
	delete(second, "device/rtc")
	same(t, "restored", first, second)
}

// TestMemoryAfterReset: all of it is in the memory map and none of it new.
func TestMemoryAfterReset(t *testing.T) {
	ctx := context.Background()
	b := newTable(t, out(0x3f8, 'x'))
	b.f.Loop = true
	b.create(1<<30, host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, MaxMemoryMiB: 520})
	b.start()
	for range 2 {
		if err := b.vm.AddMemory(ctx, 128); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.vm.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.vm.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	m := b.vm.(*Machine)
	for i, at := range []uint64{hotAt, hotAt + 128<<20} {
		if got, size, f := slot(m.b, byte(i)); got != at || size != 128<<20 || f != memhp.Present {
			t.Errorf("slot %d: %#x+%#x flags %#x", i, got, size, f)
		}
	}
	if got, want := ranges(m.b.mem.Regions()), []checkpoint.Range{{Start: 0, Size: 8 << 20}, {Start: hotAt, Size: 256 << 20}}; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := m.b.says.Memory; len(got) != 2 || got[1].Size != 256<<20 {
		t.Errorf("SMBIOS %+v", got)
	}
	if err := b.vm.AddMemory(ctx, 128); err != nil {
		t.Error(err)
	}
	if err := b.vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	b.start() // all of it from the start
	if s := m.b.space; s.low != 392<<20 || len(s.added) != 0 || s.hot.Size != 128<<20 || len(m.b.memhp.Devices()) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestMemorySlots: pieces are as many as the guest has devices for.
func TestMemorySlots(t *testing.T) {
	ctx := context.Background()
	b := newTable(t, out(0x3f8, 'x'))
	b.f.Loop = true
	b.create(16<<30, host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, MaxMemoryMiB: 8 << 10})
	b.start()
	for range memhp.Slots {
		if err := b.vm.AddMemory(ctx, 128); err != nil {
			t.Fatal(err)
		}
	}
	var bad *host.ConfigError
	if err := b.vm.AddMemory(ctx, 128); !errors.As(err, &bad) || !errors.Is(err, host.ErrTooMany) || !strings.Contains(err.Error(), "came 32 times") {
		t.Errorf("one too many: %v", err)
	}
	if used := b.mgr.p.Budget.Used() - b.vm.Status().MemoryOverhead; used != 8<<20+memhp.Slots*128<<20 {
		t.Errorf("%d MiB are promised", used>>20)
	}
}

// TestMemoryLimits are configurations and states that are refused.
func TestMemoryLimits(t *testing.T) {
	b := newTable(t)
	for name, c := range map[string]struct {
		conf  host.Config
		field string
	}{
		"below":          {host.Config{CPUs: 1, MemoryMiB: 16, MaxMemoryMiB: 8}, "maxMemoryMiB"},
		"negative":       {host.Config{CPUs: 1, MemoryMiB: 16, MaxMemoryMiB: -1}, "maxMemoryMiB"},
		"enormous":       {host.Config{CPUs: 1, MemoryMiB: 16, MaxMemoryMiB: 1<<30 + 1}, "maxMemoryMiB"},
		"too many bits":  {host.Config{CPUs: 1, MemoryMiB: 16, MaxMemoryMiB: 64 << 10, CPULevel: "x86-64-v2"}, "maxMemoryMiB"},
		"nodes":          {host.Config{CPUs: 2, MemoryMiB: 32, NUMANodes: 3}, "numaNodes"},
		"nodes' memory":  {host.Config{CPUs: 4, MemoryMiB: 32, NUMANodes: 4}, "numaNodes"},
		"too many nodes": {host.Config{CPUs: 64, MemoryMiB: 60, NUMANodes: 9}, "numaNodes"},
		"negative nodes": {host.Config{CPUs: 2, MemoryMiB: 60, NUMANodes: -1}, "numaNodes"},
	} {
		b.mgr.p.Factory = nil // no level is wrong then
		if c.conf.CPULevel != "" {
			b.mgr.p.Factory = b.f
		}
		c.conf.ID = "x"
		err := b.mgr.check(c.conf)
		if c.conf.CPULevel != "" {
			at := spaceOf(c.conf, nil)
			err = at.fits(36)
		}
		var bad *host.ConfigError
		if !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		conf  string
		bytes []checkpoint.Range
	}{
		"a step":        {`{"CPUs":1,"MemoryMiB":108,"MaxMemoryMiB":1024,"Layout":{"Memory":[100]}}`, []checkpoint.Range{{Size: 8 << 20}, {Start: hotAt, Size: 100 << 20}}},
		"all of it":     {`{"CPUs":1,"MemoryMiB":128,"MaxMemoryMiB":1024,"Layout":{"Memory":[128]}}`, []checkpoint.Range{{Start: hotAt, Size: 128 << 20}}},
		"more":          {`{"CPUs":1,"MemoryMiB":136,"MaxMemoryMiB":1024,"Layout":{"Memory":[128,128]}}`, []checkpoint.Range{{Size: 8 << 20}}},
		"negative":      {`{"CPUs":1,"MemoryMiB":8,"MaxMemoryMiB":1024,"Layout":{"Memory":[-128]}}`, []checkpoint.Range{{Size: 136 << 20}}},
		"wraps":         {`{"CPUs":1,"MemoryMiB":8,"MaxMemoryMiB":1024,"Layout":{"Memory":[4611686018427387904,4611686018427387904]}}`, []checkpoint.Range{{Size: 8 << 20}}},
		"none can come": {`{"CPUs":1,"MemoryMiB":136,"Layout":{"Memory":[128]}}`, []checkpoint.Range{{Size: 8 << 20}, {Start: hotAt, Size: 128 << 20}}},
		"elsewhere":     {`{"CPUs":1,"MemoryMiB":136,"MaxMemoryMiB":1024,"Layout":{"Memory":[128]}}`, []checkpoint.Range{{Size: 136 << 20}}},
		"33 times":      {fmt.Sprintf(`{"CPUs":1,"MemoryMiB":4232,"MaxMemoryMiB":8192,"Layout":{"Memory":[%s128]}}`, strings.Repeat("128,", 32)), []checkpoint.Range{{Size: 8 << 20}, {Start: hotAt, Size: 4224 << 20}}},
	} {
		p := *b.mgr.p
		p.Factory, p.Budget = b.f, nil
		_, _, err := p.accept(&checkpoint.Header{Engine: b.f.Name(), TSCKHz: p.TSCKHz, CPUs: 1, Memory: c.bytes, Config: []byte(c.conf)})
		if !errors.Is(err, host.ErrBadState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := *b.mgr.p
	p.Factory, p.Budget = b.f, nil
	_, l, err := p.accept(&checkpoint.Header{Engine: b.f.Name(), TSCKHz: p.TSCKHz, CPUs: 1, Memory: []checkpoint.Range{{Size: 8 << 20}, {Start: hotAt, Size: 256 << 20}},
		Config: []byte(`{"CPUs":1,"MemoryMiB":264,"MaxMemoryMiB":1024,"Layout":{"Memory":[128,128]}}`)})
	if err != nil || !slices.Equal(l.Memory, []int{128, 128}) {
		t.Errorf("a good one: %v", err)
	}
}

// TestSpace: where the memory of machines of many sizes is, and can come.
func TestSpace(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		boot, most int
		added      []int
		low, high  uint64
		hot        gmem.Range
		top        uint64
	}{
		{8, 0, nil, 8 << 20, 0, gmem.Range{}, 0},
		{4096, 0, nil, 3 * gib, gib, gmem.Range{}, 5 * gib},
		{5, 5, nil, 6 << 20, 0, gmem.Range{Start: 4 * gib}, 0},
		{512, 1000, nil, 512 << 20, 0, gmem.Range{Start: 4 * gib, Size: 512 << 20}, 4*gib + 512<<20},
		{4096, 8192, []int{128, 1024}, 3 * gib, gib, gmem.Range{Start: 6 * gib, Size: 4 * gib}, 10 * gib},
		{5120, 6144, nil, 3 * gib, 2 * gib, gmem.Range{Start: 6 * gib, Size: gib}, 7 * gib},
	} {
		sum := c.boot
		for _, mib := range c.added {
			sum += mib
		}
		s := spaceOf(host.Config{MemoryMiB: sum, MaxMemoryMiB: c.most}, c.added)
		if s.low != c.low || s.high != c.high || s.hot != c.hot || s.top() != c.top {
			t.Errorf("%d of %d MiB: %+v, ends at %#x", c.boot, c.most, s, s.top())
		}
	}
	s := spaceOf(host.Config{MemoryMiB: 4096 + 1152, MaxMemoryMiB: 8192}, []int{128, 1024})
	if want := []gmem.Range{{Start: 0, Size: 3 * gib}, {Start: 4 * gib, Size: gib}, {Start: 6 * gib, Size: 128 << 20}, {Start: 6*gib + 128<<20, Size: gib}}; !reflect.DeepEqual(s.regions(), want) {
		t.Errorf("%+v", s.regions())
	}
	if s.fits(34) != nil || s.fits(33) == nil {
		t.Error("bits of addresses")
	}
}
