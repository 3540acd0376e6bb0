package vswitch

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"
)

// CaptureConfig describes a capture. Zero fields take the defaults.
type CaptureConfig struct {
	Snap  int // bytes kept of a frame, default 256, at most 65550
	Queue int // frames that wait for the writer, default 256, at most 4096
}

// CaptureStats count since the capture began.
type CaptureStats struct {
	Frames  uint64 // queued for the writer
	Dropped uint64 // the queue was full, or the writer failed
}

// Capture writes what a port sends and receives to a file in pcap format
// (nanoseconds, Ethernet). The port never waits for it.
type Capture struct {
	p    *Port
	snap int
	now  func() time.Time

	mu    sync.Mutex
	moved sync.Cond // head, tail or stopped changed
	slots []captured
	mem   []byte
	head  uint // next to write out
	tail  uint // next to fill
	stop  bool
	err   error
	stats CaptureStats
	done  chan struct{}
}

type captured struct {
	at   time.Time
	n    int // bytes kept
	size int // bytes of the frame
}

const (
	pcapMagicNano = 0xa1b23c4d
	pcapEthernet  = 1
	maxSnap       = MaxGSO + tagSize + 1
)

// Capture starts a capture of the port to w; a port has one at a time.
func (p *Port) Capture(w io.Writer, c CaptureConfig) (*Capture, error) {
	if c.Snap == 0 {
		c.Snap = 256
	}
	if c.Queue == 0 {
		c.Queue = 256
	}
	if c.Snap < EthernetHeader || c.Snap > maxSnap || c.Queue < 1 || c.Queue > 4096 || c.Snap*c.Queue > 64<<20 {
		return nil, fmt.Errorf("%w: capture of %d frames of %d bytes", ErrConfig, c.Queue, c.Snap)
	}
	cp := &Capture{p: p, snap: c.Snap, now: p.sw.cfg.Now, slots: make([]captured, c.Queue), mem: make([]byte, c.Queue*c.Snap), done: make(chan struct{})}
	cp.moved.L = &cp.mu
	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.closed {
		return nil, ErrClosed
	}
	if !p.capture.CompareAndSwap(nil, cp) {
		return nil, fmt.Errorf("%w: a capture of %q", ErrExists, p.name)
	}
	go cp.run(w)
	return cp, nil
}

// add queues a frame, or drops it.
func (c *Capture) add(f *Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop || c.err != nil || c.tail-c.head == uint(len(c.slots)) {
		c.stats.Dropped++
		return
	}
	i := c.tail % uint(len(c.slots))
	cur := f.Cursor()
	c.slots[i] = captured{c.now(), cur.Read(c.mem[int(i)*c.snap : int(i+1)*c.snap]), f.Size}
	c.tail++
	c.stats.Frames++
	c.moved.Signal()
}

// run writes the file. A slot is not filled again before it is written out.
func (c *Capture) run(w io.Writer) {
	defer close(c.done)
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], pcapMagicNano)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], uint32(c.snap))
	binary.LittleEndian.PutUint32(h[20:], pcapEthernet)
	_, err := w.Write(h[:])
	rec := make([]byte, 16+c.snap)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err != nil && c.err == nil {
			c.err = err
			c.stats.Dropped += uint64(c.tail - c.head)
			c.head = c.tail
		}
		for c.head == c.tail && !c.stop {
			c.moved.Wait()
		}
		if c.head == c.tail {
			return
		}
		i := int(c.head % uint(len(c.slots)))
		s := c.slots[i]
		c.mu.Unlock()
		binary.LittleEndian.PutUint32(rec[0:], uint32(s.at.Unix()))
		binary.LittleEndian.PutUint32(rec[4:], uint32(s.at.Nanosecond()))
		binary.LittleEndian.PutUint32(rec[8:], uint32(s.n))
		binary.LittleEndian.PutUint32(rec[12:], uint32(s.size))
		copy(rec[16:], c.mem[i*c.snap:][:s.n])
		_, err = w.Write(rec[:16+s.n])
		c.mu.Lock()
		c.head++
	}
}

// Stats gives the counters.
func (c *Capture) Stats() CaptureStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Stop ends the capture. Frames that were queued are still written: Wait says when.
func (c *Capture) Stop() {
	c.p.capture.CompareAndSwap(c, nil)
	c.mu.Lock()
	c.stop = true
	c.mu.Unlock()
	c.moved.Broadcast()
}

// Wait waits until everything is written after Stop, and gives the writer's error.
func (c *Capture) Wait() error {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
