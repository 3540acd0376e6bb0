package vmxcpu

import (
	"testing"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// full is a state in which every field has a value of its own.
func full() vcpu.System {
	seg := func(n uint64) vcpu.Segment {
		return vcpu.Segment{Base: n << 12, Limit: uint32(n<<4 | 0xfff), Attr: 0xc093, Selector: uint16(n << 3)}
	}
	s := vcpu.System{
		CR0: 0xc0050013, CR2: 0x22, CR3: 0x3000, CR4: 0x40620, CR8: 3, EFER: 0xd01, PAT: 0x0007040600070406,
		DR6: reg.DR6_Reset | 1, DR7: reg.DR7_Reset | 2, DR: [4]uint64{1, 2, 3, 4},
		ES: seg(1), CS: seg(2), SS: seg(3), DS: seg(4), FS: seg(5), GS: seg(6), LDTR: seg(7), TR: seg(8),
		GDTR: vcpu.Table{Base: 0x7000, Limit: 0x7f}, IDTR: vcpu.Table{Base: 0x8000, Limit: 0xfff},
		KernelGSBase: 11, STAR: 12, LSTAR: 13, CSTAR: 14, SFMASK: 15,
		SysenterCS: 16, SysenterESP: 17, SysenterEIP: 18, XCR0: 7, TSCAUX: 19,
	}
	s.CS.Attr, s.TR.Attr, s.LDTR.Attr = 0xa09b, 0x8b, 0x82
	return s
}

func TestSystemRoundTrip(t *testing.T) {
	m := newMachine(t, nil)
	want := full()
	if err := m.e.StoreSystem(&want); err != nil {
		t.Fatal(err)
	}
	var got vcpu.System
	m.e.LoadSystem(&got)
	if got != want {
		t.Errorf("before the first entry:\n%+v\n%+v", got, want)
	}
	m.msrs[uint32(reg.KernelGSBase)] = want.KernelGSBase
	m.run(exit(vmx.Exit_HLT))
	m.e.cr2, m.e.dr.DR6 = want.CR2, want.DR6 // the fake processor keeps none
	got = vcpu.System{}
	m.e.LoadSystem(&got)
	if got != want {
		t.Errorf("after an exit:\n%+v\n%+v", got, want)
	}
	if m.get(vmx.ENTRY_CTLS)&vmx.EntryIA32eGuest == 0 || m.get(vmx.GUEST_IA32_EFER) != 0xd01 {
		t.Error("IA-32e mode guest and EFER.LMA")
	}
	if cr0 := m.get(vmx.GUEST_CR0); cr0&reg.CR0_CD != 0 || cr0&reg.CR0_NE == 0 {
		t.Errorf("CR0 %#x: cache disable must not reach the processor, NE must", cr0)
	}
	var mode vcpu.System
	m.run(exit(vmx.Exit_HLT))
	m.e.LoadMode(&mode)
	if mode.CR0 != want.CR0 || mode.CR3 != want.CR3 || mode.CR4 != want.CR4 || mode.EFER != want.EFER || mode.CS != want.CS || mode.SS != want.SS {
		t.Errorf("%+v", mode)
	}
}

func TestOnlyChangesAreWritten(t *testing.T) {
	m := newMachine(t, nil)
	s := full()
	m.e.StoreSystem(&s)
	m.run(exit(vmx.Exit_HLT))
	m.e.LoadSystem(&s)
	s.GS.Base = 0x1234
	m.e.StoreSystem(&s)
	m.writes = 0
	m.run(exit(vmx.Exit_HLT))
	if m.writes != 1 || m.get(vmx.GUEST_GS_BASE) != 0x1234 {
		t.Errorf("%d VMWRITEs for one field", m.writes)
	}
}

func TestSegmentsThatTheProcessorRefuses(t *testing.T) {
	for _, tc := range []struct {
		i        int
		in, want uint32
	}{
		{vmx.SegDS, 0, vmx.AccessUnusable},
		{vmx.SegDS, 0x1c093, vmx.AccessUnusable},
		{vmx.SegDS, 0xc092, 0xc093},
		{vmx.SegTR, 0x89, 0x8b},
		{vmx.SegTR, 0x10089, 0x8b},
		{vmx.SegLDTR, 0x82, 0x82},
		{vmx.SegCS, 0xfff0ba9b, 0xb09b},
	} {
		if got := access(tc.in, tc.i); got != tc.want {
			t.Errorf("%s %#x: %#x, want %#x", vmx.SegmentNames[tc.i], tc.in, got, tc.want)
		}
	}
}

func TestPAELoadsItsPointers(t *testing.T) {
	m := newMachine(t, nil)
	pa, _ := m.host.Alloc(1, 1)
	for i := range uint64(4) {
		m.f.Table(pa)[4+i] = 0x1001 + i<<12
	}
	if err := m.tab.Map(0x8000, pa, 0x1000, vcpu.ProtRead); err != nil {
		t.Fatal(err)
	}
	s := full()
	s.EFER, s.CR3 = 0, 0x8020
	m.e.StoreSystem(&s)
	m.run(exit(vmx.Exit_HLT))
	for i := range uint64(4) {
		if got := m.get(vmx.GUEST_PDPTE0 + vmx.Field(2*i)); got != 0x1001+i<<12 {
			t.Errorf("PDPTE%d %#x", i, got)
		}
	}
}
