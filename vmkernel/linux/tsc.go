package linux

import (
	"sync/atomic"

	"basalt/arch/x86/cpu"
)

// Time-stamp counters of several processors. When another processor starts, the
// first one asks it for its counter some times over. The answer was read between the
// question and its arrival, so each exchange bounds by how much the other counter is
// ahead; the bounds of all exchanges together are as tight as the fastest one.
// Whoever is within them in step cannot be seen out of step: every observation of one
// processor by another is such an exchange.
//
// A counter that is not in step is corrected in IA32_TSC_ADJUST (SDM Vol. 3B,
// 18.17.3, edition 086). Without it the processor's offset is taken off in each
// reading of this package's, and the clock never goes back on top of that: what is
// left of the offset is not known.

// TSCState says how a processor's counter stands to that of the first processor.
type TSCState uint32

// The states. Silent means that the processor did not answer, Unsteady that no
// constant difference explains its answers.
const (
	TSCInStep TSCState = iota
	TSCCorrected
	TSCOffset
	TSCUnsteady
	TSCSilent
)

func (s TSCState) String() string {
	names := [...]string{"in step", "corrected by IA32_TSC_ADJUST", "apart: the clock has an offset", "unsteady", "silent"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// TSCSkew is by how many ticks at least and at most the counter of processor n was
// ahead of the first one's when it had started and before it was corrected.
func TSCSkew(n int) (low, high int64, state TSCState) {
	if n < 0 || n >= int(sched.ncpu) {
		return 0, 0, TSCSilent
	}
	c := cpuAt(sched.cpus[n])
	return c.tscLow, c.tscHigh, TSCState(c.tscState)
}

// skew bounds the difference of two counters.
type skew struct {
	low, high int64
	n         int
}

// add takes one exchange: asked at t0, there ta, answered at t1.
func (s *skew) add(t0, ta, t1 uint64) {
	low, high := int64(ta-t1), int64(ta-t0)
	if s.n == 0 || low > s.low {
		s.low = low
	}
	if s.n == 0 || high < s.high {
		s.high = high
	}
	s.n++
}

func (s *skew) state() TSCState {
	switch {
	case s.n == 0:
		return TSCSilent
	case s.low > s.high:
		return TSCUnsteady
	case s.low > 0 || s.high < 0:
		return TSCOffset
	}
	return TSCInStep
}

func (s *skew) middle() int64 { return s.low + (s.high-s.low)/2 }

// tscPeer is the processor at the other end.
type tscPeer interface {
	exchange() (t0, ta, t1 uint64, ok bool)
	// adjust adds to its counter; false if that is not possible.
	adjust(by int64) bool
}

const (
	tscExchanges = 64
	tscEnough    = 8 // if they take long: a hypervisor gives each only a time slice
	tscAttempts  = 5 // a tighter measurement may find a rest
)

// measureTSC makes exchanges until budget ticks are over.
func measureTSC(p tscPeer, budget uint64) (s skew) {
	first := uint64(0)
	for s.n < tscExchanges {
		t0, ta, t1, ok := p.exchange()
		if !ok {
			return skew{}
		}
		if s.n == 0 {
			first = t0
		}
		if s.add(t0, ta, t1); s.n >= tscEnough && t1-first > budget {
			break
		}
	}
	return s
}

// bringInStep measures, and corrects what it can. found is the difference before,
// offset what has to be taken off the counter's readings.
func bringInStep(p tscPeer, budget uint64) (found skew, state TSCState, offset int64) {
	found = measureTSC(p, budget)
	s := found
	state = s.state()
	for try := 0; state == TSCOffset && try < tscAttempts && p.adjust(-s.middle()); try++ {
		s = measureTSC(p, budget)
		if state = s.state(); state == TSCInStep {
			return found, TSCCorrected, 0
		}
	}
	if state == TSCOffset {
		offset = s.middle()
	}
	return found, state, offset
}

// tscLine is where the first processor asks the one that starts.
var tscLine struct {
	ask, answer uint32
	op          uint32
	by          int64
	tsc         uint64
}

const (
	tscRead = iota
	tscAdjust
	tscDone
)

const msrTSCAdjust = 0x3b

// startedPeer is the processor that waits in answerTSC.
type startedPeer struct{}

func (startedPeer) exchange() (t0, ta, t1 uint64, ok bool) {
	patience := nsToTicks(1e9)
	t0 = cpu.RDTSCOrdered()
	n := atomic.AddUint32(&tscLine.ask, 1)
	for atomic.LoadUint32(&tscLine.answer) != n {
		if cpu.RDTSC()-t0 > patience {
			return 0, 0, 0, false
		}
		cpu.PAUSE()
	}
	t1 = cpu.RDTSCOrdered()
	return t0, tscLine.tsc, t1, true
}

func (p startedPeer) adjust(by int64) bool {
	if max, _, _, _ := cpu.CPUID(0, 0); max < 7 {
		return false
	}
	if _, b, _, _ := cpu.CPUID(7, 0); b&(1<<1) == 0 {
		return false
	}
	tscLine.op, tscLine.by = tscAdjust, by
	_, _, _, ok := p.exchange()
	tscLine.op = tscRead
	return ok
}

// answerTSC serves the first processor until it has seen enough.
func answerTSC() {
	last := atomic.LoadUint32(&tscLine.answer)
	for {
		n := atomic.LoadUint32(&tscLine.ask)
		if n == last {
			cpu.PAUSE()
			continue
		}
		tscLine.tsc = cpu.RDTSCOrdered()
		op := tscLine.op
		if op == tscAdjust {
			cpu.WRMSR(msrTSCAdjust, cpu.RDMSR(msrTSCAdjust)+uint64(tscLine.by))
		}
		atomic.StoreUint32(&tscLine.answer, n)
		if last = n; op == tscDone {
			return
		}
	}
}

// syncTSC is the first processor's part when c has started.
func syncTSC(c *cpuState) {
	tscLine.op = tscRead
	found, state, offset := bringInStep(startedPeer{}, nsToTicks(2e6))
	c.tscLow, c.tscHigh, c.tscState, c.tscOffset = found.low, found.high, uint32(state), uint64(offset)
	if state != TSCInStep && state != TSCCorrected {
		clockGuarded = 1
	}
	tscLine.op = tscDone
	atomic.AddUint32(&tscLine.ask, 1)
}

// now is the counter of the first processor as c sees it: times that are compared
// between processors are in its ticks. The caller runs on c and stays there.
//
//go:nosplit
func (c *cpuState) now() uint64 { return cpu.RDTSC() - c.tscOffset }

// clockGuarded makes the clock pay attention: to the processor's offset, and never
// to go back.
var (
	clockGuarded uint32
	clockLast    uint64
)

// guardedNS is the time since boot where counters are not in step. Assembly calls it
// in its own form in vdsoClock.
func guardedNS() uint64 {
	c := this()
	t := c.now()
	for c != this() { // moved between the two
		c = this()
		t = c.now()
	}
	if t < clockBase {
		t = clockBase
	}
	return notBefore(&clockLast, ticksToNS(t-clockBase))
}

// notBefore gives ns, or what another reader was given before if that is later.
func notBefore(last *uint64, ns uint64) uint64 {
	for {
		l := atomic.LoadUint64(last)
		if ns <= l {
			return l
		}
		if atomic.CompareAndSwapUint64(last, l, ns) {
			return ns
		}
	}
}
