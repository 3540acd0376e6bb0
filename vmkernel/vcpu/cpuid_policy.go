package vcpu

// HostCPUID executes CPUID on the host (or in a test's table).
type HostCPUID func(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

func bits(n ...uint) (m uint32) {
	for _, b := range n {
		m |= 1 << b
	}
	return m
}

// The allowlists: a feature is shown if the host has it and it is listed here.
// What is not listed is hidden; new processors bring nothing that we have not
// thought about. (SDM Vol. 2A, CPUID; APM Vol. 3, Appendix E.)
var (
	// SSE3 PCLMULQDQ SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE
	// AVX F16C RDRAND. Hidden: MONITOR VMX SMX EIST TM2 xTPR PDCM DCA DTES64.
	allow1ECX = bits(0, 1, 9, 12, 13, 17, 19, 20, 22, 23, 25, 26, 28, 29, 30)
	// FPU VME DE PSE TSC MSR PAE MCE CX8 SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH
	// MMX FXSR SSE SSE2 SS. Hidden: PSN DS ACPI TM PBE.
	allow1EDX = bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 19, 23, 24, 25, 26, 27)
	// FSGSBASE TSC_ADJUST BMI1 AVX2 SMEP BMI2 ERMS INVPCID RDSEED ADX SMAP
	// CLFLUSHOPT CLWB SHA. Hidden: SGX HLE RTM PQM PQE MPX AVX-512 PT.
	allow7EBX = bits(0, 1, 3, 5, 7, 8, 9, 10, 18, 19, 20, 23, 24, 29)
	// UMIP GFNI VAES VPCLMULQDQ RDPID. Hidden: PKU WAITPKG CET LA57 and others.
	allow7ECX = bits(2, 8, 9, 10, 22)
	// FSRM MD_CLEAR SERIALIZE ARCH_CAPABILITIES. Hidden: IBRS, STIBP, SSBD and
	// L1D_FLUSH, whose registers we do not switch; UINTR, PCONFIG, AMX and others.
	allow7EDX = bits(4, 10, 14, 29)
	// XSAVEOPT XSAVEC XGETBV(1). Hidden: XSAVES, XFD.
	allowD1EAX = bits(0, 1, 2)
	// LAHF CMP_LEGACY ABM SSE4A MISALIGNSSE 3DNOWPREFETCH. Hidden: SVM EXTAPIC
	// CR8_LEGACY OSVW IBS SKINIT WDT TCE TOPOEXT PERFCTR.
	allowExtECX = bits(0, 5, 6, 7, 8)
	// SYSCALL NX MMXEXT FXSR_OPT PDPE1GB RDTSCP LM, and the copies of leaf 1.
	allowExtEDX = bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 20, 22, 23, 24, 25, 26, 27, 29)
	// CLZERO XSAVEERPTR. Hidden: IBPB and others.
	allow80000008EBX = bits(0, 2)
)

const (
	kvmMaxLeaf = 0x40000010
	// CLOCKSOURCE NOP_IO_DELAY CLOCKSOURCE2 STEAL_TIME PV_EOI CLOCKSOURCE_STABLE.
	kvmFeatures = 1<<0 | 1<<1 | 1<<3 | 1<<5 | 1<<6 | 1<<24
)

// NewCPUID makes the policy for a machine of cpus processors. caps is what the
// engine switches; tscKHz and busKHz are the frequencies of the counter and of
// the local APIC's timer.
func NewCPUID(host HostCPUID, caps Caps, cpus int, tscKHz, busKHz uint32) *CPUID {
	c := &CPUID{cpus: cpus}
	b := builder{c: c, host: host, caps: caps}
	b.basic(tscKHz, busKHz)
	b.xsave()
	b.hypervisor(tscKHz, busKHz)
	b.extended()
	b.derive()
	return c
}

type builder struct {
	c    *CPUID
	host HostCPUID
	caps Caps
	ext  bool // AVX state can be switched
}

func (b *builder) add(l leaf) { b.c.rows = append(b.c.rows, l) }

