package linux

import (
	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
)

// handleInterrupt is where every interrupt and exception arrives.
func handleInterrupt(f *frame) {
	c := this()
	t := threadAt(c.cur)
	t.noX = 0
	switch v := f.vector; {
	case v == 14:
		va := cpu.ReadCR2()
		if !mm.fault(uintptr(va), f.err) {
			code := int32(1) // SEGV_MAPERR
			if f.err&1 != 0 {
				code = 2
			}
			raise(t, sigSegv, code, va)
		}
	case v < 32:
		exception(t, v)
	case v == vectorTimer:
		apic.EOI()
		c.tick()
	case v == vectorKick:
		apic.EOI()
		c.resched = max(c.resched, 1)
	case v == vectorFlush, v == vectorLeave:
		apic.EOI()
	case v == vectorSpurious:
	default:
		c.irqs++
		apic.MaskLine(uint8(v)) // a level-triggered line would fire again at once
		apic.EOI()
		deviceInterrupt(uint8(v))
	}
	leave(c)
}

func exception(t *thread, v uint64) {
	switch v {
	case 0:
		raise(t, sigFPE, 1, t.frame.rip)
	case 1, 3:
		raise(t, sigTrap, 0x80, 0)
	case 4, 5, 13:
		raise(t, sigSegv, 0x80, 0)
	case 6:
		raise(t, sigIll, 1, t.frame.rip)
	case 11, 12, 17:
		raise(t, sigBus, 0x80, 0)
	case 16, 19:
		raise(t, sigFPE, 0, t.frame.rip)
	default:
		die(faultName(v), &t.frame)
	}
}

// faultName is the manual's name of an exception (SDM Vol. 3A, table 6-1).
func faultName(v uint64) string {
	names := [...]string{"#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound",
		"#UD invalid opcode", "#NM no FPU", "#DF double fault", "vector 9", "#TS invalid TSS", "#NP segment not present",
		"#SS stack fault", "#GP general protection", "#PF page fault", "vector 15", "#MF x87 error",
		"#AC alignment check", "#MC machine check", "#XM SIMD error", "#VE virtualization", "#CP control protection"}
	if v < uint64(len(names)) {
		return names[v]
	}
	return "unexpected vector"
}

// Assembly calls these; the tools that look for unused code see only Go.
var (
	_ = boot
	_ = apMain
	_ = handleInterrupt
	_ = handleSyscall
	_ = handleNested
)
