package vcpu

// Policy is what happens to an MSR.
type Policy uint8

// The policies. An MSR without a row gets #GP and is counted.
const (
	Passed   Policy = iota // the engine switches it: no exit
	Emulated               // read and written here
	Constant               // reads a fixed value; what is written is lost
	ReadOnly               // reads a fixed value; a write gets #GP
	Refused                // #GP, as on a processor without it; the note says why
)

// msrRow is one line of the policy.
type msrRow struct {
	first, last uint32
	name        string
	policy      Policy
	value       uint64 // Constant, ReadOnly
	read        func(v *VCPU, i uint32) (uint64, bool)
	write       func(v *VCPU, i uint32, val uint64) bool
	note        string
}

// msrState is what the emulated registers hold.
type msrState struct {
	apicOff    bool
	miscEnable uint64
	mtrrDef    uint64
	mtrrFix    [11]uint64
	mtrrVar    [2 * mtrrVars]uint64
	tscAdjust  uint64
	mcgStatus  uint64
}

const (
	mtrrVars = 8
	// PAT after reset: WB WT UC- UC, twice (SDM Vol. 3A, 12.12.4).
	patReset        = 0x0007040600070406
	miscEnableReset = 1 | 1<<11 | 1<<12 // fast strings; BTS and PEBS unavailable
	amdRevision     = 0x01000065
)

func (m *msrState) reset() { *m = msrState{miscEnable: miscEnableReset} }

// msrTable is in ascending order and has no overlaps (a test checks).
var msrTable []msrRow

