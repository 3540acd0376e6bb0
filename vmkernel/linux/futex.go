package linux

import "sync/atomic"

const (
	futexWait    = 0
	futexWake    = 1
	futexPrivate = 128
)

//go:nosplit
func bucket(va uintptr) int { return int((va>>2 ^ va>>10) & 255) }

// futex is the system call: wait while *va is val, or wake up to val threads.
func (c *cpuState) futex(t *thread, va uintptr, op, val uint32, timeout uintptr) (int64, bool) {
	if va&3 != 0 {
		return -errInval, true
	}
	switch op &^ futexPrivate {
	case futexWait:
		deadline := uint64(0)
		if timeout != 0 {
			if !mm.readable(timeout, 16) {
				return -errFault, true
			}
			// SAFETY: readable backed the 16 bytes of the runtime's timespec.
			ts := (*[2]int64)(at(timeout))
			deadline = c.ticksAfter(ts[0], ts[1])
		}
		if !mm.readable(va, 4) {
			return -errFault, true
		}
		sched.lock.Lock()
		// SAFETY: readable backed the word.
		if atomic.LoadUint32((*uint32)(at(va))) != val {
			sched.lock.Unlock()
			return -errAgain, true
		}
		t.futex = va
		sched.futexes[bucket(va)].push(t)
		if deadline != 0 {
			t.wake = deadline
			sched.timers.add(t)
		}
		c.block(t, waitFutex)
		sched.lock.Unlock()
		return 0, false
	case futexWake:
		sched.lock.Lock()
		woken := sched.wakeFutex(va, val)
		sched.lock.Unlock()
		return woken, true
	}
	return -errNoSys, true
}

// wakeFutex makes up to n threads that wait for va runnable. The lock is held.
//
//go:nosplit
func (s *scheduler) wakeFutex(va uintptr, n uint32) (woken int64) {
	q := &s.futexes[bucket(va)]
	for p := q.head; p != 0 && uint32(woken) < n; {
		w := threadAt(p)
		p = w.next
		if w.futex == va {
			q.remove(w)
			w.futex = 0
			s.wakeUp(w, 0)
			woken++
		}
	}
	return woken
}

// sleep is nanosleep.
func (c *cpuState) sleep(t *thread, ts uintptr) (int64, bool) {
	if !mm.readable(ts, 16) {
		return -errFault, true
	}
	// SAFETY: readable backed the 16 bytes.
	v := (*[2]int64)(at(ts))
	if v[0] == 0 && v[1] == 0 {
		return 0, true
	}
	sched.lock.Lock()
	t.wake = c.ticksAfter(v[0], v[1])
	sched.timers.add(t)
	c.block(t, waitSleep)
	sched.lock.Unlock()
	return 0, false
}

// ticksAfter is the time in ticks that many seconds and nanoseconds from now.
func (c *cpuState) ticksAfter(sec, nsec int64) uint64 {
	if sec < 0 || nsec < 0 {
		return c.now()
	}
	if sec > 1<<30 {
		sec = 1 << 30
	}
	return c.now() + nsToTicks(uint64(sec)*1e9+uint64(nsec)) + 1
}
