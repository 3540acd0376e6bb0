package vmx

import "strconv"

// ExitReason is the basic exit reason: bits 15:0 of the exit-reason field (SDM
// Vol. 3C, 25.9.1 and Appendix C).
type ExitReason uint16

// Flags that share the exit-reason field with the basic reason.
const (
	// ExitEntryFailure says that the VM entry itself failed.
	ExitEntryFailure = 1 << 31
	// ExitFromRoot says that the exit came from VMX root operation (SMM only).
	ExitFromRoot = 1 << 29
	// ExitEnclave says that the exit came from inside an enclave.
	ExitEnclave = 1 << 27
)

// The basic exit reasons.
const (
	Exit_EXCEPTION_OR_NMI            ExitReason = 0
	Exit_EXTERNAL_INTERRUPT          ExitReason = 1
	Exit_TRIPLE_FAULT                ExitReason = 2
	Exit_INIT_SIGNAL                 ExitReason = 3
	Exit_STARTUP_IPI                 ExitReason = 4
	Exit_IO_SMI                      ExitReason = 5
	Exit_OTHER_SMI                   ExitReason = 6
	Exit_INTERRUPT_WINDOW            ExitReason = 7
	Exit_NMI_WINDOW                  ExitReason = 8
	Exit_TASK_SWITCH                 ExitReason = 9
	Exit_CPUID                       ExitReason = 10
	Exit_GETSEC                      ExitReason = 11
	Exit_HLT                         ExitReason = 12
	Exit_INVD                        ExitReason = 13
	Exit_INVLPG                      ExitReason = 14
	Exit_RDPMC                       ExitReason = 15
	Exit_RDTSC                       ExitReason = 16
	Exit_RSM                         ExitReason = 17
	Exit_VMCALL                      ExitReason = 18
	Exit_VMCLEAR                     ExitReason = 19
	Exit_VMLAUNCH                    ExitReason = 20
	Exit_VMPTRLD                     ExitReason = 21
	Exit_VMPTRST                     ExitReason = 22
	Exit_VMREAD                      ExitReason = 23
	Exit_VMRESUME                    ExitReason = 24
	Exit_VMWRITE                     ExitReason = 25
	Exit_VMXOFF                      ExitReason = 26
	Exit_VMXON                       ExitReason = 27
	Exit_CR_ACCESS                   ExitReason = 28
	Exit_MOV_DR                      ExitReason = 29
	Exit_IO_INSTRUCTION              ExitReason = 30
	Exit_RDMSR                       ExitReason = 31
	Exit_WRMSR                       ExitReason = 32
	Exit_ENTRY_FAILURE_GUEST_STATE   ExitReason = 33
	Exit_ENTRY_FAILURE_MSR_LOADING   ExitReason = 34
	Exit_MWAIT                       ExitReason = 36
	Exit_MONITOR_TRAP_FLAG           ExitReason = 37
	Exit_MONITOR                     ExitReason = 39
	Exit_PAUSE                       ExitReason = 40
	Exit_ENTRY_FAILURE_MACHINE_CHECK ExitReason = 41
	Exit_TPR_BELOW_THRESHOLD         ExitReason = 43
	Exit_APIC_ACCESS                 ExitReason = 44
	Exit_VIRTUALIZED_EOI             ExitReason = 45
	Exit_ACCESS_TO_GDTR_OR_IDTR      ExitReason = 46
	Exit_ACCESS_TO_LDTR_OR_TR        ExitReason = 47
	Exit_EPT_VIOLATION               ExitReason = 48
	Exit_EPT_MISCONFIGURATION        ExitReason = 49
	Exit_INVEPT                      ExitReason = 50
	Exit_RDTSCP                      ExitReason = 51
	Exit_PREEMPTION_TIMER            ExitReason = 52
	Exit_INVVPID                     ExitReason = 53
	Exit_WBINVD                      ExitReason = 54
	Exit_XSETBV                      ExitReason = 55
	Exit_APIC_WRITE                  ExitReason = 56
	Exit_RDRAND                      ExitReason = 57
	Exit_INVPCID                     ExitReason = 58
	Exit_VMFUNC                      ExitReason = 59
	Exit_ENCLS                       ExitReason = 60
	Exit_RDSEED                      ExitReason = 61
	Exit_PML_FULL                    ExitReason = 62
	Exit_XSAVES                      ExitReason = 63
	Exit_XRSTORS                     ExitReason = 64
	Exit_PCONFIG                     ExitReason = 65
	Exit_SPP_EVENT                   ExitReason = 66
	Exit_UMWAIT                      ExitReason = 67
	Exit_TPAUSE                      ExitReason = 68
	Exit_LOADIWKEY                   ExitReason = 69
	Exit_ENCLV                       ExitReason = 70
	Exit_ENQCMD_PASID                ExitReason = 72
	Exit_ENQCMDS_PASID               ExitReason = 73
	Exit_BUS_LOCK                    ExitReason = 74
	Exit_INSTRUCTION_TIMEOUT         ExitReason = 75
	Exit_SEAMCALL                    ExitReason = 76
	Exit_TDCALL                      ExitReason = 77
	Exit_RDMSRLIST                   ExitReason = 78
	Exit_WRMSRLIST                   ExitReason = 79

	// NumExitReasons is one more than the last reason that this table knows.
	NumExitReasons = 80
)

