package svmcpu

import (
	"slices"
	"testing"
	"unsafe"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
	"basalt/vmkernel/vcpu/w1test"
)

func TestFastExitsStayInside(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindCPUID {
			m.e.Regs().RIP += 2
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.run(exit(svm.VMEXIT_CPUID), exit(svm.VMEXIT_CPUID), func(v *svm.VMCB) {
		v.Control.ExitCode = svm.VMEXIT_IOIO
		v.Control.ExitInfo1 = 0x80<<16 | 1<<4
		v.Control.ExitInfo2 = v.Save.RIP + 2
	})
	if !slices.Equal(m.log, []string{"load", "save"}) {
		t.Errorf("extended state: %v", m.log)
	}
	p := m.x.PIO
	if m.x.Kind != vcpu.KindPIO || p.Port != 0x80 || p.Size != 1 || p.In || m.x.InstLen != 2 {
		t.Errorf("%+v", m.x)
	}
	if m.entry[2].rip != 4 {
		t.Errorf("RIP %d at the third entry", m.entry[2].rip)
	}
	if m.msrs[uint32(reg.EFER)]&reg.EFER_SVME == 0 || m.msrs[uint32(reg.VM_HSAVE_PA)] == 0 {
		t.Error("the processor was not switched to SVM")
	}
	if m.e.where.Load() != 0 {
		t.Error("still says that the guest may run")
	}
}

// TestLowerPriorityIsSeen: an interrupt that waits for a lower CR8 must not wait for
// the next exit.
func TestLowerPriorityIsSeen(t *testing.T) {
	m := newMachine(t, func(c *Config) { c.Caps.Features |= reg.SVM_VmcbClean })
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
		return []vcpu.Verdict{vcpu.Resume, vcpu.Resume, vcpu.Return}[len(m.fast.exits)-1]
	}
	m.run(func(v *svm.VMCB) {
		v.Control.VTPR = 2 // raised without an exit
		v.Control.ExitCode = svm.VMEXIT_WBINVD
	}, func(v *svm.VMCB) {
		m.fast.tpr = 0 // what the handler of the CR8 write does
		v.Control.ExitCode = svm.VMEXIT_CR_WRITE + 8
	}, exit(svm.VMEXIT_WBINVD))
	if m.entry[0].cr8 || !m.entry[1].cr8 || m.entry[2].cr8 {
		t.Errorf("CR8 writes intercepted: %v %v %v, want only at priority 2", m.entry[0].cr8, m.entry[1].cr8, m.entry[2].cr8)
	}
	for i := 1; i < 3; i++ {
		if m.entry[i].clean&svm.CleanIntercepts != 0 {
			t.Errorf("entry %d: intercepts changed and claimed clean", i)
		}
	}
}

func TestKick(t *testing.T) {
	m := newMachine(t, nil)
	m.run(func(v *svm.VMCB) {
		m.e.Kick()
		m.e.Kick()
		v.Control.ExitCode = svm.VMEXIT_INTR
	})
	if m.x.Kind != vcpu.KindKick || !slices.Equal(m.kicks, []int{0}) {
		t.Errorf("%v, kicks %v", m.x.Kind, m.kicks)
	}
	// Before Run: the next one returns without entering.
	m.e.Kick()
	m.run()
	if m.x.Kind != vcpu.KindKick || len(m.kicks) != 1 {
		t.Errorf("%v, kicks %v", m.x.Kind, m.kicks)
	}
	// Fast may say that a kick was nothing.
	m.e.Kick()
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindKick {
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.run(exit(svm.VMEXIT_HLT))
	if m.x.Kind != vcpu.KindHLT {
		t.Errorf("%v", m.x.Kind)
	}
}

func TestBlock(t *testing.T) {
	m := newMachine(t, nil)
	m.e.regs.RFLAGS |= reg.RFLAGS_IF
	m.fast.deadline = 1000
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindHLT {
			return vcpu.Block
		}
		return vcpu.Return
	}
	m.onPark = func() {
		if m.e.where.Load() != 0 || m.e.live {
			m.t.Error("parked with the guest in the processor")
		}
		if len(m.parks) == 2 { // the first wakes for no reason
			m.fast.vector = 0x22
		}
	}
	m.run(exit(svm.VMEXIT_HLT), exit(svm.VMEXIT_CPUID))
	if !slices.Equal(m.parks, []uint64{1000, 1000}) || m.entry[1].inj.Vector() != 0x22 {
		t.Errorf("parks %v, then %+v", m.parks, m.entry[1])
	}
	// With interrupts off only a kick ends it, and no deadline spins.
	m.parks = nil
	m.e.regs.RFLAGS &^= reg.RFLAGS_IF
	m.fast.vector = 0x23
	m.onPark = func() { m.e.Kick() }
	m.run(exit(svm.VMEXIT_HLT))
	if m.x.Kind != vcpu.KindKick || !slices.Equal(m.parks, []uint64{0}) || !slices.Contains(m.log, "unpark") {
		t.Errorf("%v parks %v log %v", m.x.Kind, m.parks, m.log)
	}
}