func init() {
	word := func(f func(*System) *uint64, ok func(uint64) bool) (func(*VCPU, uint32) (uint64, bool), func(*VCPU, uint32, uint64) bool) {
		return func(v *VCPU, _ uint32) (uint64, bool) { return *f(v.System()), true },
			func(v *VCPU, _ uint32, val uint64) bool {
				if !ok(val) {
					return false
				}
				*f(v.change()) = val
				return true
			}
	}
	any64 := func(uint64) bool { return true }
	any32 := func(val uint64) bool { return val>>32 == 0 }
	passed := func(i uint32, name string, ok func(uint64) bool, f func(*System) *uint64) msrRow {
		r, w := word(f, ok)
		return msrRow{first: i, last: i, name: name, policy: Passed, read: r, write: w}
	}
	constant := func(first, last uint32, name string, val uint64) msrRow {
		return msrRow{first: first, last: last, name: name, policy: Constant, value: val}
	}
	emulated := func(first, last uint32, name string, r func(*VCPU, uint32) (uint64, bool), w func(*VCPU, uint32, uint64) bool) msrRow {
		return msrRow{first: first, last: last, name: name, policy: Emulated, read: r, write: w}
	}
	readonly := func(first, last uint32, name string, val uint64) msrRow {
		return msrRow{first: first, last: last, name: name, policy: ReadOnly, value: val}
	}
	apicR := func(v *VCPU, i uint32) (uint64, bool) { return v.APIC.ReadMSR(i) }
	apicW := func(v *VCPU, i uint32, val uint64) bool { return v.APIC.WriteMSR(i, val) }
	msrTable = []msrRow{
		constant(0x00, 0x01, "IA32_P5_MC_ADDR, IA32_P5_MC_TYPE", 0),
		emulated(0x10, 0x10, "IA32_TIME_STAMP_COUNTER", readTSC, writeTSC),
		emulated(0x11, 0x12, "MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME", readKVM, writeKVM),
		readonly(0x17, 0x17, "IA32_PLATFORM_ID", 0),
		emulated(msrAPICBase, msrAPICBase, "IA32_APIC_BASE", apicR, writeAPICBase),
		readonly(0x2a, 0x2a, "MSR_EBL_CR_POWERON", 0),
		readonly(0x34, 0x34, "MSR_SMI_COUNT", 0),
		readonly(0x3a, 0x3a, "IA32_FEATURE_CONTROL", 1), // locked: no VMX, no SGX
		emulated(0x3b, 0x3b, "IA32_TSC_ADJUST", readTSCAdjust, writeTSCAdjust),
		{first: 0x48, last: 0x49, name: "IA32_SPEC_CTRL, IA32_PRED_CMD", policy: Refused, note: "CPUID does not offer them"},
		constant(0x79, 0x79, "IA32_BIOS_UPDT_TRIG", 0),
		emulated(0x8b, 0x8b, "IA32_BIOS_SIGN_ID", readMicrocode, writeMicrocode),
		readonly(0xcd, 0xcd, "MSR_FSB_FREQ", 3),
		readonly(0xce, 0xce, "MSR_PLATFORM_INFO", 0),
		readonly(0xfe, 0xfe, "IA32_MTRRCAP", 0x500|mtrrVars), // fixed, WC
		emulated(0x10a, 0x10a, "IA32_ARCH_CAPABILITIES", readArchCap, writeArchCap),
		{first: 0x10b, last: 0x10b, name: "IA32_FLUSH_CMD", policy: Refused, note: "CPUID does not offer it"},
		constant(0x118, 0x119, "MSR_BBL_CR_CTL", 0),
		{first: 0x122, last: 0x122, name: "IA32_TSX_CTRL", policy: Refused, note: "IA32_ARCH_CAPABILITIES does not offer it"},
		constant(0x140, 0x140, "MSR_MISC_FEATURES_ENABLES", 0),
		passed(0x174, "IA32_SYSENTER_CS", any32, func(s *System) *uint64 { return &s.SysenterCS }),
		passed(0x175, "IA32_SYSENTER_ESP", canonical, func(s *System) *uint64 { return &s.SysenterESP }),
		passed(0x176, "IA32_SYSENTER_EIP", canonical, func(s *System) *uint64 { return &s.SysenterEIP }),
		readonly(0x179, 0x179, "IA32_MCG_CAP", 0), // no banks
		emulated(0x17a, 0x17a, "IA32_MCG_STATUS",
			func(v *VCPU, _ uint32) (uint64, bool) { return v.msr.mcgStatus, true },
			func(v *VCPU, _ uint32, val uint64) bool {
				if val&^7 != 0 {
					return false
				}
				v.msr.mcgStatus = val
				return true
			}),
		constant(0x186, 0x187, "IA32_PERFEVTSEL", 0),
		readonly(0x198, 0x198, "IA32_PERF_STATUS", 0),
		constant(0x199, 0x19b, "IA32_PERF_CTL, IA32_CLOCK_MODULATION, IA32_THERM_INTERRUPT", 0),
		emulated(0x1a0, 0x1a0, "IA32_MISC_ENABLE",
			func(v *VCPU, _ uint32) (uint64, bool) { return v.msr.miscEnable, true },
			func(v *VCPU, _ uint32, val uint64) bool {
				v.msr.miscEnable = val&^(1<<18|1<<22|1<<34) | 1<<11 | 1<<12
				return true
			}),
		constant(0x1a2, 0x1a2, "MSR_TEMPERATURE_TARGET", 0),
		readonly(0x1ad, 0x1ad, "MSR_TURBO_RATIO_LIMIT", 0),
		constant(0x1b0, 0x1b1, "IA32_ENERGY_PERF_BIAS, IA32_PACKAGE_THERM_STATUS", 0),
		constant(0x1d9, 0x1d9, "IA32_DEBUGCTL", 0),
		readonly(0x1db, 0x1de, "last branch and last exception records", 0),
		emulated(0x200, 0x200+2*mtrrVars-1, "IA32_MTRR_PHYSBASE, IA32_MTRR_PHYSMASK", readMTRR, writeMTRR),
		emulated(0x250, 0x250, "IA32_MTRR_FIX64K", readMTRR, writeMTRR),
		emulated(0x258, 0x259, "IA32_MTRR_FIX16K", readMTRR, writeMTRR),
		emulated(0x268, 0x26f, "IA32_MTRR_FIX4K", readMTRR, writeMTRR),
		emulated(0x277, 0x277, "IA32_PAT",
			func(v *VCPU, _ uint32) (uint64, bool) { return v.System().PAT, true },
			func(v *VCPU, _ uint32, val uint64) bool {
				if !validPAT(val) {
					return false
				}
				v.change().PAT = val
				return true
			}),
		emulated(0x2ff, 0x2ff, "IA32_MTRR_DEF_TYPE", readMTRR, writeMTRR),
		readonly(0x345, 0x345, "IA32_PERF_CAPABILITIES", 0),
		{first: 0x480, last: 0x491, name: "IA32_VMX_*", policy: Refused, note: "CPUID does not offer VMX"},
		readonly(0x606, 0x606, "MSR_RAPL_POWER_UNIT", 0),
		readonly(0x611, 0x611, "MSR_PKG_ENERGY_STATUS", 0),
		readonly(0x639, 0x639, "MSR_PP0_ENERGY_STATUS", 0),
		readonly(0x641, 0x641, "MSR_PP1_ENERGY_STATUS", 0),
		emulated(msrTSCDeadline, msrTSCDeadline, "IA32_TSC_DEADLINE", apicR, apicW),
		emulated(msrX2APICFirst, msrX2APICLast, "x2APIC registers", apicR, apicW),
		{first: 0xda0, last: 0xda0, name: "IA32_XSS", policy: Refused, note: "CPUID does not offer XSAVES"},
		emulated(0x4b564d00, 0x4b564d01, "MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW", readKVM, writeKVM),
		emulated(0x4b564d03, 0x4b564d04, "MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN", readKVM, writeKVM),
		emulated(0xc0000080, 0xc0000080, "IA32_EFER", readEFER, writeEFER),
		passed(0xc0000081, "IA32_STAR", any64, func(s *System) *uint64 { return &s.STAR }),
		passed(0xc0000082, "IA32_LSTAR", canonical, func(s *System) *uint64 { return &s.LSTAR }),
		passed(0xc0000083, "IA32_CSTAR", canonical, func(s *System) *uint64 { return &s.CSTAR }),
		passed(0xc0000084, "IA32_FMASK", any32, func(s *System) *uint64 { return &s.SFMASK }),
		passed(0xc0000100, "IA32_FS_BASE", canonical, func(s *System) *uint64 { return &s.FS.Base }),
		passed(0xc0000101, "IA32_GS_BASE", canonical, func(s *System) *uint64 { return &s.GS.Base }),
		passed(0xc0000102, "IA32_KERNEL_GS_BASE", canonical, func(s *System) *uint64 { return &s.KernelGSBase }),
		emulated(0xc0000103, 0xc0000103, "IA32_TSC_AUX", readTSCAux, writeTSCAux),
		constant(0xc0010000, 0xc0010007, "AMD PERF_CTL, PERF_CTR", 0),
		constant(0xc0010010, 0xc0010010, "AMD SYSCFG", 0),
		constant(0xc0010015, 0xc0010015, "AMD HWCR", 1<<24), // TSC ticks at P0
		constant(0xc001001a, 0xc001001a, "AMD TOP_MEM", 0),
		constant(0xc001001d, 0xc001001d, "AMD TOP_MEM2", 0),
		constant(0xc001001f, 0xc001001f, "AMD NB_CFG", 0),
		constant(0xc0010055, 0xc0010055, "AMD interrupt pending message", 0),
		readonly(0xc0010058, 0xc0010058, "AMD MMIO configuration base", 0),
		readonly(0xc0010061, 0xc0010064, "AMD P-state limits and states", 0),
		readonly(0xc0010114, 0xc0010114, "AMD VM_CR", 1<<4), // SVM is disabled
		{first: 0xc0010117, last: 0xc0010117, name: "AMD VM_HSAVE_PA", policy: Refused, note: "CPUID does not offer SVM"},
		constant(0xc0010140, 0xc0010141, "AMD OSVW", 0),
		constant(0xc0011020, 0xc0011023, "AMD LS_CFG, IC_CFG, DC_CFG", 0),
		constant(0xc0011029, 0xc0011029, "AMD DE_CFG", 1<<1), // LFENCE serialises
		constant(0xc001102a, 0xc001102a, "AMD BU_CFG2", 0),
	}
}

