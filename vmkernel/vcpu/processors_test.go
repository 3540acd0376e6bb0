package vcpu_test

import (
	"slices"

	"basalt/vmkernel/vcpu"
)

// processor is what matters of a CPUID dump of a real processor. The dumps are public
// ones (InstLatx64); 32-bit programs made them, in which Intel does not show SYSCALL.
type processor struct {
	name            string
	intel           bool
	max             uint32
	sig, ecx1, edx1 uint32
	b7, c7, d7      uint32
	d1              uint32
	cx, dx          uint32 // 8000_0001
	a8, b8          uint32
	levels          string // what it can carry, besides host
}

var processors = []processor{
	{"Lynnfield", true, 0xb, 0x106e5, 0x0098e3fd, 0xbfebfbff, 0, 0, 0, 0, 1, 0x28100000, 0x3024, 0,
		"x86-64-v2 intel-nehalem"},
	{"Clarkdale", true, 0xb, 0x20652, 0x0298e3ff, 0xbfebfbff, 0, 0, 0, 0, 1, 0x28100000, 0x3024, 0,
		"x86-64-v2 intel-nehalem intel-westmere"},
	{"Gulftown", true, 0xb, 0x206c2, 0x029ee3ff, 0xbfebfbff, 0, 0, 0x9c000000, 0, 1, 0x2c100000, 0x3024, 0,
		"x86-64-v2 intel-nehalem intel-westmere"},
	{"Sandy Bridge", true, 0xd, 0x206a7, 0x1fbae3ff, 0xbfebfbff, 0, 0, 0, 1, 1, 0x28100000, 0x3024, 0,
		"x86-64-v2 intel-nehalem intel-westmere intel-sandybridge"},
	{"Ivy Bridge", true, 0xd, 0x306a9, 0x7f9ae3bf, 0xbfebfbff, 0x281, 0, 0, 1, 1, 0x28100000, 0x3024, 0,
		"x86-64-v2 intel-nehalem intel-westmere intel-sandybridge intel-ivybridge"},
	{"Haswell", true, 0xd, 0x306c3, 0x7ffafbff, 0xbfebfbff, 0x27ab, 0, 0, 1, 0x21, 0x2c100000, 0x3027, 0,
		"x86-64-v2 x86-64-v3 intel-nehalem intel-westmere intel-sandybridge intel-ivybridge intel-haswell"},
	{"Haswell-EP", true, 0xf, 0x306f2, 0x7dfefbff, 0xbfebfbff, 0x3fbb, 0, 0, 1, 0x21, 0x2c100000, 0x302e, 0,
		"x86-64-v2 x86-64-v3 intel-nehalem"}, // this sample has AES switched off
	{"Broadwell", true, 0x14, 0x306d4, 0x7ffafbbf, 0xbfebfbff, 0x021c27ab, 0, 0, 1, 0x121, 0x2c100000, 0x3027, 0,
		"x86-64-v2 x86-64-v3 intel-nehalem intel-westmere intel-sandybridge intel-ivybridge intel-haswell intel-broadwell"},
	{"Skylake", true, 0x16, 0x506e3, 0x7ffafbff, 0xbfebfbff, 0x029c67af, 0, 0, 0xf, 0x121, 0x2c100000, 0x3027, 0,
		"x86-64-v2 x86-64-v3 intel-nehalem intel-westmere intel-sandybridge intel-ivybridge intel-haswell intel-broadwell intel-skylake"},
	{"Skylake-SP", true, 0x16, 0x50654, 0x7ffefbff, 0xbfebfbff, 0xd39ffffb, 8, 0, 0xf, 0x121, 0x2c100800, 0x302e, 0,
		"x86-64-v2 x86-64-v3 intel-nehalem intel-westmere intel-sandybridge intel-ivybridge intel-haswell intel-broadwell intel-skylake"},
	{"Ice Lake-SP", true, 0x1b, 0x606a6, 0x7ffefbff, 0xbfebfbff, 0xf3bfbfff, 0x40417f4e, 0xbc040412, 0xf, 0x121, 0x2c100800, 0x392e, 0x200,
		"x86-64-v2 x86-64-v3 intel-nehalem intel-westmere intel-sandybridge intel-ivybridge intel-haswell intel-broadwell intel-skylake"},
	{"Shanghai", false, 5, 0x100f42, 0x00802009, 0x178bfbff, 0, 0, 0, 0, 0x37ff, 0xefd3fbff, 0x3030, 0,
		"amd-opteron-g3"},
	{"Zambezi", false, 0xd, 0x600f12, 0x1e98220b, 0x178bfbff, 0, 0, 0, 0, 0x01c9bfff, 0x2fd3fbff, 0x3030, 0,
		"x86-64-v2 amd-opteron-g3 amd-opteron-g4"},
	{"Vishera", false, 0xd, 0x600f20, 0x3e98320b, 0x178bfbff, 8, 0, 0, 0, 0x01ebbfff, 0x2fd3fbff, 0x3030, 0,
		"x86-64-v2 amd-opteron-g3 amd-opteron-g4 amd-opteron-g5"},
	{"Naples", false, 0xd, 0x800f12, 0x7ed8320b, 0x178bfbff, 0x209c01a9, 0, 0, 0xf, 0x35c233ff, 0x2fd3fbff, 0x3030, 7,
		"x86-64-v2 x86-64-v3 amd-opteron-g3 amd-opteron-g4 amd-opteron-g5 amd-epyc"},
	{"Rome", false, 0x10, 0x830f10, 0x7ef8320b, 0x178bfbff, 0x219c91a9, 0x400004, 0, 0xf, 0x75c237ff, 0x2fd3fbff, 0x3030, 0x018ef757,
		"x86-64-v2 x86-64-v3 amd-opteron-g3 amd-opteron-g4 amd-opteron-g5 amd-epyc amd-epyc-rome"},
	// -cpu EPYC,+svm,+npt of QEMU 7.2 (TCG).
	{"QEMU", false, 0xd, 0x800f12, 0xf6d8320b, 0x078bfbfd, 0x009801a9, 0, 0, 5, 0x75, 0x2dd3fbfd, 0x3028, 0,
		"x86-64-v2 x86-64-v3"},
	{"Milan", false, 0x10, 0xa00f11, 0x7eda320b, 0x178bfbff, 0x219c97a9, 0x40068c, 0x10, 0xf, 0x75c237ff, 0x2fd3fbff, 0x3030, 0x91bef75f,
		"x86-64-v2 x86-64-v3 amd-opteron-g3 amd-opteron-g4 amd-opteron-g5 amd-epyc amd-epyc-rome amd-epyc-milan"},
}