func TestQuietExitsAskNothing(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.deadline = 5
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
		m.fast.deadline = 6 // must not be seen
		return []vcpu.Verdict{vcpu.Resume, vcpu.Return}[len(m.fast.exits)-1]
	}
	m.run(exit(svm.VMEXIT_CPUID), exit(svm.VMEXIT_CPUID))
	if !slices.Equal(m.armed, []uint64{5}) {
		t.Errorf("armed %v", m.armed)
	}
	// Another goroutine's kick in between makes the loop ask.
	m.fast.exits, m.armed = nil, nil
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if len(m.fast.exits) == 1 {
			m.fast.vector = 0x33
			m.e.regs.RFLAGS |= reg.RFLAGS_IF
			m.e.Kick()
		}
		if x.Kind == vcpu.KindKick || len(m.fast.exits) == 1 {
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.run(exit(svm.VMEXIT_CPUID), exit(svm.VMEXIT_CPUID))
	if m.entry[1].inj.Vector() != 0x33 {
		t.Errorf("%+v", m.entry[1])
	}
}

func TestDeadlineIsArmedOnce(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.deadline = 500
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
		if len(m.fast.exits) == 2 {
			m.fast.deadline = 900
		}
		return []vcpu.Verdict{vcpu.Resume, vcpu.Resume, vcpu.Return}[len(m.fast.exits)-1]
	}
	m.run(exit(svm.VMEXIT_WBINVD), exit(svm.VMEXIT_WBINVD), exit(svm.VMEXIT_WBINVD))
	if !slices.Equal(m.armed, []uint64{500, 900}) {
		t.Errorf("armed %v", m.armed)
	}
}

func TestTaskPriorityTravels(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.tpr = 3
	m.run(func(v *svm.VMCB) {
		if v.Control.VTPR != 3 {
			t.Errorf("V_TPR %d", v.Control.VTPR)
		}
		v.Control.VTPR = 9
		v.Control.ExitCode = svm.VMEXIT_CPUID
	})
	if m.fast.tpr != 9 || m.fast.tprSets != 1 {
		t.Errorf("TPR %d after %d sets", m.fast.tpr, m.fast.tprSets)
	}
}

func TestMoveToAnotherCPU(t *testing.T) {
	m := newMachine(t, func(c *Config) { c.Caps.Features |= reg.SVM_VmcbClean })
	m.fast.deadline = 10
	m.run(func(v *svm.VMCB) { m.cpu = 1; v.Control.ExitCode = svm.VMEXIT_INTR },
		exit(svm.VMEXIT_INTR), exit(svm.VMEXIT_CPUID))
	if m.entry[1].tlb != svm.TLBFlushAll || m.entry[1].clean != 0 || m.entry[1].mitigate&svm.MitigateIBPB == 0 {
		t.Errorf("first entry on the other CPU: %+v", m.entry[1])
	}
	if m.entry[2].tlb != svm.TLBNothing || m.entry[2].clean == 0 || m.entry[2].mitigate != svm.MitigateRSB {
		t.Errorf("second entry there: %+v", m.entry[2])
	}
	if !slices.Equal(m.armed, []uint64{10, 10, 10}) {
		t.Errorf("armed %v", m.armed)
	}
}

func TestDebugRegistersAreGivenOnce(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(svm.VMEXIT_DR_WRITE+7), exit(svm.VMEXIT_CPUID))
	if !slices.Equal(m.log, []string{"load", "loadDR", "saveDR", "save"}) {
		t.Errorf("%v", m.log)
	}
	if len(m.fast.exits) != 1 {
		t.Error("the first access was shown to Fast")
	}
}