var exitNames = [NumExitReasons]string{
	Exit_EXCEPTION_OR_NMI:            "EXCEPTION_OR_NMI",
	Exit_EXTERNAL_INTERRUPT:          "EXTERNAL_INTERRUPT",
	Exit_TRIPLE_FAULT:                "TRIPLE_FAULT",
	Exit_INIT_SIGNAL:                 "INIT_SIGNAL",
	Exit_STARTUP_IPI:                 "STARTUP_IPI",
	Exit_IO_SMI:                      "IO_SMI",
	Exit_OTHER_SMI:                   "OTHER_SMI",
	Exit_INTERRUPT_WINDOW:            "INTERRUPT_WINDOW",
	Exit_NMI_WINDOW:                  "NMI_WINDOW",
	Exit_TASK_SWITCH:                 "TASK_SWITCH",
	Exit_CPUID:                       "CPUID",
	Exit_GETSEC:                      "GETSEC",
	Exit_HLT:                         "HLT",
	Exit_INVD:                        "INVD",
	Exit_INVLPG:                      "INVLPG",
	Exit_RDPMC:                       "RDPMC",
	Exit_RDTSC:                       "RDTSC",
	Exit_RSM:                         "RSM",
	Exit_VMCALL:                      "VMCALL",
	Exit_VMCLEAR:                     "VMCLEAR",
	Exit_VMLAUNCH:                    "VMLAUNCH",
	Exit_VMPTRLD:                     "VMPTRLD",
	Exit_VMPTRST:                     "VMPTRST",
	Exit_VMREAD:                      "VMREAD",
	Exit_VMRESUME:                    "VMRESUME",
	Exit_VMWRITE:                     "VMWRITE",
	Exit_VMXOFF:                      "VMXOFF",
	Exit_VMXON:                       "VMXON",
	Exit_CR_ACCESS:                   "CR_ACCESS",
	Exit_MOV_DR:                      "MOV_DR",
	Exit_IO_INSTRUCTION:              "IO_INSTRUCTION",
	Exit_RDMSR:                       "RDMSR",
	Exit_WRMSR:                       "WRMSR",
	Exit_ENTRY_FAILURE_GUEST_STATE:   "ENTRY_FAILURE_GUEST_STATE",
	Exit_ENTRY_FAILURE_MSR_LOADING:   "ENTRY_FAILURE_MSR_LOADING",
	Exit_MWAIT:                       "MWAIT",
	Exit_MONITOR_TRAP_FLAG:           "MONITOR_TRAP_FLAG",
	Exit_MONITOR:                     "MONITOR",
	Exit_PAUSE:                       "PAUSE",
	Exit_ENTRY_FAILURE_MACHINE_CHECK: "ENTRY_FAILURE_MACHINE_CHECK",
	Exit_TPR_BELOW_THRESHOLD:         "TPR_BELOW_THRESHOLD",
	Exit_APIC_ACCESS:                 "APIC_ACCESS",
	Exit_VIRTUALIZED_EOI:             "VIRTUALIZED_EOI",
	Exit_ACCESS_TO_GDTR_OR_IDTR:      "ACCESS_TO_GDTR_OR_IDTR",
	Exit_ACCESS_TO_LDTR_OR_TR:        "ACCESS_TO_LDTR_OR_TR",
	Exit_EPT_VIOLATION:               "EPT_VIOLATION",
	Exit_EPT_MISCONFIGURATION:        "EPT_MISCONFIGURATION",
	Exit_INVEPT:                      "INVEPT",
	Exit_RDTSCP:                      "RDTSCP",
	Exit_PREEMPTION_TIMER:            "PREEMPTION_TIMER",
	Exit_INVVPID:                     "INVVPID",
	Exit_WBINVD:                      "WBINVD",
	Exit_XSETBV:                      "XSETBV",
	Exit_APIC_WRITE:                  "APIC_WRITE",
	Exit_RDRAND:                      "RDRAND",
	Exit_INVPCID:                     "INVPCID",
	Exit_VMFUNC:                      "VMFUNC",
	Exit_ENCLS:                       "ENCLS",
	Exit_RDSEED:                      "RDSEED",
	Exit_PML_FULL:                    "PML_FULL",
	Exit_XSAVES:                      "XSAVES",
	Exit_XRSTORS:                     "XRSTORS",
	Exit_PCONFIG:                     "PCONFIG",
	Exit_SPP_EVENT:                   "SPP_EVENT",
	Exit_UMWAIT:                      "UMWAIT",
	Exit_TPAUSE:                      "TPAUSE",
	Exit_LOADIWKEY:                   "LOADIWKEY",
	Exit_ENCLV:                       "ENCLV",
	Exit_ENQCMD_PASID:                "ENQCMD_PASID",
	Exit_ENQCMDS_PASID:               "ENQCMDS_PASID",
	Exit_BUS_LOCK:                    "BUS_LOCK",
	Exit_INSTRUCTION_TIMEOUT:         "INSTRUCTION_TIMEOUT",
	Exit_SEAMCALL:                    "SEAMCALL",
	Exit_TDCALL:                      "TDCALL",
	Exit_RDMSRLIST:                   "RDMSRLIST",
	Exit_WRMSRLIST:                   "WRMSRLIST",
}

