package vmx

import (
	"strings"
	"testing"
)

// longMode is the guest state of a 64-bit kernel that passes every check.
func longMode() map[Field]uint64 {
	m := map[Field]uint64{
		ENTRY_CTLS: EntryIA32eGuest | EntryLoadEFER | EntryLoadPAT | EntryLoadDebugControls,
		GUEST_CR0:  0x80050033, GUEST_CR4: 0x26a0, GUEST_CR3: 0x1000,
		GUEST_IA32_EFER: 0xd01, GUEST_IA32_PAT: 0x0007040600070406, GUEST_DR7: 0x400,
		GUEST_RIP: 0xffffffff81000000, GUEST_RFLAGS: 2,
		VMCS_LINK_POINTER: ^uint64(0),
	}
	for i := range NumSegments {
		f := GuestSegment(i)
		m[f.Limit], m[f.Access] = 0xffffffff, 0xc093
	}
	m[GUEST_CS_ACCESS_RIGHTS] = 0xa09b
	m[GUEST_LDTR_ACCESS_RIGHTS] = AccessUnusable
	m[GUEST_TR_ACCESS_RIGHTS], m[GUEST_TR_LIMIT] = 0x8b, 0x67
	m[GUEST_GDTR_LIMIT], m[GUEST_IDTR_LIMIT] = 0x7f, 0xfff
	return m
}

func realMode() map[Field]uint64 {
	m := longMode()
	m[ENTRY_CTLS] &^= EntryIA32eGuest
	m[GUEST_CR0], m[GUEST_CR4], m[GUEST_IA32_EFER] = 0x30, 0x2000, 0
	m[GUEST_RIP] = 0xfff0
	for i := range SegLDTR {
		f := GuestSegment(i)
		m[f.Limit], m[f.Access] = 0xffff, 0x93
	}
	m[GUEST_CS_ACCESS_RIGHTS] = 0x9b
	return m
}

func TestCheckGuest(t *testing.T) {
	c, err := Detect(haswell())
	if err != nil {
		t.Fatal(err)
	}
	run := func(m map[Field]uint64) []string {
		return c.CheckGuest(func(f Field) uint64 { return m[f] })
	}
	for name, m := range map[string]map[Field]uint64{"long mode": longMode(), "real mode": realMode()} {
		if bad := run(m); bad != nil {
			t.Errorf("%s: %q", name, bad)
		}
	}
	for _, tc := range []struct {
		field Field
		value uint64
		want  string
	}{
		{GUEST_CR0, 0x80050013, "lacks fixed bits 0x20"},
		{GUEST_CR0, 0x80050032, "CR0.PG without CR0.PE"},
		{GUEST_CR4, 0x6a0, "lacks fixed bits 0x2000"},
		{GUEST_IA32_EFER, 0x901, "EFER.LMA false, IA-32e mode guest true"},
		{GUEST_IA32_PAT, 2, "IA32_PAT entry 0 is 2"},
		{GUEST_CS_ACCESS_RIGHTS, 0xe09b, "CS has L and D"},
		{GUEST_CS_ACCESS_RIGHTS, 0xa08b, "CS S is 0"},
		{GUEST_SS_ACCESS_RIGHTS, 0xc0f3, "CS DPL 0, SS DPL 3"},
		{GUEST_DS_ACCESS_RIGHTS, 0xc092, "DS type 2 not accessed"},
		{GUEST_DS_LIMIT, 0xfffff000, "DS limit 0xfffff000 with G=1"},
		{GUEST_TR_ACCESS_RIGHTS, 0x89, "TR type 9"},
		{GUEST_TR_ACCESS_RIGHTS, AccessUnusable | 0x8b, "TR unusable"},
		{GUEST_GS_BASE, 1 << 47, "GS base 0x800000000000 not canonical"},
		{GUEST_RIP, 1 << 50, "not canonical"},
		{GUEST_RFLAGS, 0, "RFLAGS 0x0 reserved bits"},
		{GUEST_INTERRUPTIBILITY, 1, "blocking by STI with RFLAGS.IF clear"},
		{GUEST_ACTIVITY_STATE, 9, "activity state 9"},
		{ENTRY_INTERRUPTION_INFO, 0x80000020, "external interrupt with RFLAGS.IF clear"},
		{VMCS_LINK_POINTER, 0, "VMCS link pointer"},
		{GUEST_PENDING_DEBUG_EXCEPTIONS, 1 << 20, "pending debug exceptions"},
	} {
		m := longMode()
		m[tc.field] = tc.value
		bad := run(m)
		found := false
		for _, b := range bad {
			if strings.Contains(b, tc.want) {
				found = true
			}
		}
		if !found {
			t.Errorf("%v = %#x: %q, want %q", tc.field, tc.value, bad, tc.want)
		}
	}
}

func TestMSRBitmap(t *testing.T) {
	var b MSRBitmap
	b.InterceptAll()
	if !b.Pass(0xc0000102, true, true) || !b.Pass(0x174, true, false) || b.Pass(0x40000000, true, true) {
		t.Error("Pass")
	}
	for _, tc := range []struct {
		msr    uint32
		rd, wr bool
	}{{0xc0000102, false, false}, {0xc0000101, true, true}, {0x174, false, true}, {0x40000000, true, true}} {
		if rd, wr := b.Intercepts(tc.msr); rd != tc.rd || wr != tc.wr {
			t.Errorf("%#x: %v %v", tc.msr, rd, wr)
		}
	}
	// The worked layout of 25.6.9: MSR C0000102H reads are byte 1024+20H bit 2.
	if b[1024+0x20]>>2&1 != 0 || b[3072+0x20]>>2&1 != 0 {
		t.Error("layout")
	}
	b.Intercept(0x174, true, true)
	if rd, _ := b.Intercepts(0x174); !rd {
		t.Error("Intercept")
	}
}

func TestIOBitmaps(t *testing.T) {
	var b IOBitmaps
	b.InterceptAll()
	b.Pass(0x8001)
	if b.Intercepts(0x8001) || !b.Intercepts(0x8000) || b[4096] != 0xfd {
		t.Error("port 8001H is bit 1 of bitmap B")
	}
}
