package reg

// CPUID leaves (APM Vol. 3, Appendix E; SDM Vol. 2A, CPUID).
const (
	LeafVendor    uint32 = 0
	LeafFeatures  uint32 = 1
	LeafExtended  uint32 = 7
	LeafXSAVE     uint32 = 0xD
	LeafExtMax    uint32 = 0x80000000
	LeafExtInfo   uint32 = 0x80000001
	LeafAddrSizes uint32 = 0x80000008
	LeafSVM       uint32 = 0x8000000A
	LeafExt2      uint32 = 0x80000021
)

// Fn0000_0001 ECX and EDX.
const (
	CPUID1_ECX_MONITOR  uint32 = 1 << 3
	CPUID1_ECX_VMX      uint32 = 1 << 5
	CPUID1_ECX_PCID     uint32 = 1 << 17
	CPUID1_ECX_X2APIC   uint32 = 1 << 21
	CPUID1_ECX_DEADLINE uint32 = 1 << 24
	CPUID1_ECX_XSAVE    uint32 = 1 << 26
	CPUID1_ECX_OSXSAVE  uint32 = 1 << 27
	CPUID1_ECX_AVX      uint32 = 1 << 28
	CPUID1_ECX_RDRAND   uint32 = 1 << 30
	CPUID1_ECX_HV       uint32 = 1 << 31

	CPUID1_EDX_TSC   uint32 = 1 << 4
	CPUID1_EDX_MSR   uint32 = 1 << 5
	CPUID1_EDX_APIC  uint32 = 1 << 9
	CPUID1_EDX_MTRR  uint32 = 1 << 12
	CPUID1_EDX_PAT   uint32 = 1 << 16
	CPUID1_EDX_CLFSH uint32 = 1 << 19
	CPUID1_EDX_FXSR  uint32 = 1 << 24
)

// Fn8000_0001 ECX and EDX.
const (
	CPUIDExt1_ECX_SVM     uint32 = 1 << 2
	CPUIDExt1_EDX_NX      uint32 = 1 << 20
	CPUIDExt1_EDX_Page1GB uint32 = 1 << 26
	CPUIDExt1_EDX_RDTSCP  uint32 = 1 << 27
	CPUIDExt1_EDX_LM      uint32 = 1 << 29
)

// Fn8000_0008 EBX.
const (
	CPUIDExt8_EBX_RDPRU uint32 = 1 << 4
	CPUIDExt8_EBX_IBPB  uint32 = 1 << 12
	CPUIDExt8_EBX_IBRS  uint32 = 1 << 14
	CPUIDExt8_EBX_STIBP uint32 = 1 << 15
)

// Fn8000_000A EDX: the features of SVM (APM Vol. 3, E.4.9).
const (
	SVM_NP             uint32 = 1 << 0
	SVM_LbrVirt        uint32 = 1 << 1
	SVM_SVML           uint32 = 1 << 2
	SVM_NRIPS          uint32 = 1 << 3
	SVM_TscRateMsr     uint32 = 1 << 4
	SVM_VmcbClean      uint32 = 1 << 5
	SVM_FlushByAsid    uint32 = 1 << 6
	SVM_DecodeAssists  uint32 = 1 << 7
	SVM_PauseFilter    uint32 = 1 << 10
	SVM_PauseFilterThr uint32 = 1 << 12
	SVM_AVIC           uint32 = 1 << 13
	SVM_VmsaveVirt     uint32 = 1 << 15
	SVM_VGIF           uint32 = 1 << 16
	SVM_GMET           uint32 = 1 << 17
	SVM_SpecCtrl       uint32 = 1 << 20
	SVM_VNMI           uint32 = 1 << 25
)

// Fn8000_0021 EAX.
const CPUIDExt21_EAX_AutomaticIBRS uint32 = 1 << 8
