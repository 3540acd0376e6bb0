package linux

import (
	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
	"basalt/drivers/acpi"
)

// interval is what clocks counted side by side; zero if there was no clock.
type interval struct {
	tsc, ns uint64
	// The APIC timer counted apic while the counter counted apicTSC, give or take
	// spread.
	apic, apicTSC, spread uint64
}

func (m *interval) hz() uint64 { return muldiv(m.tsc, 1e9, m.ns) }

// reference is a clock of known frequency.
type reference interface {
	// measure lets some milliseconds go by; the zero interval says that there is no
	// such clock.
	measure() interval
}

const mostIntervals = 20

// calibrate measures until the best interval is confirmed by another one. A host that
// is held up makes an interval longer, never shorter, so the lowest frequency is the
// best; but on a loaded machine a few of them may all be too long. The APIC timer is
// best known where little time went by between reading it and the counter.
func calibrate(r reference) (best interval) {
	for i := 0; i < mostIntervals; i++ {
		m := r.measure()
		if m.tsc == 0 || m.ns == 0 {
			return interval{}
		}
		if i == 0 {
			best = m
			continue
		}
		if m.spread < best.spread {
			best.apic, best.apicTSC, best.spread = m.apic, m.apicTSC, m.spread
		}
		was, is := best.hz(), m.hz()
		if is < was {
			best.tsc, best.ns = m.tsc, m.ns
		}
		if max(was, is)-min(was, is) <= was/1000 {
			break
		}
	}
	return best
}

// bestInterval is of the PIT, or of the PM timer: a machine without legacy devices has
// only that.
func bestInterval() (m interval, by string) {
	if m = calibrate(pit{}); plausible(m.hz()) {
		return m, "PIT"
	}
	findPMTimer()
	return calibrate(&thePMTimer), "ACPI PM timer"
}

// apicStart starts the APIC timer and gives the counter on both sides of that.
func apicStart() (before, after uint64) {
	before = cpu.RDTSC()
	apic.ArmCount(0xffff_ffff)
	return before, cpu.RDTSC()
}

// apicEnd reads the timer and stops it.
func (m *interval) apicEnd(before, after uint64) {
	from := cpu.RDTSC()
	m.apic = uint64(0xffff_ffff - apic.Count())
	to := cpu.RDTSC()
	apic.ArmCount(0)
	m.apicTSC = (from-before)/2 + (to-after)/2
	m.spread = (after - before) + (to - from)
}

// patience bounds a loop that reads a port: 5 ms on an emulator in which a read takes
// a nanosecond, and some seconds on a machine where nobody answers.
const patience = 1 << 21

// pit is channel 2 of the 8254, which runs down in 5 ms (8254 data sheet, mode 0).
type pit struct{}

func (pit) measure() (m interval) {
	const pitHz = 1193182
	const count = pitHz / 200
	const outBit = 0x20
	io.Out8(0x61, io.In8(0x61)&^2|1)
	io.Out8(0x43, 0xb0)
	io.Out8(0x42, count&0xff)
	before, after := apicStart()
	start := cpu.RDTSC()
	io.Out8(0x42, count>>8)
	n := 0
	for ; n < patience && io.In8(0x61)&outBit == 0; n++ {
	}
	m.tsc, m.ns = cpu.RDTSC()-start, uint64(count)*1e9/pitHz
	m.apicEnd(before, after)
	if n == 0 || n == patience {
		return interval{} // the output is low until the count ends: no PIT
	}
	return m
}

// pmTimer is the ACPI power management timer (ACPI 6.5, 4.8.3.3); port is 0 without one.
type pmTimer struct{ port uint16 }

// thePMTimer is used by its address: an interface that holds a number allocates.
var thePMTimer pmTimer

func findPMTimer() {
	var fadt acpi.FADT
	b, err := tables.Find(physical{}, "FACP")
	if err != nil || fadt.Parse(b) != nil || fadt.PMTimer.Space != acpi.SpaceIO || fadt.PMTimer.Addr == 0 || fadt.PMTimer.Addr > 0xfffc {
		return
	}
	thePMTimer.port = uint16(fadt.PMTimer.Addr)
}

// measure waits for an edge, then for 5 ms.
func (p *pmTimer) measure() (m interval) {
	const pmHz = 3579545
	port := p.port
	if port == 0 {
		return interval{}
	}
	t0 := io.In32(port)
	for n := 0; n < patience && io.In32(port) == t0; n++ {
	}
	t0 = io.In32(port)
	before, after := apicStart()
	start := cpu.RDTSC()
	ticks, n := uint64(0), 0
	for ; n < patience && ticks < pmHz/200; n++ {
		ticks = uint64((io.In32(port) - t0) & 0xff_ffff)
	}
	m.tsc, m.ns = cpu.RDTSC()-start, ticks*1e9/pmHz
	m.apicEnd(before, after)
	if n == patience {
		return interval{}
	}
	return m
}
