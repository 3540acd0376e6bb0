package host

import (
	"context"
	"io"
	"sync"
)

// Sizes of a console, in bytes, and the bound on readers.
const (
	ConsoleLogSize    = 256 << 10
	ConsoleInputSize  = 4 << 10
	MaxConsoleReaders = 32
	SerialLogSize     = 16 << 10 // of the serial ports after the first, and of console ports
	NumSerial         = 4        // serial ports of a machine
)

// Console is what stands behind a virtual machine's serial console, another of its
// serial ports or a console port: a ring of what the guest wrote,
// any number up to MaxConsoleReaders of readers with a cursor each, and a bounded
// queue of input. A slow reader loses the oldest bytes, is told how many, and
// never slows the guest. The device calls Write, Receive and OnInput; management
// calls the rest. Write does not allocate or block.
type Console struct {
	mu      sync.Mutex
	ring    []byte // len is a power of two
	written uint64 // bytes ever written: the offset of the next one
	readers []*ConsoleReader
	closed  bool

	in      []byte // queued input, at most ConsoleInputSize
	inFree  chan struct{}
	onInput func()
}

// NewConsole returns an empty console with a ring of ConsoleLogSize bytes.
func NewConsole() *Console { return newConsole(ConsoleLogSize) }

// NewSerial is NewConsole for a serial port after the first or a console port, with a
// ring of SerialLogSize bytes.
func NewSerial() *Console { return newConsole(SerialLogSize) }

func newConsole(size int) *Console {
	return &Console{
		ring:   make([]byte, size),
		in:     make([]byte, 0, ConsoleInputSize),
		inFree: make(chan struct{}, 1),
	}
}

// Write appends what the guest sent. It always takes everything.
func (c *Console) Write(p []byte) (int, error) {
	n := len(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, ErrClosed
	}
	if skip := len(p) - len(c.ring); skip > 0 {
		c.written += uint64(skip)
		p = p[skip:]
	}
	at := int(c.written) & (len(c.ring) - 1)
	k := copy(c.ring[at:], p)
	copy(c.ring, p[k:])
	c.written += uint64(len(p))
	for _, r := range c.readers {
		r.wake()
	}
	return n, nil
}

// Log returns the newest bytes that the guest wrote, at most ConsoleLogSize.
func (c *Console) Log() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := c.oldest()
	out := make([]byte, c.written-start)
	c.copyFrom(out, start)
	return out
}

// Written is the number of bytes that the guest ever wrote.
func (c *Console) Written() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

func (c *Console) oldest() uint64 {
	if c.written > uint64(len(c.ring)) {
		return c.written - uint64(len(c.ring))
	}
	return 0
}

func (c *Console) copyFrom(p []byte, off uint64) int {
	n := min(uint64(len(p)), c.written-off)
	at := int(off) & (len(c.ring) - 1)
	k := copy(p[:n], c.ring[at:])
	copy(p[k:n], c.ring)
	return int(n)
}

// Close ends every reader with io.EOF and refuses further input and output.
func (c *Console) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, r := range c.readers {
		r.wake()
	}
	select {
	case c.inFree <- struct{}{}:
	default:
	}
}

// Attach adds a reader that begins backlog bytes before the end of what was
// written (0: only what comes from now on; a large number: the whole log).
// Errors: ErrTooMany, ErrClosed.
func (c *Console) Attach(backlog int) (*ConsoleReader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if len(c.readers) >= MaxConsoleReaders {
		return nil, ErrTooMany
	}
	start := c.oldest()
	if have := c.written - start; backlog >= 0 && uint64(backlog) < have {
		start = c.written - uint64(backlog)
	}
	r := &ConsoleReader{c: c, off: start, more: make(chan struct{}, 1)}
	c.readers = append(c.readers, r)
	return r, nil
}

// Readers is how many readers are attached.
func (c *Console) Readers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.readers)
}

// ConsoleReader is one reader's cursor. Its methods are for one goroutine.
type ConsoleReader struct {
	c    *Console
	off  uint64
	lost uint64
	gone bool
	more chan struct{}
}

func (r *ConsoleReader) wake() {
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// Read waits for at least one byte and copies what is there. It returns io.EOF
// when the console or the reader was closed and everything was read.
func (r *ConsoleReader) Read(ctx context.Context, p []byte) (int, error) {
	for {
		if n, err := r.tryRead(p); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-r.more:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (r *ConsoleReader) tryRead(p []byte) (int, error) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.gone {
		return 0, io.EOF
	}
	if old := c.oldest(); r.off < old {
		r.lost += old - r.off
		r.off = old
	}
	n := c.copyFrom(p, r.off)
	r.off += uint64(n)
	if n == 0 && c.closed {
		return 0, io.EOF
	}
	return n, nil
}

// Lost returns the number of bytes that this reader missed since the last call.
func (r *ConsoleReader) Lost() uint64 {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	n := r.lost
	r.lost = 0
	return n
}

// Close detaches the reader; a Read that waits returns io.EOF.
func (r *ConsoleReader) Close() {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	r.gone = true
	for i, o := range c.readers {
		if o == r {
			c.readers = append(c.readers[:i], c.readers[i+1:]...)
			break
		}
	}
	r.wake()
}
