package sys

import "syscall"

// Numbers that package syscall lacks, Linux 6.1 arch/x86/entry/syscalls/syscall_64.tbl.
const (
	sysGetrandom     = 318
	sysPreadv2       = 327
	sysPwritev2      = 328
	sysCopyFileRange = 326
	sysCloseRange    = 436
	sysFaccessat2    = 439
	sysFchmodat2     = 452
	sysRenameat2     = 316
	sysStatx         = 332
	sysPreadv        = 295
	sysPwritev       = 296
)

// fcntl commands that package syscall lacks.
const (
	fAddSeals = 1033
	fOFDSetlk = 37
	fOFDGetlk = 36
	fOFDWait  = 38
)

const (
	ioctlFIONBIO  = 0x5421
	ioctlFIONREAD = 0x541b
)

// fileCalls fills in the calls that name a descriptor.
func fileCalls(t *[maxNumber]handler) {
	t[syscall.SYS_READ] = onFD(read)
	t[syscall.SYS_WRITE] = onFD(write)
	t[syscall.SYS_READV] = onFD(readv)
	t[syscall.SYS_WRITEV] = onFD(writev)
	t[syscall.SYS_PREAD64] = onFD(pread)
	t[syscall.SYS_PWRITE64] = onFD(pwrite)
	t[sysPreadv] = onFD(preadv)
	t[sysPwritev] = onFD(pwritev)
	t[sysPreadv2] = onFD(preadv)
	t[sysPwritev2] = onFD(pwritev)
	t[syscall.SYS_LSEEK] = onFD(lseek)
	t[syscall.SYS_FSTAT] = onFD(fstat)
	t[syscall.SYS_FSTATFS] = onFD(fstatfs)
	t[syscall.SYS_FTRUNCATE] = onFD(ftruncate)
	t[syscall.SYS_FALLOCATE] = onFD(fallocate)
	t[syscall.SYS_FSYNC] = onFD(fsync)
	t[syscall.SYS_FDATASYNC] = onFD(fsync)
	t[syscall.SYS_FLOCK] = onFD(flock)
	t[syscall.SYS_FCNTL] = fcntl
	t[syscall.SYS_IOCTL] = onFD(ioctl)
	t[syscall.SYS_GETDENTS64] = onFD(getdents)
	t[syscall.SYS_FCHMOD] = onFD(fchmod)
	t[syscall.SYS_FCHOWN] = onFD(fchown)
	t[syscall.SYS_FADVISE64] = onFD(func(Object, args) (uintptr, Errno) { return 0, 0 })
	t[syscall.SYS_FGETXATTR] = onFD(noAttributes)
	t[syscall.SYS_FSETXATTR] = onFD(noAttributes)
	t[syscall.SYS_FLISTXATTR] = onFD(noAttributes)
	t[syscall.SYS_DUP] = onFD(func(_ Object, a args) (uintptr, Errno) { return dup(a[0]) })
	t[syscall.SYS_DUP2] = refuse(syscall.EBADF, 0, 1)
	t[syscall.SYS_DUP3] = refuse(syscall.EBADF, 0, 1)
	t[syscall.SYS_CLOSE] = func(a args) (uintptr, Errno, bool) { return 0, 0, fds.close(a[0]) }
	t[syscall.SYS_MMAP] = mmap
	t[syscall.SYS_MUNMAP] = munmap
	t[syscall.SYS_MSYNC] = msync
	// Callers fall back to read and write.
	t[syscall.SYS_SENDFILE] = refuse(syscall.EINVAL, 0, 1)
	t[syscall.SYS_SPLICE] = refuse(syscall.EINVAL, 0, 2)
	t[syscall.SYS_TEE] = refuse(syscall.EINVAL, 0, 1)
	t[sysCopyFileRange] = refuse(syscall.EXDEV, 0, 2)
}

