package sys

import "syscall"

// Flags of the *at calls, Linux 6.1 include/uapi/linux/fcntl.h.
const (
	atFDCWD           = -100
	atSymlinkNofollow = 0x100
	atRemovedir       = 0x200
	atEaccess         = 0x200
	atSymlinkFollow   = 0x400
	atEmptyPath       = 0x1000
)

// cwd is the dirfd argument of the calls that have none.
const cwd = ^uintptr(99)

// pathCalls fills in the calls that name a path.
func pathCalls(t *[maxNumber]handler) {
	t[syscall.SYS_OPENAT] = func(a args) (uintptr, Errno, bool) { return open(a[0], a[1], a[2], a[3]) }
	t[syscall.SYS_OPEN] = func(a args) (uintptr, Errno, bool) { return open(cwd, a[0], a[1], a[2]) }
	t[syscall.SYS_CREAT] = func(a args) (uintptr, Errno, bool) {
		return open(cwd, a[0], syscall.O_CREAT|syscall.O_WRONLY|syscall.O_TRUNC, a[1])
	}
	t[syscall.SYS_NEWFSTATAT] = func(a args) (uintptr, Errno, bool) { return stat(a[0], a[1], a[2], a[3]) }
	t[syscall.SYS_STAT] = func(a args) (uintptr, Errno, bool) { return stat(cwd, a[0], a[1], 0) }
	t[syscall.SYS_LSTAT] = func(a args) (uintptr, Errno, bool) { return stat(cwd, a[0], a[1], atSymlinkNofollow) }
	t[sysStatx] = onPath(0, 1, func(Object, string, args) (uintptr, Errno) { return 0, syscall.ENOSYS })
	t[syscall.SYS_STATFS] = func(a args) (uintptr, Errno, bool) {
		return at1(cwd, a[0], func(dir Object, path string) (uintptr, Errno) {
			obj, err := files.Lookup(dir, path, true)
			if err != 0 {
				return 0, err
			}
			return fstatfs(obj, a)
		})
	}
	access := func(dir Object, path string, a args) (uintptr, Errno) {
		return 0, files.Access(dir, path, uint32(a[2]))
	}
	t[syscall.SYS_FACCESSAT] = onPath(0, 1, access)
	t[sysFaccessat2] = onPath(0, 1, func(dir Object, path string, a args) (uintptr, Errno) {
		if a[3]&^(atEaccess|atSymlinkNofollow|atEmptyPath) != 0 {
			return 0, syscall.EINVAL
		}
		return access(dir, path, a)
	})
	t[syscall.SYS_ACCESS] = func(a args) (uintptr, Errno, bool) {
		return at1(cwd, a[0], func(dir Object, path string) (uintptr, Errno) {
			return 0, files.Access(dir, path, uint32(a[1]))
		})
	}
	t[syscall.SYS_MKDIRAT] = onPath(0, 1, func(dir Object, path string, a args) (uintptr, Errno) {
		return 0, files.Mkdir(dir, path, uint32(a[2]))
	})
	t[syscall.SYS_MKDIR] = func(a args) (uintptr, Errno, bool) {
		return at1(cwd, a[0], func(dir Object, path string) (uintptr, Errno) {
			return 0, files.Mkdir(dir, path, uint32(a[1]))
		})
	}
	t[syscall.SYS_UNLINKAT] = onPath(0, 1, func(dir Object, path string, a args) (uintptr, Errno) {
		return 0, files.Unlink(dir, path, a[2]&atRemovedir != 0)
	})
	t[syscall.SYS_UNLINK] = func(a args) (uintptr, Errno, bool) {
		return at1(cwd, a[0], func(dir Object, path string) (uintptr, Errno) { return 0, files.Unlink(dir, path, false) })
	}
	t[syscall.SYS_RMDIR] = func(a args) (uintptr, Errno, bool) {
		return at1(cwd, a[0], func(dir Object, path string) (uintptr, Errno) { return 0, files.Unlink(dir, path, true) })
	}
	t[syscall.SYS_RENAMEAT] = func(a args) (uintptr, Errno, bool) { return rename(a[0], a[1], a[2], a[3], 0) }
	t[sysRenameat2] = func(a args) (uintptr, Errno, bool) { return rename(a[0], a[1], a[2], a[3], a[4]) }
	t[syscall.SYS_RENAME] = func(a args) (uintptr, Errno, bool) { return rename(cwd, a[0], cwd, a[1], 0) }
	t[syscall.SYS_LINKAT] = func(a args) (uintptr, Errno, bool) {
		return at2(a[0], a[1], a[2], a[3], func(d1 Object, p1 string, d2 Object, p2 string) Errno {
			return files.Link(d1, p1, d2, p2, a[4]&atSymlinkFollow != 0)
		})
	}
	t[syscall.SYS_LINK] = func(a args) (uintptr, Errno, bool) {
		return at2(cwd, a[0], cwd, a[1], func(d1 Object, p1 string, d2 Object, p2 string) Errno {
			return files.Link(d1, p1, d2, p2, false)
		})
	}
	t[syscall.SYS_SYMLINKAT] = func(a args) (uintptr, Errno, bool) { return symlink(a[0], a[1], a[2]) }
	t[syscall.SYS_SYMLINK] = func(a args) (uintptr, Errno, bool) { return symlink(a[0], cwd, a[1]) }
	t[syscall.SYS_READLINKAT] = func(a args) (uintptr, Errno, bool) { return readlink(a[0], a[1], a[2], a[3]) }
	t[syscall.SYS_READLINK] = func(a args) (uintptr, Errno, bool) { return readlink(cwd, a[0], a[1], a[2]) }
	t[syscall.SYS_FCHMODAT] = onPath(0, 1, func(dir Object, path string, a args) (uintptr, Errno) {
		return attributes(dir, path, true, func(o Attributes) Errno { return o.Chmod(uint32(a[2])) })
	})
	t[sysFchmodat2] = onPath(0, 1, func(dir Object, path string, a args) (uintptr, Errno) {
		return attributes(dir, path, a[3]&atSymlinkNofollow == 0, func(o Attributes) Errno { return o.Chmod(uint32(a[2])) })
	})
	t[syscall.SYS_FCHOWNAT] = onPath(0, 1, func(dir Object, path string, a args) (uintptr, Errno) {
		return attributes(dir, path, a[4]&atSymlinkNofollow == 0, func(o Attributes) Errno {
			return o.Chown(int(int32(a[2])), int(int32(a[3])))
		})
	})
	t[syscall.SYS_UTIMENSAT] = utimens
	t[syscall.SYS_TRUNCATE] = func(a args) (uintptr, Errno, bool) { return truncate(a[0], a[1]) }
	t[syscall.SYS_CHDIR] = func(a args) (uintptr, Errno, bool) {
		r, err, ok := at1(cwd, a[0], func(dir Object, path string) (uintptr, Errno) { return 0, files.Chdir(dir, path) })
		left(ok)
		return r, err, ok
	}
	t[syscall.SYS_FCHDIR] = func(a args) (uintptr, Errno, bool) {
		r, err, ok := onFD(func(obj Object, _ args) (uintptr, Errno) { return 0, files.Chdir(obj, "") })(a)
		left(ok)
		return r, err, ok
	}
	t[syscall.SYS_GETCWD] = getcwd
	for _, n := range []int{syscall.SYS_GETXATTR, syscall.SYS_LGETXATTR, syscall.SYS_SETXATTR, syscall.SYS_LSETXATTR,
		syscall.SYS_LISTXATTR, syscall.SYS_LLISTXATTR, syscall.SYS_REMOVEXATTR, syscall.SYS_LREMOVEXATTR} {
		t[n] = func(a args) (uintptr, Errno, bool) {
			return at1(cwd, a[0], func(Object, string) (uintptr, Errno) { return 0, syscall.ENOTSUP })
		}
	}
	t[syscall.SYS_MKNODAT] = onPath(0, 1, func(Object, string, args) (uintptr, Errno) { return 0, syscall.EPERM })
}

