package vm

import (
	"context"
	"strings"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
)

// newSMP is a bench with a machine of n CPUs, whose scripts are given.
func newSMP(t *testing.T, n int, scripts map[int][]fakecpu.Step) *bench {
	b := newTable(t)
	b.f.Scripts = scripts
	var err error
	if b.vm, err = b.mgr.Create(host.Config{ID: "vm-1", CPUs: n, MemoryMiB: 8}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.vm.Stop(context.Background())
		if err := b.mgr.Delete("vm-1"); err != nil {
			t.Error(err)
		}
		if b.frames.InUse() != 0 || b.mgr.p.Budget.Used() != 0 {
			t.Errorf("left: %d frames, %d bytes promised", b.frames.InUse(), b.mgr.p.Budget.Used())
		}
	})
	return b
}

func wrmsr(index uint32, value uint64) fakecpu.Step {
	return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: index, Value: value}}}
}

// startsOthers is a boot processor that turns x2APIC mode on and starts all others at
// page 8, with two start-up IPIs.
func startsOthers() []fakecpu.Step {
	return []fakecpu.Step{wrmsr(0x1b, 0xfee00d00), wrmsr(0x830, 0xc4500), wrmsr(0x830, 0xc4608), wrmsr(0x830, 0xc4609)}
}

// TestStartOfOthers: each begins where the first start-up IPI says, with the same
// counter; pause, resume and stop work while some still wait.
func TestStartOfOthers(t *testing.T) {
	const n = 64
	type seen struct {
		cpu int
		cs  uint64
		rip uint64
	}
	began := make(chan seen, n)
	scripts := map[int][]fakecpu.Step{0: startsOthers()}
	for i := 1; i < n; i++ {
		scripts[i] = []fakecpu.Step{{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt},
			Do: func(e *fakecpu.Engine) { began <- seen{i, e.S.CS.Base, e.R.RIP} }}}
	}
	b := newSMP(t, n, scripts)
	b.start()
	for range n - 1 {
		if s := <-began; s.cs != 0x8000 || s.rip != 0 {
			t.Errorf("CPU %d began at %x + %x", s.cpu, s.cs, s.rip)
		}
	}
	ctx := context.Background()
	for range 2 {
		if err := b.vm.Pause(ctx); err != nil {
			t.Fatal(err)
		}
		for i, e := range b.f.Engines() {
			if e.Offset != b.f.Engines()[0].Offset {
				t.Errorf("CPU %d: offset %d, CPU 0 has %d", i, e.Offset, b.f.Engines()[0].Offset)
			}
		}
		if err := b.vm.Resume(ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.state(host.StateRunning)
	if _, err := b.mgr.Create(host.Config{ID: "vm-2", CPUs: maxCPUs + 1, MemoryMiB: 8}); err == nil {
		t.Error("a machine with too many CPUs was made")
	}
}

// TestOthersWait: without a start-up IPI nothing is executed, and pause, reset and stop
// end.
func TestOthersWait(t *testing.T) {
	b := newSMP(t, 4, nil)
	b.start()
	ctx := context.Background()
	for _, f := range []func(context.Context) error{b.vm.Pause, b.vm.Resume, b.vm.Reset, b.vm.Pause, b.vm.Reset, b.vm.Stop} {
		if err := f(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range b.f.Engines() {
		if i > 0 && e.Entries != 0 {
			t.Errorf("CPU %d was entered", i)
		}
	}
}

// TestTripleFaultOfAnother ends all and says whose it was.
func TestTripleFaultOfAnother(t *testing.T) {
	b := newSMP(t, 4, map[int][]fakecpu.Step{0: startsOthers(), 2: {{Exit: vcpu.Exit{Kind: vcpu.KindTripleFault}}}})
	b.start()
	b.until("crashed")
	b.state(host.StateCrashed)
	if r := b.vm.Status().Reason; !strings.Contains(r, "CPU 2: triple fault") {
		t.Errorf("reason %q", r)
	}
	if err := b.vm.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestResetByAnother: the reset line pulled by one processor resets all: the others
// wait again.
func TestResetByAnother(t *testing.T) {
	wait := resetPause
	resetPause = 0
	t.Cleanup(func() { resetPause = wait })
	b := newSMP(t, 4, map[int][]fakecpu.Step{0: startsOthers(), 3: {out(0xcf9, 6)}})
	b.start()
	b.until("reset by the guest")
	if err := b.vm.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, e := range b.f.Engines() {
		if i > 0 && (e.R.RIP != 0xfff0 || e.S.CS.Base != 0xffff0000) {
			t.Errorf("CPU %d stands at %x + %x", i, e.S.CS.Base, e.R.RIP)
		}
	}
}
