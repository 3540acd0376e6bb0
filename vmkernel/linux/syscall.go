package linux

import "unsafe"

// System call numbers (Linux, arch/x86/entry/syscalls/syscall_64.tbl).
const (
	sysRead          = 0
	sysWrite         = 1
	sysClose         = 3
	sysMmap          = 9
	sysMprotect      = 10
	sysMunmap        = 11
	sysRTSigaction   = 13
	sysRTSigprocmask = 14
	sysRTSigreturn   = 15
	sysSchedYield    = 24
	sysMincore       = 27
	sysMadvise       = 28
	sysDup           = 32
	sysNanosleep     = 35
	sysGetpid        = 39
	sysClone         = 56
	sysExit          = 60
	sysUname         = 63
	sysFcntl         = 72
	sysGetuid        = 102
	sysGetgid        = 104
	sysGeteuid       = 107
	sysGetegid       = 108
	sysGetppid       = 110
	sysSigaltstack   = 131
	sysPrctl         = 157
	sysArchPrctl     = 158
	sysGettid        = 186
	sysFutex         = 202
	sysSchedSetaffin = 203
	sysSchedGetaffin = 204
	sysClockGettime  = 228
	sysExitGroup     = 231
	sysEpollCtl      = 233
	sysTgkill        = 234
	sysOpenat        = 257
	sysEpollPwait    = 281
	sysEventfd2      = 290
	sysEpollCreate1  = 291
	sysPrlimit64     = 302
	sysGetrandom     = 318
	sysBasaltPark    = 0x62000001
	sysBasaltDevice  = 0x62000003
	sysBasaltDirect  = 0x62000004
	sysBasaltGovern  = 0x62000005
	sysBasaltLocked  = 0x62000006
	sysBasaltGuest   = 0x62000007
	sysBasaltHurry   = 0x62000008
)

// syscalls counts calls nobody answers, by number, for the log.
var unknownCalls [512]uint32

// handleSyscall answers one system call. A call that does not block leaves its
// result in rax; one that does is completed by whoever wakes the thread.
func handleSyscall(f *frame) {
	c := this()
	t := threadAt(c.cur)
	if r, done := c.call(t, f); done {
		f.rax = uint64(r)
	}
	leave(c)
}

func (c *cpuState) call(t *thread, f *frame) (int64, bool) {
	a0, a1, a2, a3 := f.rdi, f.rsi, f.rdx, f.r10
	switch f.rax {
	case sysFutex:
		return c.futex(t, uintptr(a0), uint32(a1), uint32(a2), uintptr(a3))
	case sysNanosleep:
		return c.sleep(t, uintptr(a0))
	case sysSchedYield:
		c.resched = yielding
		return 0, true
	case sysEpollPwait:
		return c.epollWait(t, a0, uintptr(a1), a2, int32(a3))
	case sysClockGettime:
		return clockGettime(a0, uintptr(a1)), true
	case sysTgkill:
		return c.tgkill(a1, a2), true
	case sysRTSigreturn:
		sigreturn(t)
		return 0, false
	case sysRead, sysWrite, sysClose, sysFcntl, sysEventfd2, sysEpollCreate1, sysEpollCtl, sysOpenat, sysDup:
		return c.fileCall(f.rax, a0, a1, a2, a3), true
	case sysMmap, sysMunmap, sysMprotect, sysMadvise, sysMincore:
		return memoryCall(f, a0, a1, a2, a3)
	case sysClone:
		return clone(t, f), true
	case sysExit:
		c.exit(t)
		return 0, false
	case sysExitGroup:
		exitGroup(a0, f)
	case sysGetpid, sysGetuid, sysGetgid, sysGeteuid, sysGetegid, sysGetppid:
		if f.rax == sysGetpid {
			return processID(), true
		}
		return 0, true
	case sysGettid:
		return int64(t.tid), true
	case sysArchPrctl:
		const archSetFS = 0x1002
		if a0 != archSetFS {
			return -errInval, true
		}
		t.fsbase = uintptr(a1)
		return 0, true
	case sysRTSigaction:
		return sigaction(a0, uintptr(a1), uintptr(a2)), true
	case sysRTSigprocmask:
		return sigprocmask(t, a0, uintptr(a1), uintptr(a2)), true
	case sysSigaltstack:
		return sigaltstack(t, uintptr(a0), uintptr(a1)), true
	case sysSchedGetaffin:
		return getAffinity(a1, uintptr(a2)), true
	case sysSchedSetaffin:
		return c.setAffinity(t, a0, a1, uintptr(a2))
	case sysSetitimer:
		return setitimer(a0, uintptr(a1), uintptr(a2)), true
	case sysPrlimit64:
		return prlimit(uintptr(a3)), true
	case sysPrctl:
		return -errInval, true
	case sysGetrandom:
		return getrandom(uintptr(a0), uintptr(a1)), true
	case sysUname:
		return uname(uintptr(a0)), true
	case sysBasaltPark:
		return c.park(t, uintptr(a0), uint32(a1), a2)
	case sysBasaltDevice:
		return int64(mm.mapDevice(a0, a1)), true
	case sysBasaltDirect:
		if mm.directPhysical(a0, a1) {
			return 1, true
		}
		return 0, true
	case sysBasaltGovern:
		c.govern(t, uintptr(a0))
		return 0, true
	case sysBasaltLocked:
		return c.locked(), true
	case sysBasaltHurry:
		return c.hurry(a0, a1 != 0), true
	case sysBasaltGuest:
		c.enterGuest(t)
		return 0, true
	}
	if r, ok := c.processCall(t, f.rax, a0, a1, a2); ok {
		return r, true
	}
	if f.rax < uint64(len(unknownCalls)) {
		unknownCalls[f.rax]++
	}
	return -errNoSys, true
}

