package svm

// ExitCode is EXITCODE, why #VMEXIT happened (APM Vol. 2, Appendix C).
type ExitCode uint64

// The exit codes. CR, DR and exception codes are ranges: base + number.
const (
	VMEXIT_CR_READ  ExitCode = 0x000 // + control register 0..15
	VMEXIT_CR_WRITE ExitCode = 0x010
	VMEXIT_DR_READ  ExitCode = 0x020 // + debug register 0..15
	VMEXIT_DR_WRITE ExitCode = 0x030
	VMEXIT_EXCP     ExitCode = 0x040 // + vector 0..31

	VMEXIT_INTR              ExitCode = 0x060
	VMEXIT_NMI               ExitCode = 0x061
	VMEXIT_SMI               ExitCode = 0x062
	VMEXIT_INIT              ExitCode = 0x063
	VMEXIT_VINTR             ExitCode = 0x064
	VMEXIT_CR0_SEL_WRITE     ExitCode = 0x065
	VMEXIT_IDTR_READ         ExitCode = 0x066
	VMEXIT_GDTR_READ         ExitCode = 0x067
	VMEXIT_LDTR_READ         ExitCode = 0x068
	VMEXIT_TR_READ           ExitCode = 0x069
	VMEXIT_IDTR_WRITE        ExitCode = 0x06A
	VMEXIT_GDTR_WRITE        ExitCode = 0x06B
	VMEXIT_LDTR_WRITE        ExitCode = 0x06C
	VMEXIT_TR_WRITE          ExitCode = 0x06D
	VMEXIT_RDTSC             ExitCode = 0x06E
	VMEXIT_RDPMC             ExitCode = 0x06F
	VMEXIT_PUSHF             ExitCode = 0x070
	VMEXIT_POPF              ExitCode = 0x071
	VMEXIT_CPUID             ExitCode = 0x072
	VMEXIT_RSM               ExitCode = 0x073
	VMEXIT_IRET              ExitCode = 0x074
	VMEXIT_SWINT             ExitCode = 0x075
	VMEXIT_INVD              ExitCode = 0x076
	VMEXIT_PAUSE             ExitCode = 0x077
	VMEXIT_HLT               ExitCode = 0x078
	VMEXIT_INVLPG            ExitCode = 0x079
	VMEXIT_INVLPGA           ExitCode = 0x07A
	VMEXIT_IOIO              ExitCode = 0x07B
	VMEXIT_MSR               ExitCode = 0x07C
	VMEXIT_TASK_SWITCH       ExitCode = 0x07D
	VMEXIT_FERR_FREEZE       ExitCode = 0x07E
	VMEXIT_SHUTDOWN          ExitCode = 0x07F
	VMEXIT_VMRUN             ExitCode = 0x080
	VMEXIT_VMMCALL           ExitCode = 0x081
	VMEXIT_VMLOAD            ExitCode = 0x082
	VMEXIT_VMSAVE            ExitCode = 0x083
	VMEXIT_STGI              ExitCode = 0x084
	VMEXIT_CLGI              ExitCode = 0x085
	VMEXIT_SKINIT            ExitCode = 0x086
	VMEXIT_RDTSCP            ExitCode = 0x087
	VMEXIT_ICEBP             ExitCode = 0x088
	VMEXIT_WBINVD            ExitCode = 0x089
	VMEXIT_MONITOR           ExitCode = 0x08A
	VMEXIT_MWAIT             ExitCode = 0x08B
	VMEXIT_MWAIT_CONDITIONAL ExitCode = 0x08C
	VMEXIT_XSETBV            ExitCode = 0x08D
	VMEXIT_RDPRU             ExitCode = 0x08E
	VMEXIT_EFER_WRITE_TRAP   ExitCode = 0x08F
	VMEXIT_CR_WRITE_TRAP     ExitCode = 0x090 // + control register 0..15
	VMEXIT_INVLPGB           ExitCode = 0x0A0
	VMEXIT_INVLPGB_ILLEGAL   ExitCode = 0x0A1
	VMEXIT_INVPCID           ExitCode = 0x0A2
	VMEXIT_MCOMMIT           ExitCode = 0x0A3
	VMEXIT_TLBSYNC           ExitCode = 0x0A4
	VMEXIT_BUSLOCK           ExitCode = 0x0A5
	VMEXIT_IDLE_HLT          ExitCode = 0x0A6
	VMEXIT_NPF               ExitCode = 0x400
	VMEXIT_AVIC_INCOMPLETE   ExitCode = 0x401
	VMEXIT_AVIC_NOACCEL      ExitCode = 0x402
	VMEXIT_VMGEXIT           ExitCode = 0x403
	VMEXIT_INVALID           ExitCode = 0xFFFFFFFFFFFFFFFF // -1
	VMEXIT_BUSY              ExitCode = 0xFFFFFFFFFFFFFFFE // -2
	VMEXIT_IDLE_REQUIRED     ExitCode = 0xFFFFFFFFFFFFFFFD // -3
	vmexitInvalid32          ExitCode = 0xFFFFFFFF         // QEMU 7.2 writes 32 bits of -1
)

