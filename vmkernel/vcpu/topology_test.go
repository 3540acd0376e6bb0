package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// intelHost is a processor with three levels of cache and leaf 0xB.
func intelHost(l, sub uint32) (a, b, c, d uint32) {
	switch l {
	case 0:
		return 0x16, 0x756e6547, 0x6c65746e, 0x49656e69
	case 1:
		return 0x306c3, 0x100800, 0xffffffff, 0xffffffff
	case 4:
		if sub < 4 {
			level := []uint32{1, 1, 2, 3}[sub]
			return 0xfc000000 | 0x3fff<<14 | level<<5 | 1, 0x1c0003f, 63, 0
		}
		return 0, 0, 0, 0
	case 0x80000008:
		return 0x3027, 0, 0, 0
	}
	return 0, 0, 0, 0
}

// TestTopology: every leaf that tells of processors says the same: one package of n
// cores with one thread each, and the caller's APIC ID is its number.
func TestTopology(t *testing.T) {
	for _, host := range []vcpu.HostCPUID{intelHost, amdHost} {
		for _, n := range []int{1, 2, 3, 4, 8, 64} {
			for _, index := range []int{0, n - 1} {
				r := newRig(t)
				r.v.CPUID, r.v.Index = newCPUID(host, vcpu.Caps{XCR0: 7}, n, 2_000_000, 1_000_000), index
				ask := func(l, sub uint32) [4]uint32 {
					g := &r.e.R.GPR
					g[vcpu.RAX], g[vcpu.RCX] = uint64(l), uint64(sub)
					r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
					return [4]uint32{uint32(g[vcpu.RAX]), uint32(g[vcpu.RBX]), uint32(g[vcpu.RCX]), uint32(g[vcpu.RDX])}
				}
				bad := func(format string, a ...any) {
					t.Errorf("%d of %d: "+format, append([]any{index, n}, a...)...)
				}
				if x := ask(1, 0); x[1]>>24 != uint32(index) || x[1]>>16&0xff != uint32(n) || (x[3]>>28&1 != 0) != (n > 1) {
					bad("leaf 1 %x", x)
				}
				shift := uint32(0)
				for 1<<shift < n {
					shift++
				}
				// SDM Vol. 2A, CPUID, leaf 0BH: threads, cores, no more.
				if x := ask(0xb, 0); x != [4]uint32{0, 1, 1 << 8, uint32(index)} {
					bad("leaf B.0 %x", x)
				}
				if x := ask(0xb, 1); x != [4]uint32{shift, uint32(n), 2<<8 | 1, uint32(index)} {
					bad("leaf B.1 %x", x)
				}
				if x := ask(0xb, 2); x[1] != 0 || x[2] != 2 || x[3] != uint32(index) {
					bad("leaf B.2 %x", x)
				}
				if x := ask(0x80000000, 0); x[0] >= 0x8000001e {
					bad("leaf 8000001E is shown: it has to agree")
				}
				max := ask(0, 0)
				if max[0] >= 0x1f {
					bad("leaf 1F is shown: it has to agree")
				}
				if max[1] != 0x756e6547 { // AMD: leaf 80000008 (APM Vol. 3, E.4.7)
					if x := ask(0x80000008, 0); x[2]&0xff != uint32(n-1) || x[2]>>12&0xf != shift {
						bad("leaf 80000008 %x", x)
					}
					continue
				}
				for sub := uint32(0); sub < 4; sub++ {
					x := ask(4, sub)
					shared := uint32(0)
					if x[0]>>5&7 == 3 {
						shared = 1<<shift - 1
					}
					if x[0]>>26 != 1<<shift-1 || x[0]>>14&0xfff != shared {
						bad("leaf 4.%d %x", sub, x)
					}
				}
			}
		}
	}
}
