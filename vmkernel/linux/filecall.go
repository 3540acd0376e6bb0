package linux

import "unsafe"

// fileCall answers the calls on descriptors.
func (c *cpuState) fileCall(nr, a0, a1, a2, a3 uint64) int64 {
	switch nr {
	case sysWrite:
		return c.write(a0, uintptr(a1), uintptr(a2))
	case sysRead:
		return c.read(a0, uintptr(a1), a2)
	}
	var ev [12]byte
	if nr == sysEpollCtl && a1 != 2 {
		if !mm.readable(uintptr(a3), 12) {
			return -errFault
		}
		// SAFETY: readable.
		ev = *(*[12]byte)(at(uintptr(a3)))
	}
	var null bool
	if nr == sysOpenat {
		null = isDevNull(uintptr(a1))
	}
	sched.lock.Lock()
	r := int64(-errInval)
	f := &sched.fds
	switch nr {
	case sysClose:
		r = f.close(a0)
	case sysEventfd2:
		if r = f.open(fdEvent, uint32(a1), 0); r >= 0 {
			f.d[r].counter = a0
		}
	case sysEpollCreate1:
		r = f.open(fdEpoll, 0, 0)
	case sysEpollCtl:
		r = f.epollCtl(&sched, a0, a1, a2, le32(ev[0:]), uint64(le32(ev[4:]))|uint64(le32(ev[8:]))<<32)
	case sysOpenat:
		r = -errNoEnt
		if null {
			r = f.open(fdNull, uint32(a2), 0)
		}
	case sysDup:
		r = f.dup(a0, 0)
	case sysFcntl:
		r = f.fcntl(a0, a1, a2)
	}
	sched.lock.Unlock()
	return r
}

func (f *fdTable) dup(n uint64, min int32) int64 {
	d := f.get(n)
	if d == nil {
		return -errBadF
	}
	if d.kind != fdTTY && d.kind != fdNull {
		return -errInval // an eventfd's counter cannot be shared here
	}
	return f.open(d.kind, d.flags, min)
}

func (f *fdTable) fcntl(n, cmd, arg uint64) int64 {
	const (
		fDupFD        = 0
		fGetFD        = 1
		fSetFD        = 2
		fGetFL        = 3
		fSetFL        = 4
		fDupFDCloexec = 1030
	)
	d := f.get(n)
	if d == nil {
		return -errBadF
	}
	switch cmd {
	case fDupFD, fDupFDCloexec:
		if arg >= maxFDs {
			return -errInval
		}
		return f.dup(n, int32(arg))
	case fGetFD:
		if d.cloexec {
			return 1
		}
		return 0
	case fSetFD:
		d.cloexec = arg&1 != 0
		return 0
	case fGetFL:
		if d.kind == fdTTY || d.kind == fdEvent {
			return int64(d.flags) | 2
		}
		return int64(d.flags)
	case fSetFL:
		d.flags = uint32(arg)
		return 0
	}
	return -errInval
}

func (c *cpuState) write(fd uint64, buf, n uintptr) int64 {
	if fd >= maxFDs {
		return -errBadF
	}
	if n > 1<<20 {
		n = 1 << 20
	}
	if !mm.readable(buf, n) {
		return -errFault
	}
	// SAFETY: readable.
	b := unsafe.Slice((*byte)(at(buf)), n)
	sched.lock.Lock()
	d := sched.fds.get(fd)
	r := int64(-errBadF)
	tty := false
	if d != nil {
		switch d.kind {
		case fdEvent:
			r = -errInval
			if n == 8 {
				r = sched.fds.add(&sched, int32(fd), uint64(le32(b))|uint64(le32(b[4:]))<<32)
			}
		case fdNull:
			r = int64(n)
		case fdTTY:
			tty = true
		}
	}
	sched.lock.Unlock()
	if tty {
		if fd == 2 {
			noteFatal(b)
		}
		Log(b)
		return int64(n)
	}
	return r
}

func (c *cpuState) read(fd uint64, buf uintptr, n uint64) int64 {
	if !mm.ensure(buf, 8) {
		return -errFault
	}
	sched.lock.Lock()
	d := sched.fds.get(fd)
	r := int64(-errBadF)
	if d != nil {
		r = 0 // console and null device: end of file
		if d.kind == fdEvent {
			switch {
			case n < 8:
				r = -errInval
			case d.counter == 0:
				r = -errAgain
			default:
				// SAFETY: ensure backed it.
				*(*uint64)(at(buf)) = d.counter
				d.counter = 0
				r = 8
			}
		}
	}
	sched.lock.Unlock()
	return r
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func isDevNull(p uintptr) bool {
	const want = "/dev/null\x00"
	if !mm.readable(p, uintptr(len(want))) {
		return false
	}
	// SAFETY: readable.
	b := unsafe.Slice((*byte)(at(p)), len(want))
	for i := range b {
		if b[i] != want[i] {
			return false
		}
	}
	return true
}
