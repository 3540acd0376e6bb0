package reg

// The MSRs of VT-x (SDM Vol. 3C, Appendix A, "VMX Capability Reporting
// Facility"), edition 086.
const (
	IA32_VMX_BASIC               = 0x480
	IA32_VMX_PINBASED_CTLS       = 0x481
	IA32_VMX_PROCBASED_CTLS      = 0x482
	IA32_VMX_EXIT_CTLS           = 0x483
	IA32_VMX_ENTRY_CTLS          = 0x484
	IA32_VMX_MISC                = 0x485
	IA32_VMX_CR0_FIXED0          = 0x486
	IA32_VMX_CR0_FIXED1          = 0x487
	IA32_VMX_CR4_FIXED0          = 0x488
	IA32_VMX_CR4_FIXED1          = 0x489
	IA32_VMX_VMCS_ENUM           = 0x48a
	IA32_VMX_PROCBASED_CTLS2     = 0x48b
	IA32_VMX_EPT_VPID_CAP        = 0x48c
	IA32_VMX_TRUE_PINBASED_CTLS  = 0x48d
	IA32_VMX_TRUE_PROCBASED_CTLS = 0x48e
	IA32_VMX_TRUE_EXIT_CTLS      = 0x48f
	IA32_VMX_TRUE_ENTRY_CTLS     = 0x490
	IA32_VMX_VMFUNC              = 0x491
	IA32_VMX_PROCBASED_CTLS3     = 0x492
	IA32_VMX_EXIT_CTLS2          = 0x493
)

const (
	FeatureControlLock          = 1 << 0 // no write until reset
	FeatureControlVMXInSMX      = 1 << 1
	FeatureControlVMXOutsideSMX = 1 << 2
)

// Bits of IA32_VMX_BASIC and IA32_VMX_MISC (Appendix A.1, A.6).
const (
	VMXBasicTrueControls         = 1 << 55
	VMXBasicMemoryTypeWB         = 6 // bits 53:50
	VMXMiscPreemptionRateMask    = 0x1f
	VMXMiscSavesLMA              = 1 << 5
	VMXMiscActivityHLT           = 1 << 6
	VMXMiscEntryInjectZeroLength = 1 << 30
)

// Bits of IA32_VMX_EPT_VPID_CAP (Appendix A.10).
const (
	EPTVPIDCapExecuteOnly         = 1 << 0
	EPTVPIDCapWalk4               = 1 << 6
	EPTVPIDCapUC                  = 1 << 8
	EPTVPIDCapWB                  = 1 << 14
	EPTVPIDCap2M                  = 1 << 16
	EPTVPIDCap1G                  = 1 << 17
	EPTVPIDCapINVEPT              = 1 << 20
	EPTVPIDCapAccessedDirty       = 1 << 21
	EPTVPIDCapINVEPTSingle        = 1 << 25
	EPTVPIDCapINVEPTAll           = 1 << 26
	EPTVPIDCapINVVPID             = 1 << 32
	EPTVPIDCapINVVPIDAddress      = 1 << 40
	EPTVPIDCapINVVPIDSingle       = 1 << 41
	EPTVPIDCapINVVPIDAll          = 1 << 42
	EPTVPIDCapINVVPIDSingleGlobal = 1 << 43
)
