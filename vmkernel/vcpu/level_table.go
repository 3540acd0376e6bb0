package vcpu

// Vendors as leaf 0 spells them.
const (
	anyVendor = ""
	intel     = "GenuineIntel"
	amd       = "AuthenticAMD"
)

// levelDef is one row of the table of levels.
type levelDef struct {
	name   string
	vendor string // anyVendor, or the only one
	// signature is EAX of leaf 1, on Intel and on AMD: a processor that has the
	// level, so that a guest applies the work-arounds of no other.
	signature [2]uint32
	physBits  uint8  // width of physical addresses that a guest sees
	parent    string // whose features it has too
	adds      string
	set       featureSet // parent and adds
}

// base is what every level has: what a 64-bit operating system takes for granted.
// What we supply ourselves (APIC, x2APIC, TSC_DEADLINE, TSC_ADJUST, ARAT) is in none.
// VME, of 8086 code only, is not either: QEMU's processor has none.
const base = "FPU DE PSE TSC MSR PAE MCE CMPXCHG8B SEP MTRR PGE MCA CMOV PAT PSE-36 CLFLUSH MMX FXSR SSE SSE2 SYSCALL NX LM"

// Signatures that neutral levels show. Where the two vendors' first processor of a
// level is far apart the AMD one is Zen's: older families have work-arounds of their own.
const (
	sigNehalem  = 0x106a5
	sigHaswell  = 0x306c3
	sigSkylakeX = 0x50654
	sigZen      = 0x800f12
)

