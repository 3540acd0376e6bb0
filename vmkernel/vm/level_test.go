package vm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
)

// v2Host is an AMD processor with every feature of x86-64-v2 and POPCNT as well,
// unless poor.
func v2Host(poor bool) vcpu.HostCPUID {
	return func(l, _ uint32) (a, b, c, d uint32) {
		switch l {
		case 0:
			return 13, 0x68747541, 0x444d4163, 0x69746e65
		case 1:
			c = 1<<0 | 1<<9 | 1<<13 | 1<<19 | 1<<20 | 1<<23
			if poor {
				c &^= 1<<23 | 1<<20
			}
			return 0x800f12, 0, c, 0x178bfbff
		case 0x80000001:
			return 0, 0, 1, 1<<11 | 1<<20 | 1<<29
		case 0x80000008:
			return 0x3028, 0, 0, 0
		}
		return 0, 0, 0, 0
	}
}

func TestCPULevel(t *testing.T) {
	b := newTable(t)
	b.mgr.p.CPUID = v2Host(false)
	if got := b.mgr.CPULevels(); !slices.Equal(got, []string{"host", "x86-64-v2"}) {
		t.Errorf("levels %v", got)
	}
	refused := func(c host.Config, field, text string) {
		t.Helper()
		_, err := b.mgr.Create(c)
		var ce *host.ConfigError
		if !errors.As(err, &ce) || ce.Field != field || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	refused(host.Config{ID: "a", CPUs: 1, MemoryMiB: 8, CPULevel: "pentium"}, "cpuLevel", "x86-64-v3")
	refused(host.Config{ID: "a", CPUs: 1, MemoryMiB: 8, CPULevel: "x86-64-v3"}, "cpuLevel", "AVX2")
	refused(host.Config{ID: "a", CPUs: 1, MemoryMiB: 8, CPULevel: "x86-64-v4"}, "cpuLevel", "AVX512F")
	b.mgr.p.Budget = nil
	refused(host.Config{ID: "a", CPUs: 1, MemoryMiB: 1 << 20, CPULevel: "x86-64-v2"}, "memoryMiB", "36 bits: 64512")
	b = newTable(t)
	b.mgr.p.CPUID = v2Host(false)
	vm, err := b.mgr.Create(host.Config{ID: "a", CPUs: 1, MemoryMiB: 8, CPULevel: "x86-64-v2"})
	if err != nil {
		t.Fatal(err)
	}
	// The same machine on a host that has less.
	b.mgr.p.CPUID = v2Host(true)
	err = vm.Start(context.Background(), kernel(&b.closed))
	if err == nil || !strings.HasSuffix(err.Error(), "x86-64-v2: it lacks SSE4.2, POPCNT") {
		t.Errorf("start: %v", err)
	}
	if s := vm.Status(); s.State != host.StateOff || !strings.Contains(s.Reason, "SSE4.2, POPCNT") {
		t.Errorf("%+v", s)
	}
	b.mgr.p.CPUID = v2Host(false)
	if err := vm.Start(context.Background(), kernel(&b.closed)); err != nil {
		t.Fatal(err)
	}
	if err := vm.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := b.mgr.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if b.frames.InUse() != 0 || b.closed.Load() != 2 {
		t.Errorf("%d frames left, %d images closed", b.frames.InUse(), b.closed.Load())
	}
	// Without an engine a machine can be made, but not of a level that does not exist.
	b.mgr.p.Factory = nil
	if b.mgr.CPULevels() != nil {
		t.Error("levels without an engine")
	}
	refused(host.Config{ID: "a", CPUs: 1, MemoryMiB: 8, CPULevel: "x86-64-v5"}, "cpuLevel", "unknown level")
	if _, err := b.mgr.Create(host.Config{ID: "b", CPUs: 1, MemoryMiB: 8, CPULevel: "x86-64-v4"}); err != nil {
		t.Error(err)
	}
	if err := b.mgr.Delete("b"); err != nil {
		t.Error(err)
	}
}

// Management knows the names of all levels without knowing what they are.
func TestLevelNames(t *testing.T) {
	if !slices.Equal(host.CPULevels, vcpu.LevelNames()) {
		t.Errorf("host knows %v, vcpu %v", host.CPULevels, vcpu.LevelNames())
	}
}