// left tells a file system that is mounted beside the trap's that the working
// directory is not in it any more.
func left(ours bool) {
	if l, ok := files.(interface{ Left() }); ok && !ours {
		l.Left()
	}
}

// directory is the object of a dirfd argument; ok false if it is the trap's.
func directory(dirfd uintptr, path string) (dir Object, ok bool) {
	if int32(dirfd) == atFDCWD || len(path) > 0 && path[0] == '/' {
		return nil, true
	}
	d := fds.get(dirfd)
	if d == nil {
		return nil, false
	}
	return d.obj, true
}

// at1 decodes one path and calls f if the file system owns it.
func at1(dirfd, addr uintptr, f func(dir Object, path string) (uintptr, Errno)) (uintptr, Errno, bool) {
	if files == nil {
		return 0, 0, false
	}
	path, err := stringAt(addr)
	if err != 0 {
		return 0, err, true
	}
	dir, ok := directory(dirfd, path)
	if !ok || !files.Owns(dir, path) {
		return 0, 0, false
	}
	r, err := f(dir, path)
	return r, err, true
}

// at2 decodes two paths. If only one is ours the answer is EXDEV.
func at2(dirfd1, addr1, dirfd2, addr2 uintptr, f func(d1 Object, p1 string, d2 Object, p2 string) Errno) (uintptr, Errno, bool) {
	if files == nil {
		return 0, 0, false
	}
	p1, err := stringAt(addr1)
	if err != 0 {
		return 0, err, true
	}
	p2, err := stringAt(addr2)
	if err != 0 {
		return 0, err, true
	}
	d1, ok1 := directory(dirfd1, p1)
	ok1 = ok1 && files.Owns(d1, p1)
	d2, ok2 := directory(dirfd2, p2)
	ok2 = ok2 && files.Owns(d2, p2)
	switch {
	case ok1 && ok2:
		return 0, f(d1, p1, d2, p2), true
	case ok1 || ok2:
		return 0, syscall.EXDEV, true
	}
	return 0, 0, false
}

