package reg

// MSR is the number of a model-specific register, the ECX of RDMSR.
type MSR uint32

// Registers that both vendors have (APM Vol. 2, Appendix A; SDM Vol. 4, Table 2-2).
const (
	TSC             MSR = 0x10
	APIC_BASE       MSR = 0x1B
	FEATURE_CONTROL MSR = 0x3A // Intel only: VMX lock
	TSC_ADJUST      MSR = 0x3B
	SPEC_CTRL       MSR = 0x48
	PRED_CMD        MSR = 0x49
	BIOS_SIGN_ID    MSR = 0x8B
	MPERF           MSR = 0xE7
	APERF           MSR = 0xE8
	MTRRcap         MSR = 0xFE
	ARCH_CAP        MSR = 0x10A
	FLUSH_CMD       MSR = 0x10B
	SYSENTER_CS     MSR = 0x174
	SYSENTER_ESP    MSR = 0x175
	SYSENTER_EIP    MSR = 0x176
	MCG_CAP         MSR = 0x179
	MCG_STAT        MSR = 0x17A
	MCG_CTL         MSR = 0x17B
	MISC_ENABLE     MSR = 0x1A0
	DebugCtl        MSR = 0x1D9
	LastBranchFrom  MSR = 0x1DB
	LastBranchTo    MSR = 0x1DC
	LastExcpFrom    MSR = 0x1DD
	LastExcpTo      MSR = 0x1DE
	MTRRphysBase0   MSR = 0x200
	MTRRfix64K      MSR = 0x250
	PAT             MSR = 0x277
	MTRRdefType     MSR = 0x2FF
	TSC_DEADLINE    MSR = 0x6E0
	XSS             MSR = 0xDA0

	X2APICFirst MSR = 0x800 // x2APIC registers, SDM Vol. 3A, 11.12.1.2
	X2APICLast  MSR = 0x8FF

	EFER         MSR = 0xC0000080
	STAR         MSR = 0xC0000081
	LSTAR        MSR = 0xC0000082
	CSTAR        MSR = 0xC0000083
	SFMASK       MSR = 0xC0000084
	FSBase       MSR = 0xC0000100
	GSBase       MSR = 0xC0000101
	KernelGSBase MSR = 0xC0000102
	TSC_AUX      MSR = 0xC0000103
)

// Registers of AMD processors (APM Vol. 2, Appendix A).
const (
	TSC_RATIO   MSR = 0xC0000104
	SYSCFG      MSR = 0xC0010010
	HWCR        MSR = 0xC0010015
	VM_CR       MSR = 0xC0010114
	IGNNE       MSR = 0xC0010115
	SMM_CTL     MSR = 0xC0010116
	VM_HSAVE_PA MSR = 0xC0010117
	SVM_KEY     MSR = 0xC0010118
	VIRT_SPEC   MSR = 0xC001011F
	DE_CFG      MSR = 0xC0011029
	BP_CFG      MSR = 0xC001102E
)

// Bits of EFER (APM Vol. 2, 3.1.7).
const (
	EFER_SCE   uint64 = 1 << 0
	EFER_LME   uint64 = 1 << 8
	EFER_LMA   uint64 = 1 << 10
	EFER_NXE   uint64 = 1 << 11
	EFER_SVME  uint64 = 1 << 12
	EFER_LMSLE uint64 = 1 << 13
	EFER_FFXSR uint64 = 1 << 14
	EFER_TCE   uint64 = 1 << 15

	EFER_AIBRSE uint64 = 1 << 21 // automatic IBRS
)

// Bits of DE_CFG and BP_CFG that work around errata (AMD's security bulletins 7008
// and 7005).
const (
	DE_CFG_FP_BACKUP_FIX  uint64 = 1 << 9
	BP_CFG_BP_SPEC_REDUCE uint64 = 1 << 4
)

// Bits of VM_CR (APM Vol. 2, 15.30.1).
const (
	VM_CR_DPD     uint64 = 1 << 0
	VM_CR_R_INIT  uint64 = 1 << 1
	VM_CR_DISA20M uint64 = 1 << 2
	VM_CR_LOCK    uint64 = 1 << 3
	VM_CR_SVMDIS  uint64 = 1 << 4
)

// Bits of PRED_CMD and SPEC_CTRL (APM Vol. 2, 3.2.9; SDM Vol. 4).
const (
	PRED_CMD_IBPB   uint64 = 1 << 0
	SPEC_CTRL_IBRS  uint64 = 1 << 0
	SPEC_CTRL_STIBP uint64 = 1 << 1
	SPEC_CTRL_SSBD  uint64 = 1 << 2
	SPEC_CTRL_BHI   uint64 = 1 << 10 // BHI_DIS_S
)

// Bits of IA32_ARCH_CAPABILITIES (SDM Vol. 4, Table 2-2).
const (
	ARCH_CAP_RDCL_NO        uint64 = 1 << 0
	ARCH_CAP_IBRS_ALL       uint64 = 1 << 1
	ARCH_CAP_RSBA           uint64 = 1 << 2
	ARCH_CAP_SKIP_L1DFL     uint64 = 1 << 3 // SKIP_L1DFL_VMENTRY
	ARCH_CAP_SSB_NO         uint64 = 1 << 4
	ARCH_CAP_MDS_NO         uint64 = 1 << 5
	ARCH_CAP_PSCHANGE_MC_NO uint64 = 1 << 6 // IF_PSCHANGE_MC_NO
	ARCH_CAP_TSX_CTRL       uint64 = 1 << 7
	ARCH_CAP_TAA_NO         uint64 = 1 << 8
	ARCH_CAP_SBDR_SSDP_NO   uint64 = 1 << 13
	ARCH_CAP_FBSDP_NO       uint64 = 1 << 14
	ARCH_CAP_PSDP_NO        uint64 = 1 << 15
	ARCH_CAP_FB_CLEAR       uint64 = 1 << 17
	ARCH_CAP_RRSBA          uint64 = 1 << 19
	ARCH_CAP_BHI_NO         uint64 = 1 << 20
	ARCH_CAP_PBRSB_NO       uint64 = 1 << 24
	ARCH_CAP_GDS_NO         uint64 = 1 << 26
	ARCH_CAP_RFDS_NO        uint64 = 1 << 27
	ARCH_CAP_RFDS_CLEAR     uint64 = 1 << 28
)

// PATReset is the value of PAT after a reset (APM Vol. 2, 7.8.2).
const PATReset uint64 = 0x0007040600070406