func clockGettime(id uint64, ts uintptr) int64 {
	if !mm.ensure(ts, 16) {
		return -errFault
	}
	ns := uint64(0)
	switch id {
	case 0, 5, 11: // realtime, its coarse form, TAI
		ns = wallNow()
	case 2: // processor time of the process
		ns = ticksToNS(busyTicks())
	default:
		ns = uint64(Uptime())
	}
	// SAFETY: ensure backed the timespec.
	*(*[2]uint64)(at(ts)) = [2]uint64{ns / 1e9, ns % 1e9}
	return 0
}

func memoryCall(f *frame, a0, a1, a2, a3 uint64) (result int64, done bool) {
	switch f.rax {
	case sysMmap:
		const mapAnonymous = 0x20
		if a3&mapAnonymous == 0 {
			return -errBadF, true
		}
		va, ok := mm.mapAnon(uintptr(a0), uintptr(a1), uint32(a2)&7, uint32(a3))
		if !ok {
			return -errNoMem, true
		}
		return int64(va), true
	case sysMunmap:
		n, ok := user(uintptr(a0), uintptr(a1))
		if !ok || n == 0 {
			return -errInval, true
		}
		next, ok := mm.unmap(uintptr(a0), n)
		if !ok {
			return -errNoMem, true
		}
		return f.later(uintptr(a0), next, n)
	case sysMprotect:
		n, ok := user(uintptr(a0), uintptr(a1))
		if !ok || !mm.protect(uintptr(a0), n, uint32(a2)) {
			return -errNoMem, true
		}
		return 0, true
	case sysMincore:
		return mm.mincore(uintptr(a0), uintptr(a1), uintptr(a2)), true
	case sysMadvise:
		const dontNeed = 4
		if a2 != dontNeed {
			return 0, true
		}
		n, ok := user(uintptr(a0), uintptr(a1))
		if !ok {
			return -errInval, true
		}
		return f.later(uintptr(a0), mm.unback(uintptr(a0), n), n)
	}
	return -errNoSys, true
}

// later ends a call on [va, va+n) that has come to next: the rest is the same call
// made again, with interrupts let in between.
func (f *frame) later(va, next, n uintptr) (result int64, done bool) {
	if next >= va+n {
		return 0, true
	}
	const syscallSize = 2 // 0F 05
	f.rdi, f.rsi = uint64(next), uint64(va+n-next)
	f.rip -= syscallSize
	return 0, false
}

// clone makes a thread (Linux, clone(2)): stack in rsi, TLS in r8. There are no
// processes to make.
func clone(t *thread, f *frame) int64 {
	const cloneVM, cloneThread = 0x100, 0x10000
	if f.rdi&(cloneVM|cloneThread) != cloneVM|cloneThread || f.rsi == 0 {
		return -errNoSys
	}
	n := newThread()
	if n == nil {
		return -errAgain
	}
	n.frame = *f
	n.frame.rax = 0
	n.frame.rsp = f.rsi
	n.frame.vector = vectorSyscall
	n.fsbase = t.fsbase
	if f.rdi&0x80000 != 0 { // CLONE_SETTLS
		n.fsbase = uintptr(f.r8)
	}
	n.mask = t.mask
	n.aff = t.aff
	n.cpu = t.cpu
	sched.lock.Lock()
	sched.ready(n)
	sched.lock.Unlock()
	return int64(n.tid)
}

// exit ends the running thread.
func (c *cpuState) exit(t *thread) {
	sched.lock.Lock()
	c.off(t, c.now())
	t.word = 0
	t.state = stateFree
	c.gone = 1
	sched.lock.Unlock()
}

// OnExit is asked what to do when the program ends well; it does not return.
var OnExit func(code int)

