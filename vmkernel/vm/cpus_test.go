package vm

import (
	"context"
	"errors"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/cpuhp"
	"basalt/vmkernel/vdev/lapic"
)

// sipi are steps that send an INIT and a SIPI with a page to CPU 1, in x2APIC mode.
func sipi(page uint64) []fakecpu.Step {
	icr := func(v uint64) fakecpu.Step {
		return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x830, Value: v}},
			Do: func(e *fakecpu.Engine) {
				e.R.GPR[vcpu.RCX], e.R.GPR[vcpu.RAX], e.R.GPR[vcpu.RDX] = 0x830, v&0xffffffff, v>>32
			}}
	}
	mode := uint64(lapic.DefaultBase | lapic.BaseEN | lapic.BaseEXTD | 1<<8)
	return []fakecpu.Step{{Exit: vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: lapic.MSRAPICBase, Value: mode}},
		Do: func(e *fakecpu.Engine) {
			e.R.GPR[vcpu.RCX], e.R.GPR[vcpu.RAX], e.R.GPR[vcpu.RDX] = lapic.MSRAPICBase, mode&0xffffffff, mode>>32
		}}, icr(1<<32 | 0x4500), icr(1<<32 | 0x4600 | page)}
}

// TestAddCPUs: a processor that the machine does not have cannot be started by its
// guest; one that is added is announced and can.
func TestAddCPUs(t *testing.T) {
	ctx := context.Background()
	wait, entered, acted := pressed()
	flag := make(chan uint64, 1)
	script := append(sipi(0x41), wait, out(acpipm.Base+0xe, 2), in(acpipm.Base+0xc),
		fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { flag <- e.R.GPR[vcpu.RAX] & 0xff }})
	script = append(script, sipi(0x42)[1:]...)
	b := newTable(t, script...)
	started := make(chan uint64, 1)
	b.f.Scripts[1] = []fakecpu.Step{{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { started <- e.S.CS.Base }}}
	var err error
	if b.vm, err = b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MaxCPUs: 3, MemoryMiB: 8}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = b.vm.Stop(ctx)
		if err := b.mgr.Delete("vm-1"); err != nil {
			t.Error(err)
		}
	}()
	b.start()
	<-entered
	m := b.vm.(*Machine)
	if s := m.Status(); len(s.CPUs) != 1 || len(m.cpus) != 3 || len(started) != 0 {
		t.Errorf("%d CPUs in the status, %d threads, %d started", len(s.CPUs), len(m.cpus), len(started))
	}
	var bad *host.ConfigError
	if err := m.AddCPUs(ctx, 3); !errors.As(err, &bad) || !errors.Is(err, host.ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
	if err := m.AddCPUs(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if m.Config().CPUs != 2 || !m.b.hotplug.Has(1) || m.b.hotplug.Has(2) {
		t.Errorf("%d CPUs", m.Config().CPUs)
	}
	close(acted)
	if v := <-flag; v&2 == 0 {
		t.Errorf("GPE0_STS %#x", v)
	}
	if base := <-started; base != 0x42000 {
		t.Errorf("CPU 1 began at %#x", base)
	}

	// The state has them all, and a machine that is restored can have more.
	state := b.saved(host.AfterSaveStop)
	r := b.restore(state, "other")
	if c := r.Config(); c.CPUs != 2 || c.MaxCPUs != 3 || len(r.cpus) != 3 {
		t.Errorf("restored: %d of %d", c.CPUs, c.MaxCPUs)
	}
	if err := r.AddCPUs(ctx, 1); err != nil || !r.b.hotplug.Has(2) {
		t.Error(err)
	}
	p := []byte{0}
	r.b.bus.WritePort(cpuhp.Base, []byte{2, 0, 0, 0})
	r.b.bus.ReadPort(cpuhp.FlagAt, p)
	if p[0] != cpuhp.Present|cpuhp.Fresh {
		t.Errorf("flags %#x", p[0])
	}
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	// Off, it is only a number.
	if err := m.AddCPUs(ctx, 1); err != nil || m.Config().CPUs != 3 {
		t.Errorf("off: %v", err)
	}
	if err := m.AddCPUs(ctx, 1); !errors.Is(err, host.ErrTooMany) {
		t.Errorf("full: %v", err)
	}
	for _, n := range []int{1, 65} {
		if _, err := b.mgr.Create(host.Config{ID: "x", CPUs: 2, MaxCPUs: n, MemoryMiB: 8}); !errors.As(err, &bad) || bad.Field != "maxCPUs" {
			t.Errorf("at most %d: %v", n, err)
		}
	}
}