var fixedNames = [0x47]string{
	"INTR", "NMI", "SMI", "INIT", "VINTR", "CR0_SEL_WRITE", "IDTR_READ", "GDTR_READ",
	"LDTR_READ", "TR_READ", "IDTR_WRITE", "GDTR_WRITE", "LDTR_WRITE", "TR_WRITE", "RDTSC", "RDPMC",
	"PUSHF", "POPF", "CPUID", "RSM", "IRET", "SWINT", "INVD", "PAUSE",
	"HLT", "INVLPG", "INVLPGA", "IOIO", "MSR", "TASK_SWITCH", "FERR_FREEZE", "SHUTDOWN",
	"VMRUN", "VMMCALL", "VMLOAD", "VMSAVE", "STGI", "CLGI", "SKINIT", "RDTSCP",
	"ICEBP", "WBINVD", "MONITOR", "MWAIT", "MWAIT_CONDITIONAL", "XSETBV", "RDPRU", "EFER_WRITE_TRAP",
	0x40: "INVLPGB", "INVLPGB_ILLEGAL", "INVPCID", "MCOMMIT", "TLBSYNC", "BUSLOCK", "IDLE_HLT",
}

// Invalid says whether the processor refused the guest's state (15.5.1).
func (c ExitCode) Invalid() bool { return c == VMEXIT_INVALID || c == vmexitInvalid32 }

// String is the manual's name, without the prefix VMEXIT_.
func (c ExitCode) String() string {
	switch {
	case c < VMEXIT_CR_WRITE:
		return "CR" + decimal(uint64(c)) + "_READ"
	case c < VMEXIT_DR_READ:
		return "CR" + decimal(uint64(c-VMEXIT_CR_WRITE)) + "_WRITE"
	case c < VMEXIT_DR_WRITE:
		return "DR" + decimal(uint64(c-VMEXIT_DR_READ)) + "_READ"
	case c < VMEXIT_EXCP:
		return "DR" + decimal(uint64(c-VMEXIT_DR_WRITE)) + "_WRITE"
	case c < VMEXIT_INTR:
		return "EXCP" + decimal(uint64(c-VMEXIT_EXCP))
	case c >= VMEXIT_CR_WRITE_TRAP && c < VMEXIT_INVLPGB:
		return "CR" + decimal(uint64(c-VMEXIT_CR_WRITE_TRAP)) + "_WRITE_TRAP"
	case c-VMEXIT_INTR < ExitCode(len(fixedNames)):
		return fixedNames[c-VMEXIT_INTR]
	}
	switch c {
	case VMEXIT_NPF:
		return "NPF"
	case VMEXIT_AVIC_INCOMPLETE:
		return "AVIC_INCOMPLETE_IPI"
	case VMEXIT_AVIC_NOACCEL:
		return "AVIC_NOACCEL"
	case VMEXIT_VMGEXIT:
		return "VMGEXIT"
	case VMEXIT_INVALID, vmexitInvalid32:
		return "INVALID"
	case VMEXIT_BUSY:
		return "BUSY"
	case VMEXIT_IDLE_REQUIRED:
		return "IDLE_REQUIRED"
	}
	return "exit code 0x" + hex(uint64(c))
}

func decimal(v uint64) string {
	if v < 10 {
		return string([]byte{'0' + byte(v)})
	}
	return string([]byte{'0' + byte(v/10), '0' + byte(v%10)})
}

func hex(v uint64) string {
	var b [16]byte
	i := len(b)
	for {
		i--
		b[i] = "0123456789abcdef"[v&15]
		if v >>= 4; v == 0 {
			return string(b[i:])
		}
	}
}
