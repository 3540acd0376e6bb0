package sys

import "syscall"

// Errno is Linux's error number; 0 is success.
type Errno = syscall.Errno

// Object is what a descriptor names. Its abilities are the interfaces below; a
// call for which the object has no method gets the error that Linux gives for
// such a descriptor. Methods may be called concurrently, also after Release.
type Object interface {
	// Release is called once, when the last descriptor was closed.
	Release()
}

// Reader and Writer move bytes at the object's own position. 0 from Read is the
// end.
type (
	Reader interface {
		Read(p []byte) (int, Errno)
	}
	Writer interface {
		Write(p []byte) (int, Errno)
	}
	// ReaderAt and WriterAt move bytes at a position in bytes from the start.
	ReaderAt interface {
		ReadAt(p []byte, off int64) (int, Errno)
	}
	WriterAt interface {
		WriteAt(p []byte, off int64) (int, Errno)
	}
	// Seeker moves the position; whence is 0, 1, 2 (or 3, 4 for data and holes).
	Seeker interface {
		Lseek(off int64, whence int) (int64, Errno)
	}
	// Stater fills in what stat(2) says.
	Stater interface {
		Stat(st *syscall.Stat_t) Errno
	}
	// FSStater fills in what statfs(2) says.
	FSStater interface {
		Statfs(st *syscall.Statfs_t) Errno
	}
	// Truncater sets the size in bytes.
	Truncater interface {
		Truncate(size int64) Errno
	}
	// Allocator is fallocate(2).
	Allocator interface {
		Allocate(mode uint32, off, n int64) Errno
	}
	// Syncer is fsync and fdatasync.
	Syncer interface {
		Sync() Errno
	}
	// Locker is flock(2); how is LOCK_SH, LOCK_EX or LOCK_UN with LOCK_NB.
	Locker interface {
		Flock(how int) Errno
	}
	// Directory fills p with whole linux_dirent64 records; 0 is the end.
	Directory interface {
		Getdents(p []byte) (int, Errno)
	}
	// Mapper gives the address of bytes [off, off+n) and keeps them there until
	// FileSystem.Unmap.
	Mapper interface {
		Map(off int64, n int, prot, flags int) (uintptr, Errno)
	}
	// Attributes changes mode, owner and times. A negative owner stays.
	Attributes interface {
		Chmod(mode uint32) Errno
		Chown(uid, gid int) Errno
		Utimes(t [2]syscall.Timespec) Errno
	}
	// StatusFlags is F_GETFL and F_SETFL.
	StatusFlags interface {
		Flags() int
		SetFlags(flags int)
	}
)

// FileSystem answers calls that name a path. dir is the directory that the path
// is relative to, nil for the working directory. A path is at most 4095 bytes.
type FileSystem interface {
	// Owns says whether the path is this file system's; if not, the call falls
	// through to the trap.
	Owns(dir Object, path string) bool
	Open(dir Object, path string, flags int, mode uint32) (Object, Errno)
	// Lookup gives an object with Stater and Attributes, without opening it.
	Lookup(dir Object, path string, follow bool) (Object, Errno)
	Access(dir Object, path string, mode uint32) Errno
	Mkdir(dir Object, path string, mode uint32) Errno
	Unlink(dir Object, path string, isDir bool) Errno
	Rename(fromDir Object, from string, toDir Object, to string, flags int) Errno
	Link(fromDir Object, from string, toDir Object, to string, follow bool) Errno
	Symlink(target string, dir Object, path string) Errno
	Readlink(dir Object, path string) (string, Errno)
	Chdir(dir Object, path string) Errno
	// Getcwd says false when the working directory is not in this file system.
	Getcwd() (string, bool)
	// Unmap and Sync answer munmap and msync of an address that Map gave.
	Unmap(addr, n uintptr) (Errno, bool)
	SyncMap(addr, n uintptr) (Errno, bool)
}

// Socket is one end of a connection or a datagram socket. Addresses are Linux
// struct sockaddr in bytes. Operations never block on a non-blocking socket; the
// object tells its Notifier when it may be worth trying again.
type Socket interface {
	Object
	// Start gives the socket its notifier, before any other goroutine can name it.
	Start(n *Notifier)
	Bind(sa []byte) Errno
	Connect(sa []byte) Errno
	Listen(backlog int) Errno
	// Accept gives a connection that was not started yet, and its peer's address
	// copied into sa.
	Accept(sa []byte, nonblock bool) (s Socket, n int, err Errno)
	Shutdown(how int) Errno
	// Name writes the local or the peer's address and returns its whole length.
	Name(sa []byte, peer bool) (int, Errno)
	// Option and SetOption get and set socket options; Option returns the length.
	Option(level, name int, v []byte) (int, Errno)
	SetOption(level, name int, v []byte) Errno
	// Recv fills bufs in order. n may be larger than the room with MSG_TRUNC.
	Recv(bufs [][]byte, from []byte, flags int) (n, fromLen, outFlags int, err Errno)
	// Send takes the bytes of bufs as one message; to is nil when connected.
	Send(bufs [][]byte, to []byte, flags int) (int, Errno)
	// Readable is the number of bytes that Recv would give now (FIONREAD).
	Readable() int
}

// SocketFactory makes sockets. ok false hands the call to the trap.
type SocketFactory func(domain, typ, proto int) (s Socket, err Errno, ok bool)