// cpuid answers as the processor. What no row holds is noise that differs from
// processor to processor: a level must not let it through.
func (p *processor) cpuid(l, sub uint32) (a, b, c, d uint32) {
	noise := p.sig*2654435761 + l
	switch l {
	case 0, 0x80000000:
		if p.intel {
			return p.max, 0x756e6547, 0x6c65746e, 0x49656e69
		}
		return p.max, 0x68747541, 0x444d4163, 0x69746e65
	case 1:
		return p.sig, noise, p.ecx1, p.edx1
	case 7:
		if sub == 0 {
			return 0, p.b7, p.c7, p.d7
		}
	case 4:
		if sub < 3 {
			return noise&^0x1f | 1, noise, noise, 0
		}
		return 0, 0, 0, 0
	case 0xd:
		switch sub {
		case 0:
			return 7, 0x340, 0x340, 0
		case 1:
			return p.d1, 0x340, 0x100, 0
		case 2:
			return 0x100, 0x240, 0, 0
		}
	case 0x80000001:
		if p.intel {
			return 0, 0, p.cx, p.dx | 1<<11
		}
		return p.sig, noise, p.cx, p.dx
	case 0x80000008:
		return p.a8, p.b8, noise, 0
	}
	return noise, noise, noise, noise
}

func (p *processor) host() vcpu.Host {
	return vcpu.Host{CPUID: p.cpuid, Caps: vcpu.Caps{RDTSCP: true, INVPCID: true, XCR0: 0xff, HasArchCap: true, ArchCap: uint64(p.sig)}}
}

func byName(name string) *processor {
	return &processors[slices.IndexFunc(processors, func(p processor) bool { return p.name == name })]
}