// onPath wraps a call with dirfd and path at fixed positions.
func onPath(dirfd, path int, f func(dir Object, path string, a args) (uintptr, Errno)) handler {
	return func(a args) (uintptr, Errno, bool) {
		return at1(a[dirfd], a[path], func(dir Object, path string) (uintptr, Errno) { return f(dir, path, a) })
	}
}

func open(dirfd, path, flags, mode uintptr) (uintptr, Errno, bool) {
	return at1(dirfd, path, func(dir Object, path string) (uintptr, Errno) {
		obj, err := files.Open(dir, path, int(flags), uint32(mode))
		if err != 0 {
			return 0, err
		}
		return addFile(obj, int(flags))
	})
}

func stat(dirfd, path, st, flags uintptr) (uintptr, Errno, bool) {
	if flags&atEmptyPath != 0 {
		if p, err := stringAt(path); err == 0 && p == "" {
			return onFD(fstat)(args{dirfd, st})
		}
	}
	return at1(dirfd, path, func(dir Object, path string) (uintptr, Errno) {
		obj, err := files.Lookup(dir, path, flags&atSymlinkNofollow == 0)
		if err != 0 {
			return 0, err
		}
		return fstat(obj, args{0, st})
	})
}

func rename(dirfd1, path1, dirfd2, path2, flags uintptr) (uintptr, Errno, bool) {
	return at2(dirfd1, path1, dirfd2, path2, func(d1 Object, p1 string, d2 Object, p2 string) Errno {
		return files.Rename(d1, p1, d2, p2, int(flags))
	})
}

func symlink(target, dirfd, path uintptr) (uintptr, Errno, bool) {
	return at1(dirfd, path, func(dir Object, path string) (uintptr, Errno) {
		to, err := stringAt(target)
		if err != 0 {
			return 0, err
		}
		return 0, files.Symlink(to, dir, path)
	})
}

func readlink(dirfd, path, buf, n uintptr) (uintptr, Errno, bool) {
	return at1(dirfd, path, func(dir Object, path string) (uintptr, Errno) {
		if int(n) <= 0 {
			return 0, syscall.EINVAL
		}
		p, err := bytesAt(buf, n)
		if err != 0 {
			return 0, err
		}
		to, err := files.Readlink(dir, path)
		if err != 0 {
			return 0, err
		}
		return uintptr(copy(p, to)), 0
	})
}

func attributes(dir Object, path string, follow bool, f func(Attributes) Errno) (uintptr, Errno) {
	obj, err := files.Lookup(dir, path, follow)
	if err != 0 {
		return 0, err
	}
	if o, ok := obj.(Attributes); ok {
		return 0, f(o)
	}
	return 0, syscall.EPERM
}

// Special nanoseconds of utimensat(2).
const (
	utimeNow  = 0x3fffffff
	utimeOmit = 0x3ffffffe
)

// Now and Omit say whether a time given to Attributes.Utimes means the present,
// or no change.
func Now(t syscall.Timespec) bool  { return t.Nsec == utimeNow }
func Omit(t syscall.Timespec) bool { return t.Nsec == utimeOmit }

func utimens(a args) (uintptr, Errno, bool) {
	times := [2]syscall.Timespec{{Nsec: utimeNow}, {Nsec: utimeNow}}
	if a[2] != 0 {
		t, err := at[[2]syscall.Timespec](a[2])
		if err != 0 {
			return 0, err, true
		}
		times = *t
	}
	if a[1] == 0 { // futimens
		return onFD(func(obj Object, _ args) (uintptr, Errno) {
			if o, ok := obj.(Attributes); ok {
				return 0, o.Utimes(times)
			}
			return 0, syscall.EPERM
		})(a)
	}
	return at1(a[0], a[1], func(dir Object, path string) (uintptr, Errno) {
		return attributes(dir, path, a[3]&atSymlinkNofollow == 0, func(o Attributes) Errno { return o.Utimes(times) })
	})
}

func truncate(path, size uintptr) (uintptr, Errno, bool) {
	return at1(cwd, path, func(dir Object, path string) (uintptr, Errno) {
		obj, err := files.Open(dir, path, syscall.O_WRONLY, 0)
		if err != 0 {
			return 0, err
		}
		defer obj.Release()
		return ftruncate(obj, args{0, size})
	})
}

func getcwd(a args) (uintptr, Errno, bool) {
	if files == nil {
		return 0, 0, false
	}
	dir, ok := files.Getcwd()
	if !ok {
		return 0, 0, false
	}
	p, err := bytesAt(a[0], a[1])
	if err != 0 {
		return 0, err, true
	}
	if len(dir)+1 > len(p) {
		return 0, syscall.ERANGE, true
	}
	p[copy(p, dir)] = 0
	return uintptr(len(dir) + 1), 0, true
}
