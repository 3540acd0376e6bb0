package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// amdCacheHost is amdHost with caches as on a small Zen.
func amdCacheHost(l, sub uint32) (a, b, c, d uint32) {
	switch l {
	case 0x80000005:
		return 0, 0, 32<<24 | 8<<16 | 1<<8 | 64, 64<<24 | 4<<16 | 1<<8 | 64
	case 0x80000006:
		return 0, 0, 512<<16 | 6<<12 | 1<<8 | 64, 16<<18 | 9<<12 | 1<<8 | 64
	}
	return amdHost(l, sub)
}

// TestSpread: every leaf that tells of processors agrees with IDs that are spread.
func TestSpread(t *testing.T) {
	type regs = [4]uint32
	for name, host := range map[string]vcpu.HostCPUID{"intel": intelHost, "amd": amdCacheHost} {
		for _, c := range []struct {
			cpus, shift, index int
			id, bits           uint32 // the ID, and the width of a package's
			one                uint32 // leaf 1 EBX 23:16 on Intel
			core, all          uint32 // leaf 4 EAX 25:14 of a core's caches and of the last level
		}{
			{4, 1, 3, 6, 3, 8, 1, 7},
			{4, 8, 3, 768, 10, 255, 255, 1023},
			{3, 8, 2, 512, 10, 255, 255, 1023},
			{64, 9, 63, 32256, 15, 255, 511, 4095},
			{2, 14, 1, 16384, 15, 255, 4095, 4095},
			{1, 7, 0, 0, 7, 128, 127, 127},
			{2, 7, 5, 640, 8, 255, 127, 255}, // in the third package
		} {
			r := newRig(t)
			id := newCPUID(host, vcpu.Caps{XCR0: 7}, c.cpus, 2_000_000, 1_000_000)
			id.Spread(uint8(c.shift))
			r.v.CPUID, r.v.Index = id, c.index
			ask := func(l, sub uint32) regs {
				g := &r.e.R.GPR
				g[vcpu.RAX], g[vcpu.RCX] = uint64(l), uint64(sub)
				r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
				return regs{uint32(g[vcpu.RAX]), uint32(g[vcpu.RBX]), uint32(g[vcpu.RCX]), uint32(g[vcpu.RDX])}
			}
			eq := func(what string, got, want any) {
				t.Helper()
				if got != want {
					t.Errorf("%s, %+v: %s: %x, want %x", name, c, what, got, want)
				}
			}
			one := ask(1, 0)
			eq("initial APIC ID", one[1]>>24, c.id&0xff)
			eq("B.0", ask(0xb, 0), regs{uint32(c.shift), 1, 1 << 8, c.id})
			eq("B.1", ask(0xb, 1), regs{c.bits, uint32(c.cpus), 2<<8 | 1, c.id})
			eq("B.2", ask(0xb, 2), regs{0, 0, 2, c.id})
			eq("messages with more bits", ask(0x40000001, 0)[0]>>15&1, uint32(1))
			if name == "intel" {
				eq("IDs of leaf 1", one[1]>>16&0xff, c.one)
				eq("HTT", one[3]>>28&1, uint32(1))
				for sub, want := range []uint32{c.core, c.core, c.core, c.all} {
					x := ask(4, uint32(sub))
					eq("sharing", x[0]>>14&0xfff, want)
					eq("cores", x[0]>>26, uint32(1)<<(c.bits-uint32(c.shift))-1)
				}
				eq("no 8000001E", ask(0x80000000, 0)[0], uint32(0x80000008))
				continue
			}
			eq("processors of leaf 1", one[1]>>16&0xff, uint32(c.cpus))
			eq("80000008", ask(0x80000008, 0)[2], uint32(c.cpus-1)|c.bits<<12)
			eq("80000000", ask(0x80000000, 0)[0], uint32(0x8000001e))
			eq("TOPOEXT", ask(0x80000001, 0)[2]>>22&1, uint32(1))
			width := c.bits - uint32(c.shift)
			eq("8000001E", ask(0x8000001e, 0), regs{c.id, uint32(c.index) & (1<<width - 1), uint32(c.index) >> width, 0})
			for sub, want := range []regs{
				{1 | 1<<5 | 1<<8 | c.core<<14, 7<<22 | 63, 63, 0},
				{2 | 1<<5 | 1<<8 | c.core<<14, 3<<22 | 63, 255, 0},
				{3 | 2<<5 | 1<<8 | c.core<<14, 7<<22 | 63, 1023, 0},
				{3 | 3<<5 | 1<<8 | c.all<<14, 15<<22 | 63, 8191, 0},
				{},
			} {
				eq("8000001D", ask(0x8000001d, uint32(sub)), want)
			}
		}
	}
}

// TestSpreadOfLevels: a level's processor has its caches there too, and none that it
// does not know of.
func TestSpreadOfLevels(t *testing.T) {
	id, err := vcpu.NewCPUID(vcpu.Host{CPUID: amdHost, Caps: vcpu.Caps{XCR0: 7}}, level(t, "x86-64-v2"), 2, 2_000_000, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	bare := newCPUID(amdHost, vcpu.Caps{XCR0: 7}, 2, 2_000_000, 1_000_000)
	for name, c := range map[string]struct {
		id   *vcpu.CPUID
		want int
	}{"level": {id, 4}, "no caches": {bare, 0}} {
		before := c.id.Leaves()
		c.id.Spread(0)
		if err := vcpu.CompareLeaves(before, c.id.Leaves()); err != nil {
			t.Errorf("%s: a step of 1: %v", name, err)
		}
		c.id.Spread(7)
		n := 0
		for _, l := range c.id.Leaves() {
			if l.Leaf == 0x8000001d {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d caches, want %d", name, n, c.want)
		}
		if vcpu.CompareLeaves(before, c.id.Leaves()) == nil {
			t.Errorf("%s: the fingerprint does not tell", name)
		}
	}
}
