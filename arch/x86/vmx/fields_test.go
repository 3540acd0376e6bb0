package vmx

import (
	"strings"
	"testing"
)

// TestFieldEncodings checks every encoding against its structure (SDM Vol. 3C,
// 25.11.2): what the name says about width and kind is in the bits.
func TestFieldEncodings(t *testing.T) {
	seen := map[Field]string{}
	last := Field(0)
	for i, n := range fieldNames {
		if prev, dup := seen[n.field]; dup {
			t.Errorf("%s and %s share %#x", n.name, prev, uint32(n.field))
		}
		seen[n.field] = n.name
		if i > 0 && n.field <= last {
			t.Errorf("%s: the table must rise, String searches it", n.name)
		}
		last = n.field
		if n.field&1 != 0 || n.field>>15 != 0 || n.field>>12&1 != 0 {
			t.Errorf("%s: %#x has access type or reserved bits", n.name, uint32(n.field))
		}
		if got := n.field.String(); got != n.name {
			t.Errorf("String of %#x is %q, want %q", uint32(n.field), got, n.name)
		}
		k := n.field.Kind()
		if strings.HasPrefix(n.name, "HOST_") != (k == HostField) {
			t.Errorf("%s: kind %d", n.name, k)
		}
		if strings.HasPrefix(n.name, "GUEST_") && k != GuestField && n.field != GUEST_PHYSICAL_ADDRESS && n.field != GUEST_LINEAR_ADDRESS {
			t.Errorf("%s: kind %d", n.name, k)
		}
		for suffix, w := range map[string]Width{
			"_SELECTOR": Width16, "_LIMIT": Width32, "_ACCESS_RIGHTS": Width32,
			"_BASE": WidthNatural, "_BITMAP": Width64,
		} {
			if strings.HasSuffix(n.name, suffix) && n.field.Width() != w && n.field != EXCEPTION_BITMAP && n.field != GUEST_SMBASE {
				t.Errorf("%s: width %d, want %d", n.name, n.field.Width(), w)
			}
		}
	}
}

// TestWellKnownEncodings has one field of each of the sixteen areas, and the
// last of the long families, with the numbers of Appendix B.
func TestWellKnownEncodings(t *testing.T) {
	for _, tc := range []struct {
		f     Field
		enc   uint32
		width Width
		kind  FieldKind
		index int
		bits  int
	}{
		{VPID, 0x0000, Width16, ControlField, 0, 16},
		{GUEST_TR_SELECTOR, 0x080e, Width16, GuestField, 7, 16},
		{HOST_TR_SELECTOR, 0x0c0c, Width16, HostField, 6, 16},
		{EPTP, 0x201a, Width64, ControlField, 13, 64},
		{GUEST_PHYSICAL_ADDRESS, 0x2400, Width64, ReadOnlyField, 0, 64},
		{GUEST_PDPTE3, 0x2810, Width64, GuestField, 8, 64},
		{HOST_IA32_EFER, 0x2c02, Width64, HostField, 1, 64},
		{PROC_BASED_CTLS2, 0x401e, Width32, ControlField, 15, 32},
		{EXIT_INSTRUCTION_INFO, 0x440e, Width32, ReadOnlyField, 7, 32},
		{PREEMPTION_TIMER_VALUE, 0x482e, Width32, GuestField, 23, 32},
		{HOST_SYSENTER_CS, 0x4c00, Width32, HostField, 0, 32},
		{CR4_READ_SHADOW, 0x6006, WidthNatural, ControlField, 3, 64},
		{GUEST_LINEAR_ADDRESS, 0x640a, WidthNatural, ReadOnlyField, 5, 64},
		{GUEST_SYSENTER_EIP, 0x6826, WidthNatural, GuestField, 19, 64},
		{HOST_RIP, 0x6c16, WidthNatural, HostField, 11, 64},
	} {
		if uint32(tc.f) != tc.enc || tc.f.Width() != tc.width || tc.f.Kind() != tc.kind || tc.f.Index() != tc.index || tc.f.Bits() != tc.bits {
			t.Errorf("%v: %#x width %d kind %d index %d bits %d", tc.f, uint32(tc.f), tc.f.Width(), tc.f.Kind(), tc.f.Index(), tc.f.Bits())
		}
	}
	if got := Field(0x7ffe).String(); got != "field 7ffeh" {
		t.Error(got)
	}
}

func TestGuestSegmentFields(t *testing.T) {
	for i, name := range SegmentNames {
		f := GuestSegment(i)
		for _, x := range []struct{ got, want string }{
			{f.Selector.String(), "GUEST_" + name + "_SELECTOR"},
			{f.Base.String(), "GUEST_" + name + "_BASE"},
			{f.Limit.String(), "GUEST_" + name + "_LIMIT"},
			{f.Access.String(), "GUEST_" + name + "_ACCESS_RIGHTS"},
		} {
			if x.got != x.want {
				t.Errorf("segment %d: %s, want %s", i, x.got, x.want)
			}
		}
	}
}
