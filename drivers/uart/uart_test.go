package uart

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"basalt/drivers/bus/bustest"
	spec "basalt/drivers/spec/uart"
)

// chip is a 16550A whose line runs at one byte for each step of a goroutine.
type chip struct {
	mu      sync.Mutex
	irq     *bustest.Interrupt
	r       [8]uint8
	div     [2]uint8
	rx, tx  []byte
	out     []byte
	lsr     uint8 // sticky error bits
	thrSeen bool  // the transmit interrupt was read in IIR
	stuck   bool  // claims data for ever
	gone    bool
	old     bool // 16450: no FIFO
	lost    int  // bytes that overflowed the transmit FIFO
}

func newChip() *chip { return &chip{irq: bustest.NewInterrupt(false)} }

func (c *chip) fifo() int {
	if c.old {
		return 1
	}
	return spec.FIFODepth
}

func (c *chip) line() uint8 {
	v := c.lsr
	if len(c.rx) > 0 || c.stuck {
		v |= spec.LSRReady
	}
	if len(c.tx) == 0 {
		v |= spec.LSRTHRE | spec.LSRIdle
	}
	return v
}

func (c *chip) pending() (iir uint8) {
	ier, lsr := c.r[spec.IER], c.line()
	switch {
	case ier&spec.IERLine != 0 && lsr&0x1e != 0:
		return 6
	case ier&spec.IERReceive != 0 && lsr&spec.LSRReady != 0:
		return 4
	case ier&spec.IERTransmit != 0 && lsr&spec.LSRTHRE != 0 && !c.thrSeen:
		return 2
	}
	return spec.IIRNone
}

func (c *chip) edge() {
	if c.pending() != spec.IIRNone && c.r[spec.MCR]&spec.MCROut2 != 0 {
		c.irq.Raise()
	}
}

func (c *chip) Load(off uintptr, _ int) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0xff
	}
	v := c.r[off]
	switch {
	case off < 2 && c.r[spec.LCR]&spec.LCRDLAB != 0:
		v = c.div[off]
	case off == spec.RBR:
		v = 0
		if len(c.rx) > 0 {
			v, c.rx = c.rx[0], c.rx[1:]
		}
	case off == spec.IIR:
		v = c.pending()
		if v == 2 {
			c.thrSeen = true
		}
		if !c.old {
			v |= spec.IIRFIFO
		}
	case off == spec.LSR:
		v = c.line()
		c.lsr = 0
	}
	return uint64(v)
}

func (c *chip) Store(off uintptr, _ int, v uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case off < 2 && c.r[spec.LCR]&spec.LCRDLAB != 0:
		c.div[off] = uint8(v)
	case off == spec.THR:
		if len(c.tx) >= c.fifo() {
			c.lost++
			return
		}
		c.tx, c.thrSeen = append(c.tx, uint8(v)), false
	case off == spec.FCR:
		c.rx, c.tx = nil, nil
	default:
		c.r[off] = uint8(v)
		c.edge()
	}
}

// run is the line: what was sent leaves at 115200 baud.
func (c *chip) run(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(86 * time.Microsecond):
		}
		c.mu.Lock()
		if len(c.tx) > 0 {
			b := c.tx[0]
			c.tx = c.tx[1:]
			if c.r[spec.MCR]&spec.MCRLoop != 0 {
				c.rx = append(c.rx, b)
			} else {
				c.out = append(c.out, b)
			}
			c.edge()
		}
		c.mu.Unlock()
	}
}

// receive is bytes coming in.
func (c *chip) receive(b []byte, errs uint8) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rx = append(c.rx, b...)
	c.lsr |= errs
	c.edge()
}

func run(t *testing.T, c *chip, conf Config, f func(t *testing.T, p *Port)) {
	synctest.Test(t, func(t *testing.T) {
		c.irq = bustest.NewInterrupt(false)
		stop := make(chan struct{})
		go c.run(stop)
		defer close(stop)
		p, err := Open(bustest.Registers(c, spec.Size), c.irq, conf)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		f(t, p)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.lost > 0 {
			t.Errorf("%d bytes were written to a full FIFO", c.lost)
		}
	})
}

