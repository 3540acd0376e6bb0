package vcpu

// outcome is what a handler wants next.
type outcome uint8

const (
	carryOn outcome = iota // enter the guest again
	leave                  // return to the owner of the virtual CPU
)

// row says what an exit kind means here.
type row struct {
	name    string // of the counter in statistics, and in traces
	handler func(*VCPU) outcome
	note    string // why an unsupported kind gets the verdict that it gets
}

// table has a row for every Kind. Nothing is implicit: a kind that is not
// supported is a row with a verdict. It is filled in init, because handlers
// refer to it through names.
var table [NumKinds]row

func init() {
	table = [NumKinds]row{
		KindNone:        {"none", refuse("the engine returned without an exit"), "a bug of the engine"},
		KindInterrupt:   {"interrupt", (*VCPU).exitNothing, "the host has taken its interrupt already"},
		KindKick:        {"kick", (*VCPU).exitKick, ""},
		KindPIO:         {"pio", (*VCPU).exitPIO, ""},
		KindMemory:      {"memory", (*VCPU).exitMemory, ""},
		KindCPUID:       {"cpuid", (*VCPU).exitCPUID, ""},
		KindHLT:         {"hlt", (*VCPU).exitHLT, ""},
		KindMWAIT:       {"mwait", (*VCPU).injectUD, "CPUID does not offer MONITOR"},
		KindPause:       {"pause", (*VCPU).exitPause, ""},
		KindRDMSR:       {"rdmsr", (*VCPU).exitRDMSR, ""},
		KindWRMSR:       {"wrmsr", (*VCPU).exitWRMSR, ""},
		KindCR:          {"cr", (*VCPU).exitCR, ""},
		KindDR:          {"dr", (*VCPU).exitDR, ""},
		KindException:   {"exception", (*VCPU).exitException, ""},
		KindHypercall:   {"hypercall", (*VCPU).exitHypercall, ""},
		KindXSETBV:      {"xsetbv", (*VCPU).exitXSETBV, ""},
		KindINVD:        {"invd", (*VCPU).exitSkip, "memory is coherent: nothing to flush"},
		KindINVLPG:      {"invlpg", (*VCPU).exitINVLPG, "only with shadow paging; a full flush is always right"},
		KindRDTSC:       {"rdtsc", (*VCPU).exitRDTSC, ""},
		KindRDPMC:       {"rdpmc", (*VCPU).injectGP0, "CPUID offers no counters"},
		KindVirtInst:    {"virtinst", (*VCPU).injectUD, "CPUID offers neither VMX nor SVM"},
		KindTaskSwitch:  {"taskswitch", (*VCPU).exitTaskSwitch, "AMD-V does it in hardware"},
		KindTripleFault: {"triplefault", (*VCPU).exitTripleFault, ""},
		KindInit:        {"init", (*VCPU).exitNothing, "INIT comes through the virtual APIC, not from the wire"},
		KindSIPI:        {"sipi", (*VCPU).exitNothing, "SIPI comes through the virtual APIC, not from the wire"},
		KindNMIWindow:   {"nmiwindow", (*VCPU).exitNothing, "the engine opens its windows itself"},
		KindIRQWindow:   {"irqwindow", (*VCPU).exitIRQWindow, "the engine opens its windows itself; this one is before the instruction behind an STI"},
		KindSMI:         {"smi", (*VCPU).injectUD, "engines give SMIs to the host themselves: this is RSM outside of SMM"},
		KindDescriptor:  {"descriptor", refuse("descriptor-table exit"), "never intercepted"},
		KindEntryFailed: {"entryfailed", refuse("the processor refused the guest state"), ""},
		KindUnknown:     {"unknown", refuse("an exit that no engine knows"), ""},
	}
}

// refuse is the verdict for what cannot go on: the machine is crashed, with all
// that is known in the reason.
func refuse(why string) func(*VCPU) outcome {
	return func(v *VCPU) outcome { return v.crash(why) }
}

// String is the name of the kind in statistics and traces.
func (k Kind) String() string {
	if k < NumKinds {
		return table[k].name
	}
	return "invalid"
}