// Known reports whether the manual's edition of this package defines r.
func (r ExitReason) Known() bool {
	return r < NumExitReasons && exitNames[r] != ""
}

// String is the manual's name of the reason.
func (r ExitReason) String() string {
	if r.Known() {
		return exitNames[r]
	}
	return "exit reason " + strconv.Itoa(int(r))
}

// HasInstructionLength reports whether the exit-instruction-length field is
// defined for an exit with this reason (SDM Vol. 3C, 28.2.5): exits caused by
// the execution of an instruction. Exits during the delivery of a software
// event have one too; those re-inject and do not skip.
func (r ExitReason) HasInstructionLength() bool {
	switch r {
	case Exit_TASK_SWITCH, Exit_CPUID, Exit_GETSEC, Exit_HLT, Exit_INVD, Exit_INVLPG,
		Exit_RDPMC, Exit_RDTSC, Exit_RSM, Exit_VMCALL, Exit_VMCLEAR, Exit_VMLAUNCH,
		Exit_VMPTRLD, Exit_VMPTRST, Exit_VMREAD, Exit_VMRESUME, Exit_VMWRITE,
		Exit_VMXOFF, Exit_VMXON, Exit_CR_ACCESS, Exit_MOV_DR, Exit_IO_INSTRUCTION,
		Exit_RDMSR, Exit_WRMSR, Exit_MWAIT, Exit_MONITOR, Exit_PAUSE,
		Exit_APIC_ACCESS, Exit_ACCESS_TO_GDTR_OR_IDTR, Exit_ACCESS_TO_LDTR_OR_TR,
		Exit_INVEPT, Exit_RDTSCP, Exit_INVVPID, Exit_WBINVD, Exit_XSETBV,
		Exit_RDRAND, Exit_INVPCID, Exit_VMFUNC, Exit_ENCLS, Exit_RDSEED,
		Exit_XSAVES, Exit_XRSTORS, Exit_PCONFIG, Exit_UMWAIT, Exit_TPAUSE,
		Exit_LOADIWKEY, Exit_ENCLV, Exit_ENQCMD_PASID, Exit_ENQCMDS_PASID,
		Exit_SEAMCALL, Exit_TDCALL, Exit_RDMSRLIST, Exit_WRMSRLIST:
		return true
	}
	return false
}

// InstructionError is the content of the VM-instruction error field (SDM Vol.
// 3C, 31.4, "VM Instruction Error Numbers").
type InstructionError uint32

var instructionErrors = [...]string{
	1:  "VMCALL executed in VMX root operation",
	2:  "VMCLEAR with invalid physical address",
	3:  "VMCLEAR with VMXON pointer",
	4:  "VMLAUNCH with non-clear VMCS",
	5:  "VMRESUME with non-launched VMCS",
	6:  "VMRESUME after VMXOFF",
	7:  "VM entry with invalid control field(s)",
	8:  "VM entry with invalid host-state field(s)",
	9:  "VMPTRLD with invalid physical address",
	10: "VMPTRLD with VMXON pointer",
	11: "VMPTRLD with incorrect VMCS revision identifier",
	12: "VMREAD/VMWRITE from/to unsupported VMCS component",
	13: "VMWRITE to read-only VMCS component",
	15: "VMXON executed in VMX root operation",
	16: "VM entry with invalid executive-VMCS pointer",
	17: "VM entry with non-launched executive VMCS",
	18: "VM entry with executive-VMCS pointer not VMXON pointer",
	19: "VMCALL with non-clear VMCS",
	20: "VMCALL with invalid VM-exit control fields",
	22: "VMCALL with incorrect MSEG revision identifier",
	23: "VMXOFF under dual-monitor treatment of SMIs and SMM",
	24: "VMCALL with invalid SMM-monitor features",
	25: "VM entry with invalid VM-execution control fields in executive VMCS",
	26: "VM entry with events blocked by MOV SS",
	28: "invalid operand to INVEPT/INVVPID",
}

// String is the manual's sentence for the error.
func (e InstructionError) String() string {
	if int(e) < len(instructionErrors) && instructionErrors[e] != "" {
		return instructionErrors[e]
	}
	return "VM-instruction error " + strconv.Itoa(int(e))
}