func TestBothWays(t *testing.T) {
	for _, old := range []bool{false, true} {
		c := newChip()
		c.old = old
		run(t, c, Config{Baud: 9600}, func(t *testing.T, p *Port) {
			if c.div != [2]uint8{12, 0} || c.r[spec.LCR] != spec.LCR8N1 {
				t.Errorf("divisor %v, format %#x", c.div, c.r[spec.LCR])
			}
			text := bytes.Repeat([]byte("the quick brown fox "), 50)
			if n, err := p.Write(text); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
			time.Sleep(time.Second)
			c.mu.Lock()
			if !bytes.Equal(c.out, text) {
				t.Errorf("sent %d bytes of %d, or others", len(c.out), len(text))
			}
			c.mu.Unlock()
			go c.receive(text, 0)
			got := make([]byte, len(text))
			if _, err := io.ReadFull(p, got); err != nil || !bytes.Equal(got, text) {
				t.Errorf("received: %v", err)
			}
			if s := p.Stats(); s.Sent != 1000 || s.Received != 1000 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	run(t, newChip(), Config{Loopback: true}, func(t *testing.T, p *Port) {
		go p.Write([]byte("self-test"))
		got := make([]byte, 9)
		if _, err := io.ReadFull(p, got); err != nil || string(got) != "self-test" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestLostEdges(t *testing.T) {
	c := newChip()
	run(t, c, Config{}, func(t *testing.T, p *Port) {
		c.irq.Lose(1 << 30)
		go c.receive([]byte("x"), spec.LSROverrun|spec.LSRBreak)
		if n, err := p.Read(make([]byte, 4)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := p.Write(make([]byte, 100)); n != 100 || err != nil {
			t.Fatal(n, err)
		}
		if s := p.Stats(); s.Overruns != 1 || s.Breaks != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFloodAndStuck(t *testing.T) {
	c := newChip()
	run(t, c, Config{}, func(t *testing.T, p *Port) {
		c.receive(make([]byte, 3*ringSize), 0)
		time.Sleep(2 * time.Second)
		if s := p.Stats(); s.Received != ringSize || s.Dropped != 2*ringSize {
			t.Errorf("%+v", s)
		}
		c.mu.Lock()
		c.stuck = true
		c.edge()
		c.mu.Unlock()
		time.Sleep(2 * time.Second) // returns: the goroutine is not held
		if n, err := p.Write([]byte("still here")); n != 10 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestGoneAndClosed(t *testing.T) {
	c := newChip()
	run(t, c, Config{}, func(t *testing.T, p *Port) {
		read := make(chan error)
		go func() { _, err := p.Read(make([]byte, 1)); read <- err }()
		synctest.Wait()
		c.mu.Lock()
		c.gone = true
		c.mu.Unlock()
		if err := <-read; !errors.Is(err, ErrGone) {
			t.Errorf("Read: %v", err)
		}
		if _, err := p.Write([]byte("x")); !errors.Is(err, ErrGone) {
			t.Errorf("Write: %v", err)
		}
	})
	run(t, newChip(), Config{}, func(t *testing.T, p *Port) {
		read := make(chan error)
		go func() { _, err := p.Read(make([]byte, 1)); read <- err }()
		synctest.Wait()
		p.Close()
		if err := <-read; !errors.Is(err, ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		size int
		fill byte
		conf Config
	}{{"absent", 8, 0xff, Config{}}, {"odd speed", 8, 0, Config{Baud: 7}}, {"too small", 4, 0, Config{}}} {
		r := bustest.RAM(c.size)
		for i := range r.Bytes() {
			r.Bytes()[i] = c.fill
		}
		if _, err := Open(r, bustest.NewInterrupt(false), c.conf); err == nil {
			t.Errorf("%s: opened", c.name)
		}
	}
}
