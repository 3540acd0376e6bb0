package panicscreen

// Report is what is known when the host stops.
type Report struct {
	Version string // "0.1.0"
	Cause   string // one sentence
	CPU     int
	Uptime  int64 // nanoseconds since boot; 0: not known
	Vector  int   // of the exception, -1: none
	Error   uint64
	Regs    *Registers // nil: not known
}

// Registers are the processor's registers where it stopped.
type Registers struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP, RFLAGS, CS, SS, FSBase, GSBase    uint64
	CR0, CR2, CR3, CR4                     uint64
}

const numRegisters = 26

// register gives number i in the order of the screen.
func (r *Registers) register(i int) (name string, v uint64) {
	switch i {
	case 0:
		return "RIP", r.RIP
	case 1:
		return "RSP", r.RSP
	case 2:
		return "RBP", r.RBP
	case 3:
		return "RFL", r.RFLAGS
	case 4:
		return "RAX", r.RAX
	case 5:
		return "RBX", r.RBX
	case 6:
		return "RCX", r.RCX
	case 7:
		return "RDX", r.RDX
	case 8:
		return "RSI", r.RSI
	case 9:
		return "RDI", r.RDI
	case 10:
		return "R8 ", r.R8
	case 11:
		return "R9 ", r.R9
	case 12:
		return "R10", r.R10
	case 13:
		return "R11", r.R11
	case 14:
		return "R12", r.R12
	case 15:
		return "R13", r.R13
	case 16:
		return "R14", r.R14
	case 17:
		return "R15", r.R15
	case 18:
		return "CR0", r.CR0
	case 19:
		return "CR2", r.CR2
	case 20:
		return "CR3", r.CR3
	case 21:
		return "CR4", r.CR4
	case 22:
		return "FS ", r.FSBase
	case 23:
		return "GS ", r.GSBase
	case 24:
		return "CS ", r.CS
	}
	return "SS ", r.SS
}

// exception names the processor's exceptions (Intel SDM Vol. 3A, table 6-1,
// edition 085).
func exception(vector int) string {
	switch vector {
	case 0:
		return "#DE divide error"
	case 1:
		return "#DB debug"
	case 2:
		return "NMI"
	case 3:
		return "#BP breakpoint"
	case 4:
		return "#OF overflow"
	case 5:
		return "#BR bound range"
	case 6:
		return "#UD invalid opcode"
	case 7:
		return "#NM device not available"
	case 8:
		return "#DF double fault"
	case 10:
		return "#TS invalid TSS"
	case 11:
		return "#NP segment not present"
	case 12:
		return "#SS stack fault"
	case 13:
		return "#GP general protection"
	case 14:
		return "#PF page fault"
	case 16:
		return "#MF x87 error"
	case 17:
		return "#AC alignment check"
	case 18:
		return "#MC machine check"
	case 19:
		return "#XM SIMD error"
	case 20:
		return "#VE virtualisation"
	case 21:
		return "#CP control protection"
	}
	return "exception"
}
