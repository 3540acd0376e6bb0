package ring0

import (
	"fmt"
	"math/bits"
	"strings"
	"sync/atomic"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/vcpu"
)

// Processors is the set of the host's processors that run guests: bit n is
// processor n. It is never empty.
type Processors uint64

// String gives the numbers as the setting guestcpus takes them: 0-2,5.
func (p Processors) String() string {
	var parts []string
	for rest := uint64(p); rest != 0; {
		lo := bits.TrailingZeros64(rest)
		hi := lo + bits.TrailingZeros64(^(rest >> lo)) - 1
		if lo == hi {
			parts = append(parts, fmt.Sprint(lo))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", lo, hi))
		}
		rest &= ^uint64(0) << hi << 1
	}
	return strings.Join(parts, ",")
}

// Choose gives the processors for the engine f (nil: there is none): those in wanted
// that exist or, with wanted 0, all that can be trusted. why says what there is to
// say about that, and is empty when all run guests because nobody asked otherwise.
func Choose(wanted uint64, f vcpu.Factory) (p Processors, why string) {
	amdV := f != nil && f.Name() == "amd-v"
	return choose(linux.CPUs(), wanted, amdV && emulated(cpu.CPUID))
}

// choose is Choose for n processors; breaks says that the first one breaks guests.
func choose(n int, wanted uint64, breaks bool) (Processors, string) {
	all := ^uint64(0) >> (64 - n)
	missing := ""
	if wanted != 0 {
		if set := wanted & all; set != 0 {
			return Processors(set), "guestcpus"
		}
		missing = fmt.Sprintf("guestcpus=%v names none of the %d processors; ", Processors(wanted), n)
	}
	if breaks && n > 1 {
		return Processors(all &^ 1), missing + "QEMU's emulation of AMD-V breaks guests on the first processor"
	}
	return Processors(all), strings.TrimSuffix(missing, "; ")
}

// emulated says that this is QEMU without hardware acceleration (TCG): CPUID leaf 1
// ECX bit 31, and the signature in leaf 40000000h that QEMU's target/i386/cpu.c gives
// there.
func emulated(cpuid func(leaf, sub uint32) (a, b, c, d uint32)) bool {
	if _, _, c, _ := cpuid(1, 0); c>>31 == 0 {
		return false
	}
	const tcg0, tcg1, tcg2 = 0x54474354, 0x43544743, 0x47435447 // "TCGT" "CGTC" "GTCG"
	_, b, c, d := cpuid(0x4000_0000, 0)
	return b == tcg0 && c == tcg1 && d == tcg2
}

// float says that a virtual CPU may go from one of the processors to another while
// its machine runs: the engine can take it along (a VMCS of VT-x stays active on the
// processor where it was loaded first, and vmxcpu leaves it there), and all counters
// agree, because a guest reads its processor's own.
func (p Processors) float(f vcpu.Factory, skew func(n int) (low, high int64, s linux.TSCState)) bool {
	if f == nil || f.Name() != "amd-v" {
		return false
	}
	for rest := uint64(p); rest != 0; rest &= rest - 1 {
		n := bits.TrailingZeros64(rest)
		if n == 0 {
			continue // the others are compared with it
		}
		if _, _, s := skew(n); s != linux.TSCInStep && s != linux.TSCCorrected {
			return false
		}
	}
	return true
}

// together gives what lets the calling thread use all of the processors.
func (p Processors) together() func(vm string, index int) (undo func()) {
	return func(string, int) func() {
		setAffinity(uint64(p))
		return func() { setAffinity(^uint64(0) >> (64 - linux.CPUs())) }
	}
}

// pinner gives what ties the calling thread to one of the processors, in turn.
func (p Processors) pinner() func(vm string, index int) (undo func()) {
	var list []int
	for rest := uint64(p); rest != 0; rest &= rest - 1 {
		list = append(list, bits.TrailingZeros64(rest))
	}
	var next atomic.Uint32
	return func(string, int) func() {
		setAffinity(1 << list[int(next.Add(1))%len(list)])
		return func() { setAffinity(^uint64(0) >> (64 - linux.CPUs())) }
	}
}

// Count is how many there are.
func (p Processors) Count() int { return bits.OnesCount64(uint64(p)) }
