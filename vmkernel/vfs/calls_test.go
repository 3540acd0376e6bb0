package vfs

import (
	"os"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"basalt/vmkernel/sys"
)

// These tests are about package sys, which needs objects behind it.

func TestDescriptors(t *testing.T) {
	needOverlay(t)
	before := sys.Open()
	fd, err := syscall.Open(prefix+"/tmp/fd", syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if sys.ObjectOf(fd) == nil {
		t.Error("the descriptor is not ours")
	}
	d, err := syscall.Dup(fd)
	if err != nil || d == fd {
		t.Fatal(d, err)
	}
	syscall.Write(fd, []byte("shared"))
	if off, err := syscall.Seek(d, 0, 1); off != 6 || err != nil {
		t.Error("the position is not shared:", off, err)
	}
	if err := syscall.Close(fd); err != nil {
		t.Error(err)
	}
	if err := syscall.Close(fd); err != syscall.EBADF {
		t.Error("closed twice:", err)
	}
	b := make([]byte, 6)
	if n, err := syscall.Pread(d, b, 0); n != 6 || err != nil || string(b) != "shared" {
		t.Error(n, err, b)
	}
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, d, &syscall.EpollEvent{Events: syscall.EPOLLIN}); err != syscall.EPERM {
		t.Error("epoll on a file:", err)
	}
	syscall.Close(ep)
	if err := syscall.Listen(d, 1); err != syscall.ENOTSOCK {
		t.Error("listen on a file:", err)
	}
	syscall.Close(d)
	os.Remove(prefix + "/tmp/fd")
	if n := sys.Open(); n != before {
		t.Errorf("%d descriptors left", n-before)
	}
}

func TestVectors(t *testing.T) {
	needOverlay(t)
	f, err := os.Create(prefix + "/tmp/v")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	call := func(num uintptr, addr unsafe.Pointer, n int) (int, syscall.Errno) {
		r, _, err := syscall.Syscall(num, f.Fd(), uintptr(addr), uintptr(n))
		return int(r), err
	}
	a, b := []byte("one "), []byte("two")
	iov := []syscall.Iovec{{Base: &a[0], Len: 4}, {}, {Base: &b[0], Len: 3}}
	// JUSTIFICATION: readv and writev have no wrapper in package syscall.
	// SAFETY: Syscall keeps what the pointers name alive.
	if n, err := call(syscall.SYS_WRITEV, unsafe.Pointer(&iov[0]), 3); n != 7 || err != 0 {
		t.Error(n, err)
	}
	f.Seek(0, 0)
	clear(a)
	clear(b)
	if n, err := call(syscall.SYS_READV, unsafe.Pointer(&iov[0]), 3); n != 7 || err != 0 || string(a)+string(b) != "one two" {
		t.Error(n, err, a, b)
	}
	for _, c := range []struct {
		addr unsafe.Pointer
		n    int
		want syscall.Errno
	}{{nil, 1, syscall.EFAULT}, {nil, 1025, syscall.EINVAL}, {nil, -1, syscall.EINVAL}, {nil, 0, 0}} {
		if _, err := call(syscall.SYS_READV, c.addr, c.n); err != c.want {
			t.Errorf("%d vectors: %v", c.n, err)
		}
	}
	for _, num := range []uintptr{syscall.SYS_PREADV, syscall.SYS_PWRITEV} {
		// JUSTIFICATION, SAFETY: as above.
		if _, _, err := syscall.Syscall6(num, f.Fd(), uintptr(unsafe.Pointer(&iov[0])), 3, ^uintptr(0), ^uintptr(0), 0); err != syscall.EINVAL {
			t.Errorf("call %d before the start: %v", num, err)
		}
	}
	if _, err := call(syscall.SYS_READ, nil, 10); err != syscall.EFAULT {
		t.Error("read to nil:", err)
	}
	if _, err := call(syscall.SYS_FSTAT, nil, 0); err != syscall.EFAULT {
		t.Error("stat to nil:", err)
	}
}

// TestConcurrent opens, writes and closes from many goroutines with growing
// stacks, so that arguments must survive the move.
func TestConcurrent(t *testing.T) {
	needOverlay(t)
	before := sys.Open()
	var deep func(n int, path string) error
	deep = func(n int, path string) error {
		var room [256]byte
		room[n%256] = byte(n)
		if n > 0 {
			if err := deep(n-1, path); err != nil {
				return err
			}
		}
		fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT, 0o600)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		if _, err := syscall.Pwrite(fd, room[:], int64(n)*256); err != nil {
			return err
		}
		var st syscall.Stat_t
		return syscall.Fstat(fd, &st)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			path := prefix + "/tmp/c" + string(rune('a'+i%4))
			for range 5 {
				if err := deep(40, path); err != nil {
					t.Error(err)
				}
				syscall.Unlink(path)
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		syscall.Unlink(prefix + "/tmp/c" + string(rune('a'+i)))
	}
	if n := sys.Open(); n != before {
		t.Errorf("%d descriptors left", n-before)
	}
}
