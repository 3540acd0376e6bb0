package vm

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
	"basalt/vmkernel/vdev/lapic"
)

// allX2APIC says whether every local APIC of the board has its wide ID and listens to it.
func allX2APIC(t *testing.T, when string, b *board) {
	t.Helper()
	for i := range b.cpus {
		if a := b.apics.At(i); a.ID() != uint32(i)<<8 || !a.X2APIC() {
			t.Errorf("%s: CPU %d: ID %d, x2APIC mode %v", when, i, a.ID(), a.X2APIC())
		}
	}
}

// TestWideIDs: a machine whose second processor has ID 256 is handed over in x2APIC
// mode, its guest reaches the others by their IDs, one that comes too, and all of it
// stays over resets and in a saved state.
func TestWideIDs(t *testing.T) {
	ctx := context.Background()
	wait, entered, acted := pressed()
	start := func(id, page uint64) []fakecpu.Step {
		return []fakecpu.Step{wrmsr(0x830, id<<32|0x4500), wrmsr(0x830, id<<32|0x4600|page)}
	}
	script := append(start(1, 0x40), start(256, 0x41)...)
	script = append(script, start(512, 0x40)...) // which is not there yet
	script = append(script, wait)
	script = append(script, start(512, 0x42)...)
	b := newTable(t, script...)
	began := make(chan uint64, 8)
	for i := 1; i < 4; i++ {
		b.f.Scripts[i] = []fakecpu.Step{{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { began <- uint64(i)<<32 | e.S.CS.Base }}}
	}
	c := host.Config{ID: "vm-1", CPUs: 2, MaxCPUs: 4, MemoryMiB: 8, APICIDStep: 256}
	b.create(64<<20, c)
	b.start()
	<-entered
	m := b.vm.(*Machine)
	allX2APIC(t, "at the start", m.b)
	if err := m.AddCPUs(ctx, 1); err != nil {
		t.Fatal(err)
	}
	close(acted)
	if one, two := <-began, <-began; min(one, two) != 1<<32|0x41000 || max(one, two) != 2<<32|0x42000 {
		t.Errorf("%x and %x began", one, two)
	}

	state := b.saved(host.AfterSaveGoOn)
	r := b.restore(state, "other")
	if got := r.Config().APICIDStep; got != 256 {
		t.Errorf("restored: step %d", got)
	}
	allX2APIC(t, "restored", r.b)
	if !r.b.apics.Signal(0xfee00000|1<<5, 0x400) { // an NMI: no guest has enabled its APIC
		t.Error("restored: no message reaches ID 256")
	}
	for step, want := range map[int]bool{0: false, 1: false, 128: false, 256: true} {
		other := c
		other.CPUs, other.APICIDStep, other.Hardware = 3, step, host.HardwareNewest
		v, err := b.mgr.Restore(ctx, bytes.NewReader(state), host.RestoreOptions{ID: "third", Config: &other})
		var bad *host.ConfigError
		if (err == nil) != want || !want && (!errors.As(err, &bad) || bad.Field != "apicIDStep") {
			t.Errorf("into step %d: %v", step, err)
		}
		if err == nil {
			_ = v.Stop(ctx)
			_ = b.mgr.Delete("third")
		}
	}
	if err := m.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	allX2APIC(t, "after a reset", m.b)
}

// TestNarrowIDs: without an ID over 254 the local APICs are as after power-on, and a
// step of 1 is none.
func TestNarrowIDs(t *testing.T) {
	for step, wide := range map[int]bool{0: false, 1: false, 64: false, 128: true} {
		b := newTable(t)
		c := host.Config{ID: "vm-1", CPUs: 1, MaxCPUs: 3, MemoryMiB: 8, APICIDStep: step}
		b.create(64<<20, c)
		b.start()
		for i := range 3 {
			a := b.vm.(*Machine).b.apics.At(i)
			if a.X2APIC() != wide || a.Base()&lapic.BaseEN == 0 || int(a.ID()) != i*max(step, 1) {
				t.Errorf("step %d: CPU %d: ID %d, x2APIC mode %v", step, i, a.ID(), a.X2APIC())
			}
		}
		one := c
		one.APICIDStep = 1
		if err := alike(c, one); (err == nil) != (step <= 1) {
			t.Errorf("step %d and step 1: %v", step, err)
		}
	}
}
