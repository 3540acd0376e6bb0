package vm

import (
	"bytes"
	"context"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
	"basalt/vmkernel/vdev/lapic"
)

// reads starts a machine whose first processor writes the APIC's base MSR and reads
// memory as the steps say, and gives what it has read.
func (b *bench) reads(steps ...fakecpu.Step) <-chan uint64 {
	b.t.Helper()
	got := make(chan uint64, len(steps))
	var script []fakecpu.Step
	for _, s := range steps {
		script = append(script, s)
		if s.Exit.Kind == vcpu.KindMemory {
			script = append(script, fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(e *fakecpu.Engine) { got <- e.R.GPR[vcpu.RAX] }})
		}
	}
	b.f.Scripts = map[int][]fakecpu.Step{0: script}
	k := kernel(&b.closed)
	code := make([]byte, 4096)
	_, _ = k.Kernel.ReadAt(code, 0)
	copy(code[0x100:], []byte{0x8b, 0x03}) // mov eax, [ebx]
	k.Kernel = image{bytes.NewReader(code), &b.closed}
	if err := b.vm.Start(context.Background(), k); err != nil {
		b.t.Fatal(err)
	}
	return got
}

func setBase(v uint64) fakecpu.Step {
	return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: lapic.MSRAPICBase, Value: v}}}
}

func readAt(gpa uint64) fakecpu.Step {
	return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: gpa, Read: true}},
		Do: func(e *fakecpu.Engine) { e.R.RIP, e.R.GPR[vcpu.RAX], e.R.GPR[vcpu.RBX] = 0x100100, 0, gpa }}
}

// TestMovedAPICPage: the registers are where the base MSR says and nowhere else, in
// xAPIC mode only.
func TestMovedAPICPage(t *testing.T) {
	const moved, bsp = 0xfed40000, lapic.BaseBSP
	got := newBench(t).reads(
		setBase(moved|bsp|lapic.BaseEN), readAt(moved+lapic.Version), readAt(lapic.DefaultBase+lapic.Version),
		setBase(moved|bsp|lapic.BaseEN|lapic.BaseEXTD), readAt(moved+lapic.Version),
		setBase(moved|bsp), readAt(moved+lapic.Version),
		setBase(lapic.DefaultBase|bsp|lapic.BaseEN), readAt(lapic.DefaultBase+lapic.Version))
	for i, there := range []bool{true, false, false, false, true} {
		if v := <-got; there != (v != 0xffffffff) {
			t.Errorf("read %d: %x", i, v)
		}
	}
}

// TestXAPICOnly: such a machine has no x2APIC mode, by CPUID and in fact.
func TestXAPICOnly(t *testing.T) {
	for _, only := range []bool{false, true} {
		b := newTable(t)
		c := host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8, XAPICOnly: only}
		id, err := cpuid(b.mgr.p, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range id.Leaves() {
			if l.Leaf == 1 && (l.ECX>>21&1 == 0) != only {
				t.Errorf("only %v: ECX of leaf 1: %x", only, l.ECX)
			}
		}
		if b.vm, err = b.mgr.Create(c); err != nil {
			t.Fatal(err)
		}
		got := b.reads(setBase(lapic.DefaultBase|lapic.BaseBSP|lapic.BaseEN|lapic.BaseEXTD), readAt(lapic.DefaultBase+lapic.Version))
		if v := <-got; (v != 0xffffffff) != only {
			t.Errorf("only %v: the page reads %x", only, v)
		}
		if err := b.vm.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
