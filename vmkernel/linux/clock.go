package linux

import (
	"math/bits"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
)

// The clock: nanoseconds since boot are (TSC-clockBase)*clockMult>>32; wallBase
// is Unix time in nanoseconds at boot. vdsoClock reads them.
var (
	clockBase uint64
	clockMult uint64
	wallBase  uint64
	tscHz     uint64
	apicMult  uint64 // timer ticks for a TSC tick, << 32
	tscSource string
)

// TSCHz is the frequency of the time-stamp counter and where it is known from.
func TSCHz() (hz uint64, source string) { return tscHz, tscSource }

// BootTSC is the time-stamp counter at the start of the clock.
func BootTSC() uint64 { return clockBase }

func initClock() {
	clockBase = cpu.RDTSC()
	tscHz, tscSource = cpuidHz()
	if !plausible(tscHz) {
		tscHz, tscSource = hypervisorHz(), "hypervisor leaf"
	}
	// The interval also measures the APIC timer, which has no deadline mode on
	// many processors.
	m, by := bestInterval()
	if !plausible(tscHz) {
		tscHz, tscSource = m.hz(), by
	}
	if !plausible(tscHz) {
		tscHz, tscSource = 1e9, "nothing: assumed, time is wrong"
	}
	if !apic.Deadline {
		apicMult = muldiv(m.apic, 1<<32, m.apicTSC)
		if apicMult == 0 {
			apicMult = muldiv(100e6, 1<<32, tscHz) // a usual bus clock
		}
	}
	clockMult = muldiv(1e9, 1<<32, tscHz)
	wallBase = rtcSeconds() * 1e9
	sliceTicks = nsToTicks(4e6)
	minSlice = nsToTicks(1e5)
	graceTicks = nsToTicks(1e6)
	quickTicks = nsToTicks(1e5)
	lineTicks = nsToTicks(1e6)
}

// plausible frequencies of a time-stamp counter are 50 MHz to 20 GHz.
func plausible(hz uint64) bool { return hz >= 50e6 && hz <= 20e9 }

func muldiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if c == 0 || hi >= c {
		return 0
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}

func nsToTicks(ns uint64) uint64 { return muldiv(ns, tscHz, 1e9) }

func ticksToNS(t uint64) uint64 {
	hi, lo := bits.Mul64(t, clockMult)
	return hi<<32 | lo>>32
}

// cpuidHz reads leaves 0x15 and 0x16 (SDM Vol. 2A, CPUID).
func cpuidHz() (uint64, string) {
	max, _, _, _ := cpu.CPUID(0, 0)
	if max >= 0x15 {
		if den, num, crystal, _ := cpu.CPUID(0x15, 0); den != 0 && num != 0 && crystal != 0 {
			return uint64(crystal) * uint64(num) / uint64(den), "CPUID 0x15"
		}
	}
	if max >= 0x16 {
		if mhz, _, _, _ := cpu.CPUID(0x16, 0); mhz&0xffff != 0 {
			return uint64(mhz&0xffff) * 1e6, "CPUID 0x16"
		}
	}
	return 0, ""
}

// hypervisorHz reads the timing leaf that VMware, KVM and others share.
func hypervisorHz() uint64 {
	_, _, c, _ := cpu.CPUID(1, 0)
	if c>>31 == 0 {
		return 0
	}
	max, _, _, _ := cpu.CPUID(0x4000_0000, 0)
	if max < 0x4000_0010 || max > 0x4000_ffff {
		return 0
	}
	khz, _, _, _ := cpu.CPUID(0x4000_0010, 0)
	return uint64(khz) * 1000
}

// rtcSeconds is Unix time as the CMOS clock has it, in UTC (MC146818A data sheet). A
// machine without one starts at the beginning of 2026, when this was written.
func rtcSeconds() uint64 {
	const none = 1767225600
	var a, b [8]byte
	for try := 0; ; try++ {
		if !readRTC(&a) || !readRTC(&b) || try == 10 {
			return none
		}
		if a == b {
			break
		}
	}
	if t := unixOfRTC(a); t >= none/2 && t < 1<<32 {
		return t
	}
	return none
}

// readRTC reads the registers when they do not change; false if that never comes,
// as on a machine where nobody answers.
func readRTC(v *[8]byte) bool {
	const updating = 0x80
	for n := 0; ; n++ {
		io.Out8(0x70, 0x0a)
		if io.In8(0x71)&updating == 0 {
			break
		}
		if n == patience/4 {
			return false
		}
	}
	for i, r := range [...]uint8{0, 2, 4, 7, 8, 9, 11} {
		io.Out8(0x70, r)
		v[i] = io.In8(0x71)
	}
	return true
}

// unixOfRTC converts seconds, minutes, hours, day, month and year of this century
// as status register B (the last one) says that they are kept.
func unixOfRTC(a [8]byte) uint64 {
	if a[6]&4 == 0 { // BCD
		for i := 0; i < 6; i++ {
			pm := a[i] & 0x80
			a[i] = a[i]&0x7f>>4*10 + a[i]&15
			if i == 2 {
				a[i] |= pm
			} else if pm != 0 {
				a[i] += 80
			}
		}
	}
	h := uint64(a[2] & 0x7f)
	if a[6]&2 == 0 { // 12 hours
		h %= 12
		if a[2]&0x80 != 0 {
			h += 12
		}
	}
	return daysSinceEpoch(2000+int(a[5]), int(a[4]), int(a[3]))*86400 + h*3600 + uint64(a[1])*60 + uint64(a[0])
}

// daysSinceEpoch counts days of the Gregorian calendar from 1970-01-01.
func daysSinceEpoch(y, m, d int) uint64 {
	if m <= 2 {
		y--
		m += 12
	}
	return uint64(365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468)
}

// wallNow is Unix time in nanoseconds.
func wallNow() uint64 { return uint64(Uptime()) + wallBase }

// Uptime is the time since the kernel's entry.
func Uptime() (ns int64) {
	if clockGuarded != 0 {
		return int64(guardedNS())
	}
	return int64(ticksToNS(cpu.RDTSC() - clockBase))
}