func TestShootdown(t *testing.T) {
	m := newMachine(t, nil)
	m.e.t.Map(0, 0x40_0000, 0x1000, vcpu.ProtRead)
	m.run(exit(svm.VMEXIT_CPUID))
	first := m.entry[0].asid
	m.e.t.Unmap(0, 0x1000) // not in the guest: returns at once
	if len(m.kicks) != 0 {
		t.Error("kicked an engine that does not run")
	}
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict { return []vcpu.Verdict{vcpu.Resume, vcpu.Return}[len(m.fast.exits)-2] }
	m.run(exit(svm.VMEXIT_CPUID), exit(svm.VMEXIT_CPUID))
	if m.entry[0].asid == first || m.entry[1].asid != m.entry[0].asid {
		t.Errorf("ASID %d before, then %d and %d", first, m.entry[0].asid, m.entry[1].asid)
	}
}

func TestASIDsRunOut(t *testing.T) {
	s := asidSpace{max: 4}
	var a, b asid
	flushes := 0
	for range 10 {
		if s.assign(&a, 0, true) == svm.TLBFlushAll {
			flushes++
		}
		if a.n == 0 || a.n >= 4 {
			t.Fatalf("ASID %d", a.n)
		}
	}
	if flushes != 4 {
		t.Errorf("%d flushes for 10 assignments of 3 numbers", flushes)
	}
	s.assign(&b, 0, false)
	if s.assign(&b, 0, false) != svm.TLBNothing || b.n == a.n && b.gen == a.gen {
		t.Error("two engines share an ASID")
	}
	n := b
	if s.assign(&b, 1, false); b == n {
		t.Error("an ASID followed to another CPU")
	}
	if m := newMachine(t, nil); true {
		m.run(exit(svm.VMEXIT_CPUID))
		if m.entry[0].asid == 0 || m.entry[0].tlb != svm.TLBFlushAll {
			t.Errorf("first entry: %+v", m.entry[0])
		}
	}
	f := asidSpace{max: 4, flushByASID: true}
	f.assign(&a, 0, true)
	if f.assign(&a, 0, true) != svm.TLBFlushASID {
		t.Error("flush-by-ASID is not used")
	}
}

func TestFastPathUsesNoXMM(t *testing.T) {
	w1test.Fast(t, (*Engine).loop, (*Engine).Kick, (*Engine).Regs, (*Engine).LoadMode, (*Engine).SetInterruptShadow, svm.Enter, svm.SaveHost, svm.TakeInterrupts)
}

func TestParkWord(t *testing.T) {
	m := newMachine(t, nil)
	if unsafe.Sizeof(m.e.kicked) != 4 {
		t.Error("atomic.Uint32 is not one word")
	}
	m.e.kicked.Store(1)
	if *m.e.word() != 1 {
		t.Error("word is something else")
	}
}

// An OUT that Fast handles may be the end of an interrupt in the PIC.
func TestOutAsksInDoesNot(t *testing.T) {
	for _, c := range []struct {
		in   uint64
		want []uint64
	}{{0, []uint64{5, 6}}, {1, []uint64{5}}} {
		m := newMachine(t, nil)
		m.fast.deadline = 5
		m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
			m.fast.deadline = 6
			return []vcpu.Verdict{vcpu.Resume, vcpu.Return}[len(m.fast.exits)-1]
		}
		m.run(func(v *svm.VMCB) {
			v.Control.ExitCode, v.Control.ExitInfo1 = svm.VMEXIT_IOIO, 0x20<<16|1<<4|c.in
		}, exit(svm.VMEXIT_CPUID))
		if !slices.Equal(m.armed, c.want) {
			t.Errorf("in %d: armed %v, want %v", c.in, m.armed, c.want)
		}
	}
}

// A thread that belongs to the host asks before its guest runs, once.
func TestEntersWhenToldTo(t *testing.T) {
	m := newMachine(t, nil)
	m.e.inside = hostcpu.MustEnter
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
		if m.e.inside != hostcpu.InGuest {
			t.Error("the guest runs in the host's time")
		}
		return vcpu.Return
	}
	m.run(exit(svm.VMEXIT_CPUID))
	m.run(exit(svm.VMEXIT_CPUID))
	if m.entered != 1 || m.e.inside != hostcpu.InGo {
		t.Errorf("asked %d times, word %d", m.entered, m.e.inside)
	}
}