func read(obj Object, a args) (uintptr, Errno) {
	p, err := bytesAt(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	switch o := obj.(type) {
	case Reader:
		return count(o.Read(p))
	case Socket:
		n, _, _, err := o.Recv([][]byte{p}, nil, 0)
		return count(n, err)
	case Directory:
		return 0, syscall.EISDIR
	}
	return 0, syscall.EBADF
}

func write(obj Object, a args) (uintptr, Errno) {
	p, err := bytesAt(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	switch o := obj.(type) {
	case Writer:
		return count(o.Write(p))
	case Socket:
		return count(o.Send([][]byte{p}, nil, 0))
	}
	return 0, syscall.EBADF
}

// each moves the buffers one by one until one is not moved whole.
func each(addr, n uintptr, move func(p []byte) (int, Errno)) (uintptr, Errno) {
	var room [8][]byte
	bufs, err := vectorsAt(room[:0], addr, n)
	if err != 0 {
		return 0, err
	}
	total := 0
	for _, p := range bufs {
		n, err := move(p)
		total += n
		if err != 0 && total == 0 {
			return 0, err
		}
		if err != 0 || n < len(p) {
			break
		}
	}
	return uintptr(total), 0
}

func readv(obj Object, a args) (uintptr, Errno) {
	switch o := obj.(type) {
	case Reader:
		return each(a[1], a[2], o.Read)
	case Socket:
		bufs, err := vectorsAt(nil, a[1], a[2])
		if err != 0 {
			return 0, err
		}
		n, _, _, err := o.Recv(bufs, nil, 0)
		return count(n, err)
	}
	return 0, syscall.EBADF
}

func writev(obj Object, a args) (uintptr, Errno) {
	switch o := obj.(type) {
	case Writer:
		return each(a[1], a[2], o.Write)
	case Socket:
		bufs, err := vectorsAt(nil, a[1], a[2])
		if err != 0 {
			return 0, err
		}
		return count(o.Send(bufs, nil, 0))
	}
	return 0, syscall.EBADF
}

func pread(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(ReaderAt)
	if !ok {
		return 0, notSeekable(obj)
	}
	if int64(a[3]) < 0 {
		return 0, syscall.EINVAL
	}
	p, err := bytesAt(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	return count(o.ReadAt(p, int64(a[3])))
}

func pwrite(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(WriterAt)
	if !ok {
		return 0, notSeekable(obj)
	}
	if int64(a[3]) < 0 {
		return 0, syscall.EINVAL
	}
	p, err := bytesAt(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	return count(o.WriteAt(p, int64(a[3])))
}

func preadv(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(ReaderAt)
	if !ok {
		return 0, notSeekable(obj)
	}
	off := int64(a[3])
	if off < 0 {
		return 0, syscall.EINVAL
	}
	return each(a[1], a[2], func(p []byte) (int, Errno) {
		n, err := o.ReadAt(p, off)
		off += int64(n)
		return n, err
	})
}

func pwritev(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(WriterAt)
	if !ok {
		return 0, notSeekable(obj)
	}
	off := int64(a[3])
	if off < 0 {
		return 0, syscall.EINVAL
	}
	return each(a[1], a[2], func(p []byte) (int, Errno) {
		n, err := o.WriteAt(p, off)
		off += int64(n)
		return n, err
	})
}

// notSeekable is why a positioned call fails on obj.
func notSeekable(obj Object) Errno {
	switch obj.(type) {
	case Socket:
		return syscall.ESPIPE
	case Directory:
		return syscall.EISDIR
	}
	return syscall.EBADF
}

func lseek(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(Seeker)
	if !ok {
		return 0, syscall.ESPIPE
	}
	off, err := o.Lseek(int64(a[1]), int(a[2]))
	return uintptr(off), err
}

func fstat(obj Object, a args) (uintptr, Errno) {
	st, err := at[syscall.Stat_t](a[1])
	if err != 0 {
		return 0, err
	}
	switch o := obj.(type) {
	case Stater:
		return 0, o.Stat(st)
	case Socket:
		*st = syscall.Stat_t{Mode: syscall.S_IFSOCK | 0o777, Nlink: 1, Blksize: 4096}
		return 0, 0
	}
	return 0, syscall.EBADF
}

func fstatfs(obj Object, a args) (uintptr, Errno) {
	st, err := at[syscall.Statfs_t](a[1])
	if err != 0 {
		return 0, err
	}
	if o, ok := obj.(FSStater); ok {
		return 0, o.Statfs(st)
	}
	return 0, syscall.EBADF
}

func ftruncate(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(Truncater)
	if !ok || int64(a[1]) < 0 {
		return 0, syscall.EINVAL
	}
	return 0, o.Truncate(int64(a[1]))
}

func fallocate(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(Allocator)
	if !ok {
		return 0, syscall.ENODEV
	}
	if int64(a[2]) < 0 || int64(a[3]) <= 0 {
		return 0, syscall.EINVAL
	}
	return 0, o.Allocate(uint32(a[1]), int64(a[2]), int64(a[3]))
}

func fsync(obj Object, _ args) (uintptr, Errno) {
	if o, ok := obj.(Syncer); ok {
		return 0, o.Sync()
	}
	return 0, syscall.EINVAL
}

func flock(obj Object, a args) (uintptr, Errno) {
	if o, ok := obj.(Locker); ok {
		return 0, o.Flock(int(a[1]))
	}
	return 0, syscall.EBADF
}

func getdents(obj Object, a args) (uintptr, Errno) {
	o, ok := obj.(Directory)
	if !ok {
		return 0, syscall.ENOTDIR
	}
	p, err := bytesAt(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	return count(o.Getdents(p))
}

func fchmod(obj Object, a args) (uintptr, Errno) {
	if o, ok := obj.(Attributes); ok {
		return 0, o.Chmod(uint32(a[1]))
	}
	return 0, 0
}

func fchown(obj Object, a args) (uintptr, Errno) {
	if o, ok := obj.(Attributes); ok {
		return 0, o.Chown(int(int32(a[1])), int(int32(a[2])))
	}
	return 0, 0
}

func ioctl(obj Object, a args) (uintptr, Errno) {
	switch a[1] {
	case ioctlFIONBIO:
		v, err := at[int32](a[2])
		o, ok := obj.(StatusFlags)
		if err != 0 || !ok {
			return 0, err
		}
		flags := o.Flags() &^ syscall.O_NONBLOCK
		if *v != 0 {
			flags |= syscall.O_NONBLOCK
		}
		o.SetFlags(flags)
		return 0, 0
	case ioctlFIONREAD:
		v, err := at[int32](a[2])
		s, ok := obj.(Socket)
		if err != 0 || !ok {
			return 0, syscall.ENOTTY
		}
		*v = int32(s.Readable())
		return 0, 0
	}
	return 0, syscall.ENOTTY
}

// dup gives the description of fd another number.
func dup(fd uintptr) (uintptr, Errno) {
	d := fds.get(fd)
	if d == nil {
		return 0, syscall.EBADF
	}
	if d.notifier == nil {
		return addFileDescription(d, 0)
	}
	// A number of its own for the poller, which the description notifies too.
	n, err := socketNumber()
	if err != 0 {
		return 0, err
	}
	d.notifier.add(n)
	if err := fds.set(n, d); err != 0 {
		d.notifier.remove(n)
		closeNumber(n)
		return 0, err
	}
	return uintptr(n), 0
}

// fcntl keeps the flags of the number itself in the trap, those of the
// description in the object.
func fcntl(a args) (uintptr, Errno, bool) {
	d := fds.get(a[0])
	if d == nil {
		return 0, 0, false
	}
	switch a[1] {
	case syscall.F_DUPFD, syscall.F_DUPFD_CLOEXEC:
		r, err := dup(a[0])
		return r, err, true
	case syscall.F_GETFD, syscall.F_SETFD:
		return 0, 0, false
	case syscall.F_GETFL:
		if o, ok := d.obj.(StatusFlags); ok {
			return uintptr(o.Flags()), 0, true
		}
		return 0, 0, false
	case syscall.F_SETFL:
		if o, ok := d.obj.(StatusFlags); ok {
			o.SetFlags(int(a[2]))
		}
		return 0, 0, false // the runtime asks the trap for O_NONBLOCK too
	case syscall.F_SETLK, syscall.F_SETLKW, fOFDSetlk, fOFDWait:
		return 0, 0, true // one process: record locks always succeed
	case syscall.F_GETLK, fOFDGetlk:
		l, err := at[syscall.Flock_t](a[2])
		if err == 0 {
			l.Type = syscall.F_UNLCK
		}
		return 0, err, true
	}
	return 0, syscall.EINVAL, true
}

func mmap(a args) (uintptr, Errno, bool) {
	if a[3]&syscall.MAP_ANON != 0 {
		return 0, 0, false
	}
	d := fds.get(a[4])
	if d == nil {
		return 0, 0, false
	}
	o, ok := d.obj.(Mapper)
	if !ok {
		return 0, syscall.ENODEV, true
	}
	n, off := int(a[1]), int64(a[5])
	if n <= 0 || off < 0 || off%4096 != 0 {
		return 0, syscall.EINVAL, true
	}
	addr, err := o.Map(off, n, int(a[2]), int(a[3]))
	return addr, err, true
}

func munmap(a args) (uintptr, Errno, bool) {
	if files == nil {
		return 0, 0, false
	}
	err, ok := files.Unmap(a[0], a[1])
	return 0, err, ok
}

func msync(a args) (uintptr, Errno, bool) {
	if files == nil {
		return 0, 0, false
	}
	err, ok := files.SyncMap(a[0], a[1])
	return 0, err, ok
}
