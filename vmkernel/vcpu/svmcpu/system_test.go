package svmcpu

import (
	"errors"
	"reflect"
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
)

func longMode() vcpu.System {
	seg := func(sel uint16, attr uint32) vcpu.Segment {
		return vcpu.Segment{Selector: sel, Attr: attr, Limit: 0xFFFFFFFF}
	}
	return vcpu.System{
		CR0: reg.CR0_PE | reg.CR0_ET | reg.CR0_PG, CR3: 0x1000, CR4: reg.CR4_PAE, CR2: 0x1234, CR8: 0,
		EFER: reg.EFER_LME | reg.EFER_LMA, PAT: reg.PATReset, DR6: reg.DR6_Reset, DR7: reg.DR7_Reset,
		DR: [4]uint64{1, 2, 3, 4},
		CS: seg(0x10, 0xA09B), SS: seg(0x18, 0xC093), DS: seg(0x18, 0xC093), ES: seg(0x18, 0xC093),
		FS: vcpu.Segment{Attr: reg.SegUnusable, Base: 0xFFFF_8000_0000_1000}, GS: vcpu.Segment{Attr: reg.SegUnusable},
		LDTR: vcpu.Segment{Attr: reg.SegUnusable}, TR: vcpu.Segment{Selector: 0x20, Attr: 0x8B, Limit: 0x67, Base: 0x5000},
		GDTR: vcpu.Table{Base: 0x6000, Limit: 0x7F}, IDTR: vcpu.Table{Base: 0x7000, Limit: 0xFFF},
		KernelGSBase: 9, STAR: 10, LSTAR: 11, CSTAR: 12, SFMASK: 13, SysenterCS: 14, SysenterESP: 15, SysenterEIP: 16,
		XCR0: 7, TSCAUX: 17, InterruptShadow: true,
	}
}

func TestSystemRoundTrip(t *testing.T) {
	m := newMachine(t, nil)
	in := longMode()
	if err := m.e.StoreSystem(&in); err != nil {
		t.Fatal(err)
	}
	var out vcpu.System
	m.e.LoadSystem(&out)
	if !reflect.DeepEqual(in, out) {
		t.Errorf("stored %+v\nloaded %+v", in, out)
	}
	v := m.e.vmcb
	if v.Save.EFER&reg.EFER_SVME == 0 {
		t.Error("EFER.SVME is clear: VMRUN would fail")
	}
	if v.Save.TR.Attrib != 0x89 {
		t.Errorf("TR attributes %#x", v.Save.TR.Attrib)
	}
	if v.Save.CS.Attrib != 0xA9B {
		t.Errorf("CS attributes %#x", v.Save.CS.Attrib)
	}
}

func TestStoreSystemCPL(t *testing.T) {
	for _, c := range []struct {
		name   string
		cr0    uint64
		rflags uint64
		dpl    uint32
		want   uint8
	}{
		{"kernel", reg.CR0_PE, 0, 0, 0},
		{"user", reg.CR0_PE, 0, 3, 3},
		{"real mode", 0, 0, 3, 0},
		{"virtual 8086", reg.CR0_PE, reg.RFLAGS_VM, 0, 3},
	} {
		m := newMachine(t, nil)
		s := longMode()
		s.CR0 = c.cr0
		s.SS.Attr = s.SS.Attr&^reg.SegDPL | c.dpl<<5
		m.e.regs.RFLAGS |= c.rflags
		m.e.StoreSystem(&s)
		if m.e.vmcb.Save.CPL != c.want {
			t.Errorf("%s: CPL %d", c.name, m.e.vmcb.Save.CPL)
		}
	}
}

func TestStoreSystemKeepsWhatTheEngineNeeds(t *testing.T) {
	m := newMachine(t, nil)
	s := longMode()
	s.CR0 |= reg.CR0_CD | reg.CR0_NW
	s.XCR0 = 0xFF
	s.NMIBlocked = true
	m.e.StoreSystem(&s)
	if m.e.vmcb.Save.CR0&(reg.CR0_CD|reg.CR0_NW) != 0 {
		t.Error("cache disable reaches the processor")
	}
	var got vcpu.System
	if m.e.LoadMode(&got); got.CR0 != s.CR0 || m.e.vmcb.Control.InterceptCRRead&1 == 0 {
		t.Errorf("CR0 is %#x for the guest, reads exit %v", got.CR0, m.e.vmcb.Control.InterceptCRRead&1 != 0)
	}
	if m.e.ext.GuestXCR0 != 7 {
		t.Errorf("XCR0 %#x", m.e.ext.GuestXCR0)
	}
	if m.e.vmcb.Control.Intercept1&svm.Intercept1IRET == 0 {
		t.Error("blocked NMIs would never open")
	}
	s.CR0 &^= reg.CR0_CD | reg.CR0_NW
	m.e.StoreSystem(&s)
	if m.e.LoadMode(&got); got.CR0 != s.CR0 || m.e.vmcb.Control.InterceptCRRead&1 != 0 {
		t.Errorf("with the cache on CR0 is %#x, reads exit %v", got.CR0, m.e.vmcb.Control.InterceptCRRead&1 != 0)
	}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		code svm.ExitCode
		want vcpu.Kind
	}{
		{svm.VMEXIT_CPUID, vcpu.KindCPUID}, {svm.VMEXIT_HLT, vcpu.KindHLT}, {svm.VMEXIT_NPF, vcpu.KindMemory},
		{svm.VMEXIT_VMMCALL, vcpu.KindHypercall}, {svm.VMEXIT_VMRUN, vcpu.KindVirtInst}, {svm.VMEXIT_SKINIT, vcpu.KindVirtInst},
		{svm.VMEXIT_SHUTDOWN, vcpu.KindTripleFault}, {svm.VMEXIT_INVALID, vcpu.KindEntryFailed}, {0xFFFFFFFF, vcpu.KindEntryFailed},
		{svm.VMEXIT_CR_WRITE, vcpu.KindCR}, {svm.VMEXIT_CR_READ + 8, vcpu.KindCR}, {svm.VMEXIT_EXCP + 17, vcpu.KindException},
		{svm.VMEXIT_XSETBV, vcpu.KindXSETBV}, {svm.VMEXIT_MWAIT, vcpu.KindMWAIT}, {svm.VMEXIT_WBINVD, vcpu.KindINVD},
		{svm.VMEXIT_PUSHF, vcpu.KindUnknown}, {svm.VMEXIT_AVIC_NOACCEL, vcpu.KindUnknown}, {svm.VMEXIT_CR_WRITE_TRAP, vcpu.KindUnknown},
		{0x12345, vcpu.KindUnknown},
	} {
		m := newMachine(t, nil)
		m.run(exit(c.code))
		if m.x.Kind != c.want || m.x.Raw.Code != uint64(c.code) {
			t.Errorf("%v: kind %d, want %d", c.code, m.x.Kind, c.want)
		}
	}
}

