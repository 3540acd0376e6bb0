package uart

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"basalt/drivers/bus"
	spec "basalt/drivers/spec/uart"
)

// ErrClosed is returned after Close, ErrGone when the port disappeared.
var (
	ErrClosed = errors.New("uart: closed")
	ErrGone   = errors.New("uart: port is gone")
)

const (
	ringSize       = 4096
	watchdogPeriod = 200 * time.Millisecond
	// passLimit bounds the bytes taken for one interrupt: many times the FIFO.
	passLimit = 256
)

// Config says how to set a port up.
type Config struct {
	Name     string
	Baud     int  // default 115200; must divide 115200
	Loopback bool // what is written comes back, for self-tests
}

// Stats counts bytes and errors.
type Stats struct {
	Received, Sent                    uint64
	Dropped                           uint64 // the ring was full
	Overruns, Parity, Framing, Breaks uint64
}

// Port is an open serial port. It implements io.ReadWriteCloser.
type Port struct {
	name  string
	regs  bus.Registers
	irq   bus.Interrupt
	depth int // bytes that fit the transmit FIFO when it is empty

	txMu   sync.Mutex
	txWake chan struct{}
	rxWake chan struct{}
	done   chan struct{}
	ended  sync.WaitGroup

	mu       sync.Mutex
	ring     [ringSize]byte
	head     uint
	tail     uint
	failure  error
	stats    Stats
	transmit bool // somebody waits for room: keep the transmit interrupt on
}

// Open finds out whether there is a port, and starts it.
func Open(regs bus.Registers, irq bus.Interrupt, c Config) (*Port, error) {
	if c.Baud == 0 {
		c.Baud = spec.BaudRateBase
	}
	if c.Baud < 2 || spec.BaudRateBase%c.Baud != 0 || regs.Size() < spec.Size {
		return nil, fmt.Errorf("uart: %s: cannot do %d baud in %d registers", c.Name, c.Baud, regs.Size())
	}
	p := &Port{name: c.Name, regs: regs, irq: irq, depth: 1,
		rxWake: make(chan struct{}, 1), txWake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := p.probe(); err != nil {
		return nil, fmt.Errorf("uart: %s: %w", c.Name, err)
	}
	p.setup(c)
	p.ended.Go(p.interrupts)
	p.ended.Go(p.watchdog)
	return p, nil
}

// probe looks for the scratch register and for an LSR that is not all ones.
func (p *Port) probe() error {
	if p.regs.Read8(spec.LSR) == 0xff {
		return ErrGone
	}
	p.regs.Write8(spec.IER, 0)
	for _, v := range []uint8{0x55, 0xaa} {
		p.regs.Write8(spec.SCR, v)
		if p.regs.Read8(spec.SCR) != v {
			return errors.New("there is no port")
		}
	}
	return nil
}

func (p *Port) setup(c Config) {
	divisor := spec.BaudRateBase / c.Baud
	p.regs.Write8(spec.LCR, spec.LCRDLAB|spec.LCR8N1)
	p.regs.Write8(spec.DLL, uint8(divisor))
	p.regs.Write8(spec.DLM, uint8(divisor>>8))
	p.regs.Write8(spec.LCR, spec.LCR8N1)
	p.regs.Write8(spec.FCR, spec.FCREnable|spec.FCRClearRx|spec.FCRClearTx|spec.FCRTrigger8)
	if p.regs.Read8(spec.IIR)&spec.IIRFIFO == spec.IIRFIFO {
		p.depth = spec.FIFODepth
	}
	mcr := uint8(spec.MCRDTR | spec.MCRRTS | spec.MCROut2)
	if c.Loopback {
		mcr |= spec.MCRLoop
	}
	p.regs.Write8(spec.MCR, mcr)
	p.regs.Read8(spec.RBR)
	p.regs.Read8(spec.LSR)
	p.regs.Write8(spec.IER, spec.IERReceive|spec.IERLine)
}

// Read implements io.Reader: it blocks until there is at least one byte.
func (p *Port) Read(b []byte) (n int, err error) {
	for {
		p.mu.Lock()
		for n < len(b) && p.head != p.tail {
			b[n] = p.ring[p.head%ringSize]
			p.head++
			n++
		}
		err = p.failure
		p.mu.Unlock()
		if n > 0 || len(b) == 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		select {
		case <-p.rxWake:
		case <-p.done:
		}
	}
}

// Write implements io.Writer.
func (p *Port) Write(b []byte) (n int, err error) {
	p.txMu.Lock()
	defer p.txMu.Unlock()
	for {
		if err := p.err(); err != nil {
			return n, err
		}
		if n == len(b) {
			return n, nil
		}
		lsr := p.regs.Read8(spec.LSR)
		p.errors(lsr)
		if lsr&spec.LSRTHRE == 0 {
			p.wantRoom(true)
			select {
			case <-p.txWake:
			case <-p.done:
			}
			continue
		}
		k := min(p.depth, len(b)-n)
		for _, c := range b[n : n+k] {
			p.regs.Write8(spec.THR, c)
		}
		n += k
		p.mu.Lock()
		p.stats.Sent += uint64(k)
		p.mu.Unlock()
	}
}

// Stats gives the counters.
func (p *Port) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close implements io.Closer.
func (p *Port) Close() error {
	if !p.fail(ErrClosed) {
		return nil
	}
	p.irq.Disable()
	err := p.irq.Close()
	p.ended.Wait()
	p.regs.Write8(spec.IER, 0)
	return err
}

func (p *Port) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// fail ends the port; the first reason stays, but Close can come after ErrGone. It
// says whether this call is the one that closes.
func (p *Port) fail(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		close(p.done)
	} else if p.failure == ErrClosed || err != ErrClosed {
		return false
	}
	p.failure = err
	return true
}
