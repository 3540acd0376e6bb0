package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

func TestMSRTableIsSortedAndPassedListed(t *testing.T) {
	if n, p := vcpu.MSRPolicy(0xc0000102); n != "IA32_KERNEL_GS_BASE" || p != vcpu.Passed {
		t.Error(n, p)
	}
	for i := range uint32(0x2000) {
		for _, base := range []uint32{0, 0xc0000000, 0xc0010000, 0x4b564d00} {
			vcpu.MSRPolicy(base + i)
		}
	}
	if len(vcpu.PassedMSRs()) != 10 {
		t.Errorf("%x", vcpu.PassedMSRs())
	}
	r := newRig(t)
	for _, i := range vcpu.PassedMSRs() {
		if !r.v.WriteMSR(i, 0x1234) {
			t.Errorf("%x", i)
		}
		if v, ok := r.v.ReadMSR(i); !ok || v != 0x1234 {
			t.Errorf("%x: %x", i, v)
		}
	}
}

// TestPassedRegistersTakeWhatTheProcessorTakes: STAR is no address.
func TestPassedRegistersTakeWhatTheProcessorTakes(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		msr uint32
		val uint64
		ok  bool
	}{
		{0xc0000081, 0x0023001000000000, true},
		{0xc0000082, 0x0023001000000000, false},
		{0xc0000084, 1 << 32, false}, {0xc0000084, 0x47700, true},
		{0x174, 1 << 32, false}, {0x175, 1 << 47, false}, {0xc0000102, 0xffff800000000000, true},
		{0x17a, 8, false},
	} {
		if got := r.v.WriteMSR(c.msr, c.val); got != c.ok {
			t.Errorf("%#x <- %#x: %v", c.msr, c.val, got)
		}
	}
	if v, _ := r.v.ReadMSR(0x17a); v != 0 {
		t.Error("a refused write changed the register")
	}
}