func TestDecodeMSR(t *testing.T) {
	m := newMachine(t, nil)
	m.run(func(v *svm.VMCB) {
		m.e.regs.GPR[vcpu.RCX], m.e.regs.GPR[vcpu.RDX] = 0xFFFF_0000_0000_080B, 0xFFFF_FFFF_0000_0002
		v.Save.RAX = 0xFFFF_FFFF_0000_0001
		v.Control.ExitCode, v.Control.ExitInfo1 = svm.VMEXIT_MSR, 1
	})
	if m.x.Kind != vcpu.KindWRMSR || m.x.MSR != (vcpu.MSRAccess{Index: 0x80B, Value: 2<<32 | 1}) {
		t.Errorf("%+v", m.x)
	}
	m.run(exit(svm.VMEXIT_MSR))
	if m.x.Kind != vcpu.KindRDMSR {
		t.Errorf("%v", m.x.Kind)
	}
}

// TestLMEWaitsForPaging: a guest that has EFER.LME without PAE and paging ends the
// host under QEMU 7.2.
func TestLMEWaitsForPaging(t *testing.T) {
	m := newMachine(t, nil)
	var s vcpu.System
	m.e.LoadSystem(&s)
	s.CR0, s.EFER = reg.CR0_PE|reg.CR0_ET, reg.EFER_LME|reg.EFER_SCE
	for _, c := range []struct{ cr0, efer, want uint64 }{
		{reg.CR0_PE | reg.CR0_ET, reg.EFER_LME | reg.EFER_SCE, reg.EFER_SCE},
		{reg.CR0_PG | reg.CR0_PE | reg.CR0_ET, reg.EFER_LME | reg.EFER_LMA, reg.EFER_LME | reg.EFER_LMA},
	} {
		s.CR0, s.EFER = c.cr0, c.efer
		if err := m.e.StoreSystem(&s); err != nil {
			t.Fatal(err)
		}
		if got := m.e.vmcb.Save.EFER; got != c.want|reg.EFER_SVME {
			t.Errorf("the processor has %#x, want %#x", got, c.want)
		}
		var l vcpu.System
		if m.e.LoadSystem(&l); l.EFER != c.efer {
			t.Errorf("the guest sees %#x, want %#x", l.EFER, c.efer)
		}
	}
}

func TestDecodeHypercall(t *testing.T) {
	m := newMachine(t, nil)
	m.run(func(v *svm.VMCB) { v.Control.ExitCode, v.Save.CPL = svm.VMEXIT_VMMCALL, 3 })
	if m.x.Kind != vcpu.KindHypercall || m.x.CPL != 3 {
		t.Errorf("%+v", m.x)
	}
}

func TestDecodeMemory(t *testing.T) {
	m := newMachine(t, nil)
	m.run(func(v *svm.VMCB) {
		v.Control.ExitCode, v.Control.ExitInfo1, v.Control.ExitInfo2 = svm.VMEXIT_NPF, 1<<32|6, 0xFED0_00F0
	})
	if g := m.x.Mem; g.GPA != 0xFED0_00F0 || !g.Write || g.Read || g.Fetch || g.Present || g.PageWalk || m.x.InstLen != 0 {
		t.Errorf("%+v", m.x)
	}
}

func TestNextRIPSave(t *testing.T) {
	m := newMachine(t, func(c *Config) { c.Caps.Features |= reg.SVM_NRIPS })
	m.run(func(v *svm.VMCB) { v.Control.ExitCode, v.Save.RIP, v.Control.NRIP = svm.VMEXIT_CPUID, 100, 103 })
	if m.x.InstLen != 3 {
		t.Errorf("length %d", m.x.InstLen)
	}
}

func TestNoMemory(t *testing.T) {
	m := newMachine(t, nil)
	m.used = testFrames - 2
	if _, err := m.f.NewEngine(1, m.e.t, &m.fast); !errors.Is(err, ErrNoMemory) {
		t.Errorf("%v", err)
	}
	if m.freed != 2 {
		t.Errorf("%d frames given back, want 2", m.freed)
	}
}

func TestClose(t *testing.T) {
	m := newMachine(t, nil)
	m.e.Close()
	m.e.Close()
	if m.freed != 3 || len(m.e.t.engines) != 0 {
		t.Errorf("%d frames freed, %d engines left", m.freed, len(m.e.t.engines))
	}
	if err := m.e.Run(&m.x); err == nil {
		t.Error("Run after Close")
	}
}
