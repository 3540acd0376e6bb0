package vcpu

// HostCPUID executes CPUID on the host (or in a test's table).
type HostCPUID func(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

func bits(n ...uint) (m uint32) {
	for _, b := range n {
		m |= 1 << b
	}
	return m
}

const (
	kvmMaxLeaf = 0x40000010
	// CLOCKSOURCE NOP_IO_DELAY CLOCKSOURCE2 STEAL_TIME PV_EOI CLOCKSOURCE_STABLE.
	kvmFeatures = 1<<0 | 1<<1 | 1<<3 | 1<<5 | 1<<6 | 1<<24
	kvmTLBFlush = 1 << 9
)

// ShowTLBFlush offers KVM_FEATURE_PV_TLB_FLUSH. It is called before the machine has
// processors.
func (c *CPUID) ShowTLBFlush() {
	if r := c.find(0x40000001, 0); r != nil {
		r.eax |= kvmTLBFlush
	}
}

// NewCPUID makes the policy for a machine of cpus processors at a level. tscKHz and
// busKHz are the frequencies of the counter and of the local APIC's timer. The error is
// a *LevelError: the host cannot carry the level.
func NewCPUID(h Host, level Level, cpus int, tscKHz, busKHz uint32) (*CPUID, error) {
	if err := level.Check(h); err != nil {
		return nil, err
	}
	b := newBuilder(h, level, cpus)
	b.basic(tscKHz, busKHz)
	b.xsave()
	b.hypervisor(tscKHz, busKHz)
	b.extended()
	b.derive()
	return b.c, nil
}

// WithoutX2APIC takes x2APIC mode away. Before the policy is used.
func (c *CPUID) WithoutX2APIC() {
	for i := range c.rows {
		if c.rows[i].leaf == 1 {
			c.rows[i].ecx &^= bits(21)
		}
	}
}

type builder struct {
	c    *CPUID
	look look
	set  featureSet
	avx  component
}

func newBuilder(h Host, level Level, cpus int) *builder {
	o := h.offer()
	b := &builder{c: &CPUID{level: level, cpus: cpus, pkgBits: uint8(log2(cpus)), intel: o.intel}, avx: o.avx}
	f := &b.c.feat
	f.Intel = o.intel
	if d := level.def(); d != nil {
		b.look, b.set, b.avx = levelLook(h, d, o.intel), d.set, standardAVX
		if !o.intel {
			b.set[wExtEDX] |= b.set[w1EDX] & copiedEDX
		}
		f.XCR0 = 1
		if b.set.has(w1ECX, 26) {
			f.XCR0 = 3
		}
		if b.set.has(w1ECX, 28) {
			f.XCR0 = 7
		}
	} else {
		b.look, b.set, f.XCR0 = hostLook(h, o.intel), o.set, o.xcr0
	}
	f.PhysBits = b.look.physBits(o.physBits)
	f.HasArchCap, f.ArchCap = b.set.has(w7EDX, 29), h.Caps.ArchCap
	b.c.maxBasic = b.look.maxBasic()
	return b
}

func (b *builder) add(l leaf) { b.c.rows = append(b.c.rows, l) }

func (b *builder) basic(tscKHz, busKHz uint32) {
	n, s := b.c.cpus, &b.set
	maxBasic := b.c.maxBasic
	l0, l1 := b.look.leaf(0, 0), b.look.leaf(1, 0)
	ecx := s[w1ECX] | bits(21, 24, 31) // x2APIC TSC-deadline hypervisor: ours
	edx := s[w1EDX] | bits(9)
	if n > 1 {
		edx |= bits(28)
	}
	// Hot rows first: the search is linear.
	b.add(leaf{leaf: 0, eax: maxBasic, ebx: l0.ebx, ecx: l0.ecx, edx: l0.edx})
	b.add(leaf{leaf: 1, eax: l1.eax, ebx: l1.ebx&0xff00 | uint32(n)<<16, ecx: ecx, edx: edx})
	f := &b.c.feat
	f.Signature = l1.eax
	f.MTRR, f.PAT = edx&bits(12) != 0, edx&bits(16) != 0
	// TSC_ADJUST: ours.
	b.add(leaf{leaf: 7, subs: true, ebx: s[w7EBX] | bits(1), ecx: s[w7ECX], edx: s[w7EDX]})

	if b.c.intel {
		l := b.look.leaf(2, 0)
		b.add(leaf{leaf: 2, eax: l.eax, ebx: l.ebx, ecx: l.ecx, edx: l.edx})
		for sub := uint32(0); sub < 8; sub++ {
			l := b.look.leaf(4, sub)
			a := l.eax
			if a&0x1f == 0 {
				break
			}
			// Caches are shared by one processor; the last level by all.
			a &= 0x3fff
			if a>>5&7 >= 3 {
				a |= uint32(pow2(n)-1) << 14
			}
			a |= uint32(pow2(n)-1) << 26
			b.add(leaf{leaf: 4, sub: sub, subs: true, eax: a, ebx: l.ebx, ecx: l.ecx, edx: l.edx})
		}
	}
	b.add(leaf{leaf: 6, eax: bits(2)}) // ARAT: the APIC timer never stops
	b.add(leaf{leaf: 0xb, sub: 0, subs: true, ebx: 1, ecx: 1 << 8})
	b.add(leaf{leaf: 0xb, sub: 1, subs: true, eax: log2(n), ebx: uint32(n), ecx: 2<<8 | 1})
	if maxBasic >= 0x15 && busKHz != 0 {
		b.add(leaf{leaf: 0x15, eax: busKHz, ebx: tscKHz, ecx: busKHz * 1000})
	}
	if maxBasic >= 0x16 {
		b.add(leaf{leaf: 0x16, eax: tscKHz / 1000, ebx: tscKHz / 1000, ecx: 100})
	}
}

func (b *builder) xsave() {
	f := &b.c.feat
	if f.XCR0&3 != 3 {
		return
	}
	if f.XCR0&4 != 0 {
		f.Sizes[2] = uint16(b.avx.size + b.avx.offset)
		b.add(leaf{leaf: 0xd, sub: 2, subs: true, eax: b.avx.size, ebx: b.avx.offset})
	}
	b.add(leaf{leaf: 0xd, sub: 0, subs: true, eax: uint32(f.XCR0), ecx: b.c.xsaveSize(f.XCR0)})
	b.add(leaf{leaf: 0xd, sub: 1, subs: true, eax: b.set[wD1EAX]})
}

func (b *builder) hypervisor(tscKHz, busKHz uint32) {
	b.add(leaf{leaf: 0x40000000, eax: kvmMaxLeaf, ebx: 0x4b4d564b, ecx: 0x564b4d56, edx: 0x4d})
	b.add(leaf{leaf: 0x40000001, eax: kvmFeatures})
	b.add(leaf{leaf: 0x40000010, eax: tscKHz, ebx: busKHz})
}

func (b *builder) extended() {
	l := b.look.leaf(0x80000000, 0)
	if b.c.intel {
		l = leaf{}
	}
	b.add(leaf{leaf: 0x80000000, eax: 0x80000008, ebx: l.ebx, ecx: l.ecx, edx: l.edx})
	l = b.look.leaf(0x80000001, 0)
	ecx, edx := b.set[wExtECX], b.set[wExtEDX]
	if b.c.intel {
		l.eax, l.ebx = 0, 0
	} else {
		edx |= bits(9)
		if b.c.cpus > 1 {
			ecx |= bits(1) // CMP_LEGACY
		}
	}
	b.add(leaf{leaf: 0x80000001, eax: l.eax, ebx: l.ebx &^ 0x0fff0000, ecx: ecx, edx: edx})
	for n := uint32(0x80000002); n <= 0x80000006; n++ {
		l = b.look.leaf(n, 0)
		b.add(leaf{leaf: n, eax: l.eax, ebx: l.ebx, ecx: l.ecx, edx: l.edx})
	}
	b.add(leaf{leaf: 0x80000007, edx: b.look.leaf(0x80000007, 0).edx & bits(8)})
	cores := uint32(0)
	if !b.c.intel {
		cores = uint32(b.c.cpus-1) | log2(b.c.cpus)<<12
	}
	const virt = 48
	b.add(leaf{leaf: 0x80000008, eax: uint32(b.c.feat.PhysBits) | virt<<8, ebx: b.set[wExt8EBX], ecx: cores})
}

// derive makes the masks of CR4 and EFER from what is shown.
func (b *builder) derive() {
	f := &b.c.feat
	one, seven, ext := b.c.find(1, 0), b.c.find(7, 0), b.c.find(0x80000001, 0)
	f.CR4 = 1 << 8 // PCE; every other bit needs a feature (SDM Vol. 3A, 2.5)
	for _, x := range []struct {
		has bool
		bit uint64
	}{
		{one.edx&bits(1) != 0, 1<<0 | 1<<1}, // VME PVI
		{one.edx&bits(4) != 0, 1 << 2},      // TSD
		{one.edx&bits(2) != 0, CR4DE},       // DE
		{one.edx&bits(3) != 0, CR4PSE},      // PSE
		{one.edx&bits(6) != 0, CR4PAE},      // PAE
		{one.edx&bits(7) != 0, 1 << 6},      // MCE
		{one.edx&bits(13) != 0, CR4PGE},     // PGE
		{one.edx&bits(24) != 0, CR4OSFXSR},  // FXSR
		{one.edx&bits(25) != 0, 1 << 10},    // SSE: OSXMMEXCPT
		{one.ecx&bits(17) != 0, CR4PCIDE},
		{one.ecx&bits(26) != 0, CR4OSXSAVE},
		{seven.ebx&bits(0) != 0, CR4FSGSBASE},
		{seven.ebx&bits(7) != 0, CR4SMEP},
		{seven.ebx&bits(20) != 0, CR4SMAP},
		{seven.ecx&bits(2) != 0, CR4UMIP},
	} {
		if x.has {
			f.CR4 |= x.bit
		}
	}
	if ext.edx&bits(11) != 0 {
		f.EFER |= EFERSCE
	}
	if ext.edx&bits(20) != 0 {
		f.EFER |= EFERNXE
	}
	if ext.edx&bits(29) != 0 {
		f.EFER |= EFERLME | EFERLMA
	}
	if ext.edx&bits(25) != 0 && !b.c.intel {
		f.EFER |= EFERFFXSR
	}
	f.RDTSCP = ext.edx&bits(27) != 0
}

func log2(n int) (k uint32) {
	for 1<<k < n {
		k++
	}
	return k
}

func pow2(n int) int { return 1 << log2(n) }
