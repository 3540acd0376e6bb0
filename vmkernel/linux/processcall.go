package linux

import "basalt/vmkernel/pmem"

// Calls about the process: there is one, without parent or children, and its
// number is that of its first thread.

// mainTID is the number of the first thread.
var mainTID uint32

func processID() int64 { return int64(mainTID) }

const (
	sysWait4       = 61
	sysKill        = 62
	sysGetrusage   = 98
	sysSysinfo     = 99
	sysTimes       = 100
	sysGetpgrp     = 111
	sysSetsid      = 112
	sysGetgroups   = 115
	sysGetpgid     = 121
	sysGetsid      = 124
	sysGettimeofd  = 96
	sysTime        = 201
	sysClockGetres = 229
	sysWaitid      = 247
	sysGetcpu      = 309
)

// processCall answers what needs no lock for long; ok is false for other numbers.
func (c *cpuState) processCall(t *thread, nr, a0, a1, a2 uint64) (r int64, ok bool) {
	switch nr {
	case sysWait4, sysWaitid:
		return -errChild, true
	case sysKill:
		if pid := int32(a0); pid != 0 && pid != -1 && int64(pid) != processID() {
			return -errSearch, true
		}
		return c.tgkill(uint64(t.tid), a1), true
	case sysGetpgrp, sysGetpgid, sysGetsid:
		return processID(), true
	case sysSetsid:
		return -errPerm, true // it leads its group
	case sysGetgroups:
		return 0, true
	case sysGetrusage:
		return rusage(t, int32(a0), uintptr(a1)), true
	case sysTimes:
		return int64(ticksToNS(busyTicks()) / 1e7), true
	case sysSysinfo:
		return sysinfo(uintptr(a0)), true
	case sysGettimeofd:
		return timeOfDay(uintptr(a0)), true
	case sysTime:
		return int64(wallNow() / 1e9), true
	case sysClockGetres:
		if a1 != 0 {
			if !mm.ensure(uintptr(a1), 16) {
				return -errFault, true
			}
			// SAFETY: ensure backed the timespec.
			*(*[2]uint64)(at(uintptr(a1))) = [2]uint64{0, 1}
		}
		return 0, true
	case sysGetcpu:
		for _, p := range [...]uint64{a0, a1} {
			if p != 0 && !mm.ensure(uintptr(p), 4) {
				return -errFault, true
			}
		}
		// SAFETY: ensure backed both words.
		if a0 != 0 {
			*(*uint32)(at(uintptr(a0))) = c.id
		}
		if a1 != 0 {
			*(*uint32)(at(uintptr(a1))) = 0
		}
		return 0, true
	}
	return 0, false
}

// busyTicks is the time that all threads but the idle ones have run.
func busyTicks() uint64 {
	sum := uint64(0)
	sched.lock.Lock()
	for _, va := range sched.threads {
		if va == 0 || va == threadTaken {
			continue
		}
		if t := threadAt(va); t.aff&(t.aff-1) != 0 || sched.ncpu == 1 {
			sum += t.ran
		}
	}
	sched.lock.Unlock()
	return sum
}

// rusage is getrusage: processor time is all that there is to tell.
func rusage(t *thread, who int32, buf uintptr) int64 {
	const size = 144
	if who < -1 || who > 1 {
		return -errInval
	}
	if !mm.ensure(buf, size) {
		return -errFault
	}
	ns := uint64(0)
	switch who {
	case 0:
		ns = ticksToNS(busyTicks())
	case 1: // RUSAGE_THREAD
		ns = ticksToNS(t.ran)
	}
	// SAFETY: ensure backed the structure.
	v := (*[size / 8]uint64)(at(buf))
	*v = [size / 8]uint64{ns / 1e9, ns % 1e9 / 1e3}
	v[4] = mm.backed >> 10 // ru_maxrss
	return 0
}

func sysinfo(buf uintptr) int64 {
	const size = 112
	if !mm.ensure(buf, size) {
		return -errFault
	}
	st := pmem.Read()
	// SAFETY: ensure backed struct sysinfo.
	*(*[size / 8]uint64)(at(buf)) = [size / 8]uint64{0: uint64(Uptime()) / 1e9, 4: st.Total, 5: st.Free, 10: 1, 13: 1}
	return 0
}

func timeOfDay(buf uintptr) int64 {
	if buf == 0 {
		return 0
	}
	if !mm.ensure(buf, 16) {
		return -errFault
	}
	us := wallNow() / 1e3
	// SAFETY: ensure backed the timeval.
	*(*[2]uint64)(at(buf)) = [2]uint64{us / 1e6, us % 1e6}
	return 0
}