// levels is every level but "host". The x86-64 rows are the System V psABI's
// (x86-64 supplement, 1.0, section 3.1.1, table 3.1) and have no feature that is not
// there: nothing for supervisors (PCID, SMEP, SMAP), no RDTSCP, no AES. The named rows
// are what the weakest of the listed processors with VT-x or AMD-V has and we carry;
// the features come from CPUID dumps of such processors (processors_test.go). XOP, FMA4, TBM,
// 3DNow!, TSX, MPX, SGX, PKU and MONITOR are in no row: we never show them.
//
// A row must never change, nor lose its name, once it was in a release: saved
// machines count on it. A correction is a new row ("intel-haswell-2").
var levels = []levelDef{
	{name: "x86-64-v2", signature: [2]uint32{sigNehalem, sigZen}, physBits: 36,
		adds: base + " CMPXCHG16B LAHF-SAHF POPCNT SSE3 SSE4.1 SSE4.2 SSSE3"},
	{name: "x86-64-v3", signature: [2]uint32{sigHaswell, sigZen}, physBits: 39, parent: "x86-64-v2",
		adds: "AVX AVX2 BMI1 BMI2 F16C FMA LZCNT MOVBE XSAVE"},
	{name: "x86-64-v4", signature: [2]uint32{sigSkylakeX, 0xa10f11}, physBits: 39, parent: "x86-64-v3",
		adds: "AVX512F AVX512BW AVX512CD AVX512DQ AVX512VL"},

	// Bloomfield, Lynnfield, Gainestown (2008).
	{name: "intel-nehalem", vendor: intel, signature: [2]uint32{sigNehalem}, physBits: 36, parent: "x86-64-v2",
		adds: "RDTSCP"},
	// Clarkdale, Gulftown, Westmere-EP (2010). Clarkdale has no PCID.
	{name: "intel-westmere", vendor: intel, signature: [2]uint32{0x206c2}, physBits: 36, parent: "intel-nehalem",
		adds: "AES PCLMULQDQ"},
	// 2011.
	{name: "intel-sandybridge", vendor: intel, signature: [2]uint32{0x206a7}, physBits: 36, parent: "intel-westmere",
		adds: "AVX PCID XSAVE XSAVEOPT"},
	// 2012.
	{name: "intel-ivybridge", vendor: intel, signature: [2]uint32{0x306a9}, physBits: 36, parent: "intel-sandybridge",
		adds: "ERMS F16C FSGSBASE RDRAND SMEP"},
	// 2013.
	{name: "intel-haswell", vendor: intel, signature: [2]uint32{sigHaswell}, physBits: 39, parent: "intel-ivybridge",
		adds: "AVX2 BMI1 BMI2 FMA INVPCID LZCNT MOVBE PDPE1GB"},
	// 2014.
	{name: "intel-broadwell", vendor: intel, signature: [2]uint32{0x306d4}, physBits: 39, parent: "intel-haswell",
		adds: "ADX PREFETCHW RDSEED SMAP"},
	// 2015, without AVX-512.
	{name: "intel-skylake", vendor: intel, signature: [2]uint32{0x506e3}, physBits: 39, parent: "intel-broadwell",
		adds: "CLFLUSHOPT XGETBV_ECX1 XSAVEC"},
	// Skylake-SP (2017).
	{name: "intel-skylake-server", vendor: intel, signature: [2]uint32{sigSkylakeX}, physBits: 46, parent: "intel-skylake",
		adds: "AVX512BW AVX512CD AVX512DQ AVX512F AVX512VL CLWB"},
	// Ice Lake-SP (2021).
	{name: "intel-icelake-server", vendor: intel, signature: [2]uint32{0x606a6}, physBits: 46, parent: "intel-skylake-server",
		adds: "AVX512_BITALG AVX512_IFMA AVX512_VBMI AVX512_VBMI2 AVX512_VNNI AVX512_VPOPCNTDQ FSRM GFNI RDPID SHA UMIP VAES VPCLMULQDQ"},

	// K10: Barcelona, Shanghai, Istanbul (2008). It has no SSSE3 and no SSE4.1.
	{name: "amd-opteron-g3", vendor: amd, signature: [2]uint32{1: 0x100f42}, physBits: 46,
		adds: base + " CMPXCHG16B LAHF-SAHF LZCNT MISALIGNSSE MMXEXT FXSR_OPT PDPE1GB POPCNT PREFETCHW RDTSCP SSE3 SSE4A"},
	// Bulldozer (2011).
	{name: "amd-opteron-g4", vendor: amd, signature: [2]uint32{1: 0x600f12}, physBits: 46, parent: "amd-opteron-g3",
		adds: "AES AVX PCLMULQDQ SSE4.1 SSE4.2 SSSE3 XSAVE"},
	// Piledriver (2012).
	{name: "amd-opteron-g5", vendor: amd, signature: [2]uint32{1: 0x600f20}, physBits: 46, parent: "amd-opteron-g4",
		adds: "BMI1 F16C FMA"},
	// Zen: Naples (2017).
	{name: "amd-epyc", vendor: amd, signature: [2]uint32{1: sigZen}, physBits: 46, parent: "amd-opteron-g5",
		adds: "ADX AVX2 BMI2 CLFLUSHOPT CLZERO FSGSBASE MOVBE RDRAND RDSEED SHA SMAP SMEP XGETBV_ECX1 XSAVEC XSAVEERPTR XSAVEOPT"},
	// Zen 2 (2019).
	{name: "amd-epyc-rome", vendor: amd, signature: [2]uint32{1: 0x830f10}, physBits: 46, parent: "amd-epyc",
		adds: "CLWB RDPID UMIP"},
	// Zen 3 (2021).
	{name: "amd-epyc-milan", vendor: amd, signature: [2]uint32{1: 0xa00f11}, physBits: 46, parent: "amd-epyc-rome",
		adds: "ERMS FSRM INVPCID PCID VAES VPCLMULQDQ"},
}

// fill makes the set of a row; the parent is above it.
func (d *levelDef) fill() {
	d.set = featuresOf(d.adds)
	if d.parent == "" {
		return
	}
	for i := range levels {
		if levels[i].name == d.parent {
			d.set = d.set.with(&levels[i].set)
			return
		}
	}
	panic("vcpu: level " + d.name + " of no level " + d.parent)
}
