package vcpu

// The allowlists: a feature is shown if the host has it and it is listed here.
// What is not listed is hidden; new processors bring nothing that we have not
// thought about. (SDM Vol. 2A, CPUID; APM Vol. 3, Appendix E.)
var allow = featureSet{
	// SSE3 PCLMULQDQ SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE
	// AVX F16C RDRAND. Hidden: MONITOR VMX SMX EIST TM2 xTPR PDCM DCA DTES64.
	w1ECX: bits(0, 1, 9, 12, 13, 17, 19, 20, 22, 23, 25, 26, 28, 29, 30),
	// FPU VME DE PSE TSC MSR PAE MCE CX8 SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH
	// MMX FXSR SSE SSE2 SS. Hidden: PSN DS ACPI TM PBE.
	w1EDX: bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 19, 23, 24, 25, 26, 27),
	// FSGSBASE TSC_ADJUST BMI1 AVX2 SMEP BMI2 ERMS INVPCID RDSEED ADX SMAP
	// CLFLUSHOPT CLWB SHA. Hidden: SGX HLE RTM PQM PQE MPX AVX-512 PT.
	w7EBX: bits(0, 1, 3, 5, 7, 8, 9, 10, 18, 19, 20, 23, 24, 29),
	// UMIP GFNI VAES VPCLMULQDQ RDPID. Hidden: PKU WAITPKG CET LA57 and others.
	w7ECX: bits(2, 8, 9, 10, 22),
	// FSRM MD_CLEAR SERIALIZE ARCH_CAPABILITIES. Hidden: IBRS, STIBP, SSBD and
	// L1D_FLUSH, whose registers we do not switch; UINTR, PCONFIG, AMX and others.
	w7EDX: bits(4, 10, 14, 29),
	// XSAVEOPT XSAVEC XGETBV(1). Hidden: XSAVES, XFD.
	wD1EAX: bits(0, 1, 2),
	// LAHF ABM SSE4A MISALIGNSSE 3DNOWPREFETCH; CMP_LEGACY and TOPOEXT are ours. Hidden: SVM EXTAPIC
	// CR8_LEGACY OSVW IBS SKINIT WDT TCE PERFCTR.
	wExtECX: bits(0, 5, 6, 7, 8),
	// SYSCALL NX MMXEXT FXSR_OPT PDPE1GB RDTSCP LM, and on AMD the copies of leaf 1.
	wExtEDX: bits(11, 20, 22, 25, 26, 27, 29) | copiedEDX,
	// CLZERO XSAVEERPTR. Hidden: IBPB and others.
	wExt8EBX: bits(0, 2),
}

const (
	// copiedEDX are the bits of 8000_0001 EDX that AMD copies from leaf 1.
	copiedEDX = 0x0183f1ff
	// intelExtEDX are those that Intel has there.
	intelExtEDX = 1<<11 | 1<<20 | 1<<26 | 1<<27 | 1<<29
)

// component is where XSAVE keeps one state component, in bytes.
type component struct{ size, offset uint32 }

// standardAVX is where every processor that there is keeps the upper halves of the
// YMM registers.
var standardAVX = component{256, 576}

// offered is what a host can show to a guest.
type offered struct {
	vendor   string
	intel    bool
	set      featureSet
	xcr0     uint64
	avx      component
	physBits uint8
}

// raw is the host's own words.
func (h Host) raw() (s featureSet) {
	_, _, s[w1ECX], s[w1EDX] = h.CPUID(1, 0)
	_, s[w7EBX], s[w7ECX], s[w7EDX] = h.CPUID(7, 0)
	s[wD1EAX], _, _, _ = h.CPUID(0xd, 1)
	_, _, s[wExtECX], s[wExtEDX] = h.CPUID(0x80000001, 0)
	_, s[wExt8EBX], _, _ = h.CPUID(0x80000008, 0)
	return s
}

// offer is the host's features, less what we do not carry and what the engine does
// not switch.
func (h Host) offer() (o offered) {
	_, b, c, d := h.CPUID(0, 0)
	o.intel = b == 0x756e6547 // "Genu"
	for _, r := range [3]uint32{b, d, c} {
		o.vendor += string([]byte{byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24)})
	}
	s := h.raw()
	for w := range s {
		s[w] &= allow[w]
	}
	o.xcr0 = h.Caps.XCR0 & 7
	if !s.has(w1ECX, 26) || o.xcr0&3 != 3 {
		o.xcr0 = 1
		s[w1ECX] &^= bits(26)
		s[wD1EAX] = 0
	}
	if o.xcr0&4 == 0 {
		s[w1ECX] &^= bits(12, 28, 29) // FMA AVX F16C
	} else {
		a, e, _, _ := h.CPUID(0xd, 2)
		if o.avx = (component{a, e}); a == 0 {
			o.avx = standardAVX
		}
	}
	if !s.has(w1ECX, 28) {
		s[w7EBX] &^= bits(5)     // AVX2
		s[w7ECX] &^= bits(9, 10) // VAES VPCLMULQDQ
	}
	if !h.Caps.INVPCID {
		s[w7EBX] &^= bits(10)
	}
	if !h.Caps.RDTSCP {
		s[w7ECX] &^= bits(22) // RDPID
		s[wExtEDX] &^= bits(27)
	}
	if !h.Caps.HasArchCap {
		s[w7EDX] &^= bits(29)
	}
	if o.intel {
		s[wExtEDX] &= intelExtEDX
		s[wExt8EBX] = 0
	}
	o.set = s
	a8, _, _, _ := h.CPUID(0x80000008, 0)
	// What 4-level nested tables and our maps hold.
	o.physBits = uint8(max(36, min(a8&0xff, 46)))
	return o
}