func (b *builder) basic(tscKHz, busKHz uint32) {
	maxBasic, e, g, d := b.host(0, 0)
	b.c.intel = e == 0x756e6547 // "Genu"
	amd := !b.c.intel
	maxBasic = min(max(maxBasic, 0xd), 0x16)
	if amd {
		maxBasic = min(maxBasic, 0x10)
	}
	b.c.maxBasic = maxBasic
	n := b.c.cpus

	a1, b1, c1, d1 := b.host(1, 0)
	xcr0 := b.caps.XCR0 & 7
	if c1&bits(26) == 0 || xcr0&3 != 3 {
		xcr0 = 1
	}
	b.c.feat.XCR0 = xcr0
	c1 &= allow1ECX
	if xcr0&3 != 3 {
		c1 &^= bits(26)
	}
	if xcr0&4 == 0 {
		c1 &^= bits(12, 28, 29) // FMA AVX F16C
		b.ext = false
	} else {
		b.ext = c1&bits(28) != 0
	}
	c1 |= bits(21, 24, 31) // x2APIC TSC-deadline hypervisor: ours
	d1 = d1&allow1EDX | bits(9)
	b1 = b1&0xff00 | uint32(n)<<16
	if n > 1 {
		d1 |= bits(28)
	}
	// Hot rows first: the search is linear.
	b.add(leaf{leaf: 0, eax: maxBasic, ebx: e, ecx: g, edx: d})
	b.add(leaf{leaf: 1, eax: a1, ebx: b1, ecx: c1, edx: d1})
	b.c.feat.Signature = a1
	b.c.feat.Intel = b.c.intel
	b.c.feat.MTRR, b.c.feat.PAT = d1&bits(12) != 0, d1&bits(16) != 0

	_, b7, c7, d7 := b.host(7, 0)
	b7, c7, d7 = b7&allow7EBX, c7&allow7ECX, d7&allow7EDX
	b7 |= bits(1) // TSC_ADJUST: ours
	if !b.caps.INVPCID {
		b7 &^= bits(10)
	}
	if !b.caps.RDTSCP {
		c7 &^= bits(22)
	}
	if !b.caps.HasArchCap {
		d7 &^= bits(29)
	}
	b.c.feat.HasArchCap = d7&bits(29) != 0
	b.c.feat.ArchCap = b.caps.ArchCap
	if !b.ext {
		b7 &^= bits(5)
		c7 &^= bits(9, 10)
	}
	b.add(leaf{leaf: 7, subs: true, ebx: b7, ecx: c7, edx: d7})

	if b.c.intel {
		a, e, g, d := b.host(2, 0)
		b.add(leaf{leaf: 2, eax: a, ebx: e, ecx: g, edx: d})
		for sub := uint32(0); sub < 8; sub++ {
			a, e, g, d := b.host(4, sub)
			if a&0x1f == 0 {
				break
			}
			// Caches are shared by one processor; the last level by all.
			a &= 0x3fff
			if a>>5&7 >= 3 {
				a |= uint32(pow2(n)-1) << 14
			}
			a |= uint32(pow2(n)-1) << 26
			b.add(leaf{leaf: 4, sub: sub, subs: true, eax: a, ebx: e, ecx: g, edx: d})
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
		a, e, _, _ := b.host(0xd, 2)
		if a == 0 {
			a, e = 256, 576
		}
		f.Sizes[2] = uint16(a + e)
		b.add(leaf{leaf: 0xd, sub: 2, subs: true, eax: a, ebx: e})
	}
	b.add(leaf{leaf: 0xd, sub: 0, subs: true, eax: uint32(f.XCR0), ecx: b.c.xsaveSize(f.XCR0)})
	a, _, _, _ := b.host(0xd, 1)
	b.add(leaf{leaf: 0xd, sub: 1, subs: true, eax: a & allowD1EAX})
}

func (b *builder) hypervisor(tscKHz, busKHz uint32) {
	b.add(leaf{leaf: 0x40000000, eax: kvmMaxLeaf, ebx: 0x4b4d564b, ecx: 0x564b4d56, edx: 0x4d})
	b.add(leaf{leaf: 0x40000001, eax: kvmFeatures})
	b.add(leaf{leaf: 0x40000010, eax: tscKHz, ebx: busKHz})
}

func (b *builder) extended() {
	_, e, g, d := b.host(0x80000000, 0)
	if b.c.intel {
		e, g, d = 0, 0, 0
	}
	b.add(leaf{leaf: 0x80000000, eax: 0x80000008, ebx: e, ecx: g, edx: d})
	a1, e1, c1, d1 := b.host(0x80000001, 0)
	c1, d1 = c1&allowExtECX, d1&allowExtEDX
	if !b.caps.RDTSCP {
		d1 &^= bits(27)
	}
	if b.c.intel {
		a1, e1 = 0, 0
		d1 &= bits(11, 20, 26, 27, 29)
	} else {
		d1 |= bits(9)
		if b.c.cpus > 1 {
			c1 |= bits(1) // CMP_LEGACY
		}
	}
	b.add(leaf{leaf: 0x80000001, eax: a1, ebx: e1 &^ 0x0fff0000, ecx: c1, edx: d1})
	for l := uint32(0x80000002); l <= 0x80000006; l++ {
		a, e, g, d := b.host(l, 0)
		b.add(leaf{leaf: l, eax: a, ebx: e, ecx: g, edx: d})
	}
	_, _, _, d7 := b.host(0x80000007, 0)
	b.add(leaf{leaf: 0x80000007, edx: d7 & bits(8)})
	a8, e8, _, _ := b.host(0x80000008, 0)
	phys := a8 & 0xff
	if phys < 36 || phys > 46 {
		phys = max(36, min(phys, 46)) // what 4-level nested tables and our maps hold
	}
	virt := uint32(48)
	g8 := uint32(0)
	if !b.c.intel {
		g8 = uint32(b.c.cpus-1) | log2(b.c.cpus)<<12
		e8 &= allow80000008EBX
	} else {
		e8 = 0
	}
	b.add(leaf{leaf: 0x80000008, eax: phys | virt<<8, ebx: e8, ecx: g8})
	b.c.feat.PhysBits = uint8(phys)
}

// derive makes the masks of CR4 and EFER from what is shown.
func (b *builder) derive() {
	f := &b.c.feat
	one, seven, ext := b.c.find(1, 0), b.c.find(7, 0), b.c.find(0x80000001, 0)
	f.CR4 = 0x7ff // VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT
	for _, x := range []struct {
		has bool
		bit uint64
	}{
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
