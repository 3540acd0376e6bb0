package vcpu

// kvmMSIExtDestID is KVM_FEATURE_MSI_EXT_DEST_ID: an interrupt message, and an entry of
// the I/O APIC, has seven more bits of destination.
const kvmMSIExtDestID = 1 << 15

// Leaves that AMD processors with more than 8 bits of APIC ID have (APM Vol. 3, E.4.15
// and E.4.16).
const (
	leafCaches   = 0x8000001d
	leafTopology = 0x8000001e
	topoExt      = 22 // of 8000_0001 ECX
)

// Spread puts the processors' APIC IDs 1<<shift apart: that of processor n is n<<shift.
// CPUID then tells of cores that have room for so many threads and are one, so that a
// core's number is the processor's in its package as without. Fields of old leaves that
// are too narrow have the most that fits: who asks for so many asks leaf 0BH. It is
// called before the machine has processors, once; 0 changes nothing.
func (c *CPUID) Spread(shift uint8) {
	if shift == 0 {
		return
	}
	c.spread = shift
	ids := pow2(c.cpus) << shift // of a package
	for i := range c.rows {
		r := &c.rows[i]
		switch r.leaf {
		case 1:
			if c.intel { // AMD counts processors there, not IDs
				r.ebx = r.ebx&^0xff0000 | uint32(min(ids, 0xff))<<16
				r.edx |= bits(28)
			}
		case 4:
			r.eax |= c.sharing(r.eax>>5&7) << 14
		case 0xb:
			r.eax += uint32(shift)
		case 0x40000001:
			r.eax |= kvmMSIExtDestID
		case 0x80000000:
			if !c.intel {
				r.eax = leafTopology
			}
		case 0x80000001:
			if !c.intel {
				r.ecx |= bits(topoExt)
			}
		case 0x80000008:
			if !c.intel {
				r.ecx += uint32(shift) << 12
			}
		}
	}
	if !c.intel {
		c.rows = append(c.rows, c.amdCaches()...)
		c.rows = append(c.rows, leaf{leaf: leafTopology})
	}
}

// sharing is how many IDs, less one, share a cache of that level: those of a core, and at
// the last level those of the package.
func (c *CPUID) sharing(level uint32) uint32 {
	n := 1 << c.spread
	if level >= 3 {
		n *= pow2(c.cpus)
	}
	return uint32(min(n, 1<<12) - 1)
}

// amdCaches is leaf 8000_001DH as 8000_0005H and 8000_0006H have it.
func (c *CPUID) amdCaches() (rows []leaf) {
	l1, l2 := c.find(0x80000005, 0), c.find(0x80000006, 0)
	for _, k := range [...]struct{ kind, level, size, line, ways uint32 }{ // size in bytes
		{1, 1, l1.ecx >> 24 << 10, l1.ecx & 0xff, l1.ecx >> 16 & 0xff},
		{2, 1, l1.edx >> 24 << 10, l1.edx & 0xff, l1.edx >> 16 & 0xff},
		{3, 2, l2.ecx >> 16 << 10, l2.ecx & 0xff, amdWays[l2.ecx>>12&15]},
		{3, 3, l2.edx >> 18 << 19, l2.edx & 0xff, amdWays[l2.edx>>12&15]},
	} {
		if k.ways == 0 || k.line == 0 || k.size < k.line*k.ways {
			continue
		}
		rows = append(rows, leaf{leaf: leafCaches, sub: uint32(len(rows)), subs: true,
			eax: k.kind | k.level<<5 | 1<<8 | c.sharing(k.level)<<14,
			ebx: (k.ways-1)<<22 | k.line - 1, ecx: k.size/(k.line*k.ways) - 1})
	}
	return rows
}

// amdWays is the associativity by the codes of 8000_0006H (APM Vol. 3, table E-4); 0: no
// cache, or fully associative, which none of these levels is. 9 says that leaf
// 8000_001DH has it: 16 on all processors that say so.
var amdWays = [16]uint32{1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 16, 9: 16, 10: 32, 11: 48, 12: 64, 13: 96, 14: 128}

// apicID is the processor's local APIC ID. W1.
func (v *VCPU) apicID() uint32 { return uint32(v.Index) << (v.CPUID.spread & 31) }

// core is the processor's number in its package, and the package's. W1.
func (v *VCPU) core() (core, pkg uint32) {
	i := uint32(v.Index)
	n := v.CPUID.pkgBits & 31
	return i & (1<<n - 1), i >> n
}
