package linux

import "sync/atomic"

// The process-wide profiling timer (setitimer(2), ITIMER_PROF), which is what CPU
// profiles come from. Each processor counts its own busy time and interrupts the
// thread it runs, so together they sample processor time.

const (
	sysSetitimer = 38
	itimerProf   = 2
	sigProf      = 27
)

// profileTicks is the interval in TSC ticks; 0 when nobody profiles.
var profileTicks uint64

func setitimer(which uint64, new, old uintptr) int64 {
	if which != itimerProf {
		return -errInval
	}
	if old != 0 {
		if !mm.ensure(old, 32) {
			return -errFault
		}
		ns := ticksToNS(profileTicks)
		// SAFETY: ensure backed struct itimerval.
		*(*[4]uint64)(at(old)) = [4]uint64{ns / 1e9, ns % 1e9 / 1e3, ns / 1e9, ns % 1e9 / 1e3}
	}
	if new != 0 {
		if !mm.readable(new, 32) {
			return -errFault
		}
		// SAFETY: readable.
		v := *(*[4]uint64)(at(new))
		if v[1] >= 1e6 || v[3] >= 1e6 || v[0] > 1<<20 {
			return -errInval
		}
		// 2000 samples a second are more than anybody asks for.
		profileTicks = nsToTicks(max(v[0]*1e9+v[1]*1e3, 500e3))
		if v[2] == 0 && v[3] == 0 {
			profileTicks = 0
		}
	}
	return 0
}

// sample interrupts the running thread if its processor was busy for an interval.
// A processor that slept starts a new one.
func (c *cpuState) sample(now uint64) {
	every := profileTicks
	if every == 0 || c.cur == c.idle {
		c.profileAt = 0
		return
	}
	if c.profileAt == 0 {
		c.profileAt = now + every
	}
	if now >= c.profileAt {
		c.profileAt = now + every
		atomic.OrUint64(&threadAt(c.cur).pending, 1<<(sigProf-1))
	}
}

// sampleTime is when sample wants the timer, or never.
//
//go:nosplit
func (c *cpuState) sampleTime() uint64 {
	every := profileTicks
	if every == 0 || c.cur == c.idle {
		c.profileAt = 0
		return ^uint64(0)
	}
	if c.profileAt == 0 {
		c.profileAt = c.now() + every
	}
	return c.profileAt
}
