package lapic

import (
	"math"
	"math/bits"
)

// timer is the APIC timer (11.5.4) in guest TSC units. The owner's.
type timer struct {
	initial  uint32
	divide   uint32 // TDCR as written
	deadline uint64 // guest TSC of the next expiry; 0: stopped
}

// scale is v*mul/div, saturated. div is not 0.
func scale(v, mul, div uint64) uint64 {
	hi, lo := bits.Mul64(v, mul)
	if hi >= div {
		return math.MaxUint64
	}
	q, _ := bits.Div64(hi, lo, div)
	return q
}

// shift is the logarithm of the divider: TDCR bits 3,1,0 plus 1, where 7 means 1.
func (t *timer) shift() uint32 {
	return ((t.divide&3 | t.divide>>1&4) + 1) & 7
}

func (a *APIC) timerMode() uint32 {
	return a.lvt[lvtTimer].Load() >> lvtTimerShift & 3
}

// span is the length of count ticks in guest TSC, at least 1.
func (a *APIC) span(count uint32) uint64 {
	return max(1, scale(uint64(count)<<a.timer.shift(), a.cfg.TSCHz, a.cfg.TimerHz))
}

// period is the length of a period of the periodic timer. The limit keeps a guest
// from making the host look at its timer all the time, even with the interrupt
// masked.
func (a *APIC) period() uint64 { return max(a.span(a.timer.initial), a.cfg.MinPeriod) }

// after is now+span without wrapping and never 0.
func after(now, span uint64) uint64 {
	if t := now + span; t >= span && t != 0 {
		return t
	}
	return math.MaxUint64
}

func (a *APIC) writeTMICT(v uint32, now uint64) {
	if a.timerMode() == timerDeadline {
		return
	}
	a.timer.initial = v
	a.timer.deadline = 0
	switch {
	case v == 0:
	case a.timerMode() == timerPeriodic:
		a.timer.deadline = after(now, a.period())
	default:
		a.timer.deadline = after(now, a.span(v))
	}
}

// currentCount is TMCCT.
func (a *APIC) currentCount(now uint64) uint32 {
	t := &a.timer
	if t.deadline == 0 || a.timerMode() == timerDeadline {
		return 0
	}
	left := t.deadline - now
	if now >= t.deadline { // expired, the owner has not called Expire yet
		if a.timerMode() != timerPeriodic {
			return 0
		}
		p := a.period()
		left = p - (now-t.deadline)%p
	}
	n := scale(left, a.cfg.TimerHz, a.cfg.TSCHz) >> t.shift()
	return uint32(min(n, uint64(t.initial)))
}

// writeTDCR changes the divider; the count goes on from where it is.
func (a *APIC) writeTDCR(v uint32, now uint64) {
	count := a.currentCount(now)
	a.timer.divide = v & 0xB
	if a.timer.deadline != 0 && a.timerMode() != timerDeadline {
		a.timer.deadline = after(now, a.span(count))
	}
}

// writeLVTT changes the timer's entry; a change to or from TSC-deadline mode
// disarms it (11.5.4.1).
func (a *APIC) writeLVTT(v uint32) {
	old := a.timerMode()
	a.lvt[lvtTimer].Store(v)
	if now := a.timerMode(); (old == timerDeadline) != (now == timerDeadline) {
		a.timer.deadline, a.timer.initial = 0, 0
	}
}

// TSCDeadline is RDMSR of IA32_TSC_DEADLINE. Owner.
func (a *APIC) TSCDeadline() uint64 {
	if a.timerMode() != timerDeadline {
		return 0
	}
	return a.timer.deadline
}

// SetTSCDeadline is WRMSR of IA32_TSC_DEADLINE: 0 disarms, a value that is past
// fires at once; ignored in the other modes. now and v are guest TSC. Owner.
func (a *APIC) SetTSCDeadline(v, now uint64) {
	if a.timerMode() != timerDeadline || !a.present() {
		return
	}
	a.timer.deadline = v
	if v != 0 && v <= now {
		a.Expire(now)
	}
}

// Deadline is the guest TSC value at which Expire has to be called, or 0. Owner.
func (a *APIC) Deadline() uint64 { return a.timer.deadline }

// Expire fires the timer if its time has come and says whether it had. Owner.
func (a *APIC) Expire(now uint64) bool {
	t := &a.timer
	if t.deadline == 0 || now < t.deadline {
		return false
	}
	if a.timerMode() == timerPeriodic && t.initial != 0 {
		p := a.period()
		missed := (now - t.deadline) / p
		t.deadline = after(t.deadline, scale(missed, p, 1))
		t.deadline = after(t.deadline, p)
	} else {
		t.deadline = 0
	}
	a.fireLVT(lvtTimer)
	return true
}
