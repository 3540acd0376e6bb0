package irq

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"basalt/vmkernel/linux"
)

// Bell wakes a goroutine from a virtual CPU's run loop: a doorbell of a virtual
// device. Rings while nobody waits are remembered as one.
//
// The eventfd is never read: its edges wake who polls it, each write makes one, and rung
// says whether there was a ring. That saves two system calls for each Wait.
type Bell struct {
	name   string
	file   *os.File
	raw    syscall.RawConn
	look   func(uintptr) bool // takes the ring, if there was one
	fd     int32
	rung   atomic.Uint32
	closed atomic.Bool
}

// NewBell makes a bell; name is for messages.
func NewBell(name string) (*Bell, error) {
	fd, file, err := eventfd(name)
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("irq: bell %s: %w", name, err)
	}
	b := &Bell{name: name, file: file, raw: raw, fd: int32(fd)}
	b.look = func(uintptr) bool { return b.rung.Swap(0) != 0 }
	return b, nil
}

// Ring wakes the goroutine in Wait, or lets the next Wait return at once. Nobody
// should call it after Close: the descriptor's number may have another meaning, and
// somebody else would wake for nothing.
func (b *Bell) Ring() { b.RingFast() }

// RingFast is Ring in W1: it neither blocks nor allocates and leaves a guest's vector
// registers alone.
//
//go:nosplit
func (b *Bell) RingFast() {
	if b.rung.Swap(1) == 0 {
		linux.Ring(b.fd)
	}
}

// Wait blocks until Ring was called since the last Wait returned, or gives the
// reason why it never will. For one goroutine at a time.
func (b *Bell) Wait() error {
	// Read forgets older edges before it looks, and a ring is noted before its edge:
	// none is lost.
	if err := b.raw.Read(b.look); err != nil {
		if b.closed.Load() {
			err = os.ErrClosed // as a read of the file has it
		}
		return fmt.Errorf("irq: bell %s: %w", b.name, err)
	}
	return nil
}

// Close ends a Wait. Nobody rings any more.
func (b *Bell) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return b.file.Close()
}

// eventfd opens one behind the netpoller.
func eventfd(name string) (uintptr, *os.File, error) {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, eventfdFlags, 0)
	if errno != 0 {
		return 0, nil, fmt.Errorf("irq: %s: eventfd: %w", name, errno)
	}
	return fd, os.NewFile(fd, "irq "+name), nil
}
