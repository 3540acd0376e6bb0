package vcpu_test

import (
	"strings"
	"testing"

	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/emul"
	"basalt/vmkernel/vcpu/fakecpu"
)

// newOther is processor 1 of a machine: it waits for a start-up IPI.
func newOther(t *testing.T) *rig {
	t.Helper()
	ram := gmemtest.New(8 << 20)
	r := &rig{ram: ram, m: &machine{ram: ram}, apic: &apic{regs: map[uint32]uint64{}}, clk: &clock{tsc: 1000}}
	f := &fakecpu.Factory{}
	r.v = vcpu.New(vcpu.Config{Index: 1, CPUID: newCPUID(amdHost, f.Caps(), 2, 2_000_000, 1_000_000),
		APIC: r.apic, IO: r.m, Fast: r.m, Emul: emul.New(ram, r.m, 40), Mem: ram, Time: r.clk})
	r.apic.v = r.v
	tab, _ := f.NewTable()
	if err := r.v.Attach(f, tab); err != nil {
		t.Fatal(err)
	}
	r.e = f.Engines()[0]
	if err := r.v.Reset(nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// sipi puts a start-up IPI into the APIC.
func (a *apic) startUp(page uint8) { a.sipi, a.page = true, page }

// TestWaitForSIPI: it executes nothing, an NMI is lost, a stop request comes through,
// and the start-up IPI's vector is where it begins.
func TestWaitForSIPI(t *testing.T) {
	r := newOther(t)
	r.apic.nmi = true
	r.v.NMI()
	done := make(chan vcpu.Stop)
	go func() { done <- r.v.Run() }()
	r.v.RequestStop()
	if s := <-done; s.Kind != vcpu.StopRequested {
		t.Fatalf("%+v", s)
	}
	r.v.ClearStop()
	if r.e.Entries != 0 {
		t.Fatalf("%d entries", r.e.Entries)
	}
	r.e.Push(r.end())
	r.apic.nmi, r.apic.sipi, r.apic.page = true, true, 0x9a
	if s := r.v.Run(); s.Kind != vcpu.StopRequested {
		t.Fatalf("%+v", s)
	}
	r.v.ClearStop()
	if r.e.Entries == 0 || r.e.R.RIP != 0 || r.e.S.CS.Base != 0x9a000 || r.e.S.CS.Selector != 0x9a00 || r.e.S.CR0&vcpu.CR0PE != 0 {
		t.Errorf("%d entries, rip %x, cs %v", r.e.Entries, r.e.R.RIP, r.e.S.CS)
	}
	for _, d := range r.e.Delivered {
		t.Errorf("delivered %+v", d)
	}
	// The second one is ignored.
	r.e.R.RIP = 0x77
	r.e.Push(r.end())
	r.apic.startUp(0x12)
	if s := r.v.Run(); s.Kind != vcpu.StopRequested || r.e.R.RIP != 0x77 || r.e.S.CS.Base != 0x9a000 {
		t.Errorf("%+v rip %x, cs %v", s, r.e.R.RIP, r.e.S.CS)
	}
	r.v.ClearStop()
	// Now an NMI is taken.
	r.apic.nmi = true
	r.e.Push(r.end())
	r.v.Run()
	if n := len(r.e.Delivered); n != 1 || r.e.Delivered[0].Type != vcpu.EventNMI {
		t.Errorf("delivered %+v", r.e.Delivered)
	}
}

// TestINITOfAnother: what INIT leaves and what it resets, from a halted processor with
// an event that waits.
func TestINITOfAnother(t *testing.T) {
	r := newOther(t)
	r.apic.startUp(8)
	r.e.Push(r.end())
	r.v.Run()
	r.v.ClearStop()
	s := &r.e.S
	s.CR0, s.CR3, s.CR4, s.EFER = vcpu.CR0PG|vcpu.CR0PE|vcpu.CR0ET, 0x1000, vcpu.CR4PAE|vcpu.CR4OSXSAVE, vcpu.EFERLMA|vcpu.EFERLME
	s.LSTAR, s.KernelGSBase, s.TSCAUX, s.XCR0, s.PAT, s.FS.Base = 11, 12, 13, 7, 0x0606060606060606, 14
	s.SysenterEIP, s.DR7 = 15, 0x455
	r.e.R.RIP, r.e.R.RFLAGS, r.e.R.GPR[vcpu.RBX] = 0x1234, 0x202, 99
	r.e.Pending = vcpu.Event{Valid: true, Type: vcpu.EventException, Vector: 13}
	r.e.NMI = true
	r.e.XSAVE()[100] = 42
	before := r.v.TSC()
	entries, flushes := r.e.Entries, r.e.Flushes
	r.apic.init = true
	r.apic.onInit = r.v.RequestStop
	if stop := r.v.Run(); stop.Kind != vcpu.StopRequested {
		t.Fatalf("%+v", stop)
	}
	r.v.ClearStop()
	r.apic.onInit = nil
	if r.apic.inits != 1 || r.e.Entries != entries || r.e.Flushes == flushes {
		t.Errorf("%d INITs at the APIC, %d entries, %d flushes", r.apic.inits, r.e.Entries-entries, r.e.Flushes-flushes)
	}
	if s.CR0&(vcpu.CR0PG|vcpu.CR0PE) != 0 || s.CR3 != 0 || s.CR4 != 0 || s.EFER != 0 || s.DR7 != 0x400 || s.FS.Base != 0 {
		t.Errorf("not reset: %+v", *s)
	}
	if s.LSTAR != 11 || s.KernelGSBase != 12 || s.TSCAUX != 13 || s.XCR0 != 7 || s.PAT != 0x0606060606060606 || s.SysenterEIP != 15 {
		t.Errorf("lost: %+v", *s)
	}
	if r.e.R.GPR[vcpu.RBX] != 0 || r.e.R.RFLAGS != 2 || r.e.Pending.Valid || r.e.NMI || r.e.XSAVE()[100] != 42 || r.v.TSC() != before {
		t.Errorf("rbx %x rflags %x pending %v nmi %v tsc %d, was %d", r.e.R.GPR[vcpu.RBX], r.e.R.RFLAGS, r.e.Pending.Valid, r.e.NMI, r.v.TSC(), before)
	}
	// INIT and a start-up IPI at once.
	r.apic.init = true
	r.apic.startUp(0x21)
	r.e.Push(r.end())
	if stop := r.v.Run(); stop.Kind != vcpu.StopRequested || s.CS.Base != 0x21000 || r.apic.inits != 2 {
		t.Errorf("%+v: cs %v, %d INITs", stop, s.CS, r.apic.inits)
	}
}

// TestINITOfTheBootProcessor is the reset of the machine.
func TestINITOfTheBootProcessor(t *testing.T) {
	r := newRig(t)
	r.apic.init = true
	if s := r.v.Run(); s.Kind != vcpu.StopInit || !strings.Contains(s.Reason, "INIT") {
		t.Errorf("%+v", s)
	}
}

// TestPauseGivesWay: without a length the instruction is decoded once.
func TestPauseGivesWay(t *testing.T) {
	r := newRig(t)
	r.run(t, vcpu.Exit{Kind: vcpu.KindPause}, 0xf3, 0x90)
	if r.e.R.RIP != 0x100002 {
		t.Errorf("rip %x", r.e.R.RIP)
	}
	r.e.R.RIP = 0x100000
	x := vcpu.Exit{Kind: vcpu.KindPause, RIP: 0x100000}
	if v := r.v.FastExit(&x); v != vcpu.Yield || r.e.R.RIP != 0x100002 {
		t.Errorf("verdict %d, rip %x", v, r.e.R.RIP)
	}
}

// TestCountersOfAllProcessorsAgree: one offset and one epoch for all, and a pause takes
// the same out of each; what a guest did to one counter stays.
func TestCountersOfAllProcessorsAgree(t *testing.T) {
	a, b := newRig(t), newOther(t)
	b.v.Time = a.clk
	a.v.SetTSCOffset(^uint64(499))
	b.v.SetTSCOffset(^uint64(499))
	if a.v.TSC() != 500 || b.v.TSC() != 500 {
		t.Fatalf("%d and %d", a.v.TSC(), b.v.TSC())
	}
	if !b.v.WriteMSR(0x3b, 7) { // IA32_TSC_ADJUST
		t.Fatal("TSC_ADJUST")
	}
	a.clk.tsc += 10_000
	a.v.HoldTSC(9000)
	b.v.HoldTSC(9000)
	if a.v.TSC() != 1500 || b.v.TSC() != 1507 || a.e.Offset+7 != b.e.Offset {
		t.Errorf("%d and %d after a pause", a.v.TSC(), b.v.TSC())
	}
}
