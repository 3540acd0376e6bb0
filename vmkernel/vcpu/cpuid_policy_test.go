package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
)

func TestCPUIDPolicy(t *testing.T) {
	f := &fakecpu.Factory{}
	for _, cpus := range []int{1, 2, 6} {
		r := newRig(t)
		r.v.CPUID = newCPUID(amdHost, f.Caps(), cpus, 2_000_000, 1_000_000)
		ask := func(l, sub uint32) (a, b, c, d uint32) {
			r.e.R.GPR[vcpu.RAX], r.e.R.GPR[vcpu.RCX] = uint64(l), uint64(sub)
			r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
			g := &r.e.R.GPR
			return uint32(g[vcpu.RAX]), uint32(g[vcpu.RBX]), uint32(g[vcpu.RCX]), uint32(g[vcpu.RDX])
		}
		_, _, c, _ := ask(1, 0)
		if c>>5&1 != 0 || c>>21&1 != 1 || c>>24&1 != 1 || c>>31 != 1 || c>>3&1 != 0 {
			t.Errorf("leaf 1 ecx %x", c)
		}
		_, b7, c7, _ := ask(7, 0)
		if b7>>16&1 != 0 || c7>>16&1 != 0 || c7>>3&1 != 0 {
			t.Errorf("AVX-512, LA57 or PKU shown: %x %x", b7, c7)
		}
		_, _, ce, _ := ask(0x80000001, 0)
		if ce>>2&1 != 0 {
			t.Error("SVM shown")
		}
		a, b, c, d := ask(0x40000000, 0)
		if a != 0x40000010 || b != 0x4b4d564b || c != 0x564b4d56 || d != 0x4d {
			t.Error("hypervisor leaf")
		}
		if a, b, _, _ := ask(0x40000010, 0); a != 2_000_000 || b != 1_000_000 {
			t.Error("timing leaf")
		}
		if a, b, c, _ := ask(0xb, 1); b != uint32(cpus) || 1<<a < cpus || c != 0x201 {
			t.Errorf("topology %x %x %x", a, b, c)
		}
		if _, b, c, _ := ask(0xb, 2); b != 0 || c != 2 {
			t.Errorf("topology end %x %x", b, c)
		}
		if a, b, c, d := ask(0x8fffffff, 0); a|b|c|d != 0 {
			t.Error("beyond the last leaf")
		}
	}
}