// PassedMSRs are the registers that need no exit: the engine lets the guest
// read and write them and switches them with the processor.
func PassedMSRs() []uint32 {
	var out []uint32
	for i := range msrTable {
		if msrTable[i].policy == Passed {
			out = append(out, msrTable[i].first)
		}
	}
	return out
}

// MSRPolicy is the name and the policy for an index, for documentation.
func MSRPolicy(i uint32) (name string, p Policy) {
	if r := findMSR(i); r != nil {
		return r.name, r.policy
	}
	return "", Refused
}

func findMSR(i uint32) *msrRow {
	lo, hi := 0, len(msrTable)
	for lo < hi {
		m := (lo + hi) / 2
		switch r := &msrTable[m]; {
		case i < r.first:
			hi = m
		case i > r.last:
			lo = m + 1
		default:
			return r
		}
	}
	return nil
}

// ReadMSR is RDMSR; ok is false for #GP.
func (v *VCPU) ReadMSR(i uint32) (uint64, bool) {
	r := findMSR(i)
	if r == nil || r.policy == Refused {
		v.stats.gp.Add(1)
		v.stats.lastGP.Store(i)
		return 0, false
	}
	if r.read != nil {
		return r.read(v, i)
	}
	return r.value, true
}

// WriteMSR is WRMSR; ok is false for #GP.
func (v *VCPU) WriteMSR(i uint32, val uint64) bool {
	r := findMSR(i)
	switch {
	case r == nil || r.policy == Refused:
		v.stats.gp.Add(1)
		v.stats.lastGP.Store(i)
		return false
	case r.write != nil:
		return r.write(v, i, val)
	}
	return r.policy == Constant
}

func (v *VCPU) exitRDMSR() outcome {
	n := v.length()
	if n == 0 {
		return carryOn
	}
	val, ok := v.ReadMSR(v.x.MSR.Index)
	if !ok {
		return v.injectGP0()
	}
	r := v.Regs()
	r.GPR[RAX], r.GPR[RDX] = val&0xffffffff, val>>32
	v.skip(n)
	return carryOn
}

func (v *VCPU) exitWRMSR() outcome {
	n := v.length()
	if n == 0 {
		return carryOn
	}
	if !v.WriteMSR(v.x.MSR.Index, v.x.MSR.Value) {
		return v.injectGP0()
	}
	v.skip(n)
	return carryOn
}

func canonical(a uint64) bool { return uint64(int64(a)<<16>>16) == a }