func exitGroup(code uint64, f *frame) {
	if OnExit != nil {
		OnExit(int(code))
	}
	if code == 0 {
		ttyString("vmkernel: the program ended\n")
		PowerOff(0)
	}
	die(fatalCause(), f)
}

func (c *cpuState) park(t *thread, va uintptr, val uint32, deadline uint64) (int64, bool) {
	if !mm.readable(va, 4) {
		return -errFault, true
	}
	if deadline != 0 {
		deadline -= c.tscOffset // the run loop's is of its own processor
	}
	sched.lock.Lock()
	// SAFETY: readable backed the word.
	if *(*uint32)(at(va)) != val || deadline != 0 && c.now() >= deadline {
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
}

func sigaction(sig uint64, new, old uintptr) int64 {
	if sig == 0 || sig >= numSigs {
		return -errInval
	}
	if old != 0 {
		if !mm.ensure(old, 32) {
			return -errFault
		}
		// SAFETY: ensure backed it.
		*(*sigAction)(at(old)) = actions[sig]
	}
	if new != 0 {
		if !mm.readable(new, 32) {
			return -errFault
		}
		// SAFETY: readable.
		actions[sig] = *(*sigAction)(at(new))
	}
	return 0
}

func sigprocmask(t *thread, how uint64, set, old uintptr) int64 {
	if old != 0 {
		if !mm.ensure(old, 8) {
			return -errFault
		}
		// SAFETY: ensure backed it.
		*(*uint64)(at(old)) = t.mask
	}
	if set != 0 {
		if !mm.readable(set, 8) {
			return -errFault
		}
		// SAFETY: readable.
		v := *(*uint64)(at(set))
		switch how {
		case 0:
			t.mask |= v
		case 1:
			t.mask &^= v
		case 2:
			t.mask = v
		default:
			return -errInval
		}
	}
	return 0
}

func sigaltstack(t *thread, new, old uintptr) int64 {
	type stack struct {
		sp          uintptr
		flags, _pad uint32
		size        uint64
	}
	if old != 0 {
		if !mm.ensure(old, 24) {
			return -errFault
		}
		// SAFETY: ensure backed it.
		*(*stack)(at(old)) = stack{sp: t.altLow, flags: t.altFlag, size: t.altSize}
	}
	if new != 0 {
		if !mm.readable(new, 24) {
			return -errFault
		}
		// SAFETY: readable.
		s := *(*stack)(at(new))
		t.altLow, t.altFlag, t.altSize = s.sp, s.flags&2, s.size
	}
	return 0
}

func getAffinity(n uint64, buf uintptr) int64 {
	if n < 8 || n > 1<<20 {
		return -errInval
	}
	if !mm.ensure(buf, 8) {
		return -errFault
	}
	// SAFETY: ensure backed it.
	*(*uint64)(at(buf)) = 1<<sched.ncpu - 1
	return 8
}

func (c *cpuState) setAffinity(t *thread, tid, n uint64, buf uintptr) (int64, bool) {
	if n < 8 || !mm.readable(buf, 8) {
		return -errInval, true
	}
	// SAFETY: readable.
	mask := *(*uint64)(at(buf)) & (1<<sched.ncpu - 1)
	if mask == 0 || tid != 0 && tid != uint64(t.tid) {
		return -errInval, true
	}
	t.aff = mask
	if mask>>c.id&1 == 0 {
		// Not here any more: queue it for another processor.
		sched.lock.Lock()
		t.frame.rax = 0
		c.gone = 1
		c.off(t, c.now())
		sched.ready(t)
		sched.lock.Unlock()
		return 0, false
	}
	return 0, true
}

func prlimit(old uintptr) int64 {
	if old != 0 {
		if !mm.ensure(old, 16) {
			return -errFault
		}
		// SAFETY: ensure backed it.
		*(*[2]uint64)(at(old)) = [2]uint64{maxFDs, maxFDs}
	}
	return 0
}

func getrandom(buf, n uintptr) int64 {
	if n > 1<<12 {
		n = 1 << 12 // interrupts are off; callers ask again for the rest
	}
	if !mm.ensure(buf, n) {
		return -errFault
	}
	// SAFETY: ensure backed it.
	fillRandom(unsafe.Slice((*byte)(at(buf)), n))
	return int64(n)
}

// uname says what we answer as: the release only has to be one that the runtime
// and its packages take for a current kernel.
func uname(buf uintptr) int64 {
	const field = 65
	if !mm.ensure(buf, 6*field) {
		return -errFault
	}
	for i, s := range [...]string{"Linux", "basalt", "6.12.0-basalt", "#1", "x86_64", ""} {
		// SAFETY: ensure backed it.
		b := unsafe.Slice((*byte)(at(buf+uintptr(i)*field)), field)
		for k := range b {
			b[k] = 0
		}
		copy(b, s)
	}
	return 0
}
