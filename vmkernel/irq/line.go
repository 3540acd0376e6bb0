package irq

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"basalt/vmkernel/linux"
)

const eventfdFlags = syscall.O_NONBLOCK | syscall.O_CLOEXEC

// Line is one vector on one processor.
type Line struct {
	name   string
	file   *os.File
	vector uint8
	cpu    int
	closed atomic.Bool
	count  [8]byte
}

var lastCPU atomic.Uint32

// New takes a vector on processor cpu; -1 takes the processors in turn.
func New(name string, cpu int) (*Line, error) {
	if cpu < 0 {
		cpu = int(lastCPU.Add(1)-1) % linux.CPUs()
	}
	if cpu >= linux.CPUs() {
		return nil, fmt.Errorf("irq: %s: no processor %d", name, cpu)
	}
	fd, file, err := eventfd(name)
	if err != nil {
		return nil, err
	}
	v, ok := linux.AllocVector(int(fd))
	if !ok {
		file.Close()
		return nil, fmt.Errorf("irq: %s: all vectors are taken", name)
	}
	return &Line{name: name, file: file, vector: v, cpu: cpu}, nil
}

// Vector is the vector number.
func (l *Line) Vector() uint8 { return l.vector }

// CPU is the processor that takes the interrupt; APICID is its local APIC.
func (l *Line) CPU() int { return l.cpu }

// APICID is the local APIC ID of that processor.
func (l *Line) APICID() uint32 { return linux.APICID(l.cpu) }

// Wait blocks until the vector fired since the last Wait returned.
func (l *Line) Wait() error {
	if _, err := l.file.Read(l.count[:]); err != nil {
		return fmt.Errorf("irq: %s: %w", l.name, err)
	}
	return nil
}

// Close ends a Wait and gives the vector back. The device must have been told to
// stop.
func (l *Line) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	err := l.file.Close()
	linux.FreeVector(l.vector)
	return err
}
