package nic

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"basalt/drivers/bus"
	"basalt/drivers/netio"
	"basalt/drivers/spec/pci"
)

const (
	// watchdogPeriod is how long a lost interrupt, a removal or a carrier change
	// without interrupt can go unnoticed.
	watchdogPeriod = 500 * time.Millisecond

	batchSize = 32
	minFrame  = 14
	overhead  = netio.MaxFrame - 1500 // header and one tag
)

// Link is a running network interface. It implements netio.Link.
type Link struct {
	name    string
	dev     bus.Device
	chip    Chip
	vectors []bus.Interrupt
	maxSize int

	rxMu, txMu     sync.Mutex
	rxWake, txWake chan struct{}
	done           chan struct{} // closed with the first error
	stopped        sync.WaitGroup

	up       atomic.Bool
	failMu   sync.Mutex
	failure  error
	closed   bool
	counters Counters
}

var _ netio.Link = (*Link)(nil)

// Start takes over a device's chip and its vectors (still disabled) and runs it. On
// Close the link stops the chip and closes the vectors.
func Start(name string, dev bus.Device, chip Chip, vectors []bus.Interrupt) *Link {
	l := &Link{
		name: name, dev: dev, chip: chip, vectors: vectors,
		maxSize: chip.MTU() + overhead,
		rxWake:  make(chan struct{}, 1),
		txWake:  make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	l.check()
	for i, v := range vectors {
		l.stopped.Go(func() { l.interrupts(i, v) })
	}
	l.stopped.Go(l.watchdog)
	return l
}

// Name implements netio.Link.
func (l *Link) Name() string { return l.name }

// MAC implements netio.Link.
func (l *Link) MAC() [6]byte { return l.chip.MAC() }

// MTU implements netio.Link.
func (l *Link) MTU() int { return l.chip.MTU() }

// BatchSize implements netio.Link.
func (l *Link) BatchSize() int { return batchSize }

// LinkUp implements netio.Link.
func (l *Link) LinkUp() bool { return l.up.Load() && l.err() == nil }

// Receive implements netio.Link.
func (l *Link) Receive(bufs [][]byte, sizes []int) (int, error) {
	l.rxMu.Lock()
	defer l.rxMu.Unlock()
	for {
		if err := l.err(); err != nil {
			return 0, err
		}
		if len(bufs) == 0 {
			return 0, nil
		}
		n, err := l.chip.Receive(bufs, sizes, &l.counters)
		if n > 0 {
			bytes := 0
			for _, s := range sizes[:n] {
				bytes += s
			}
			l.counters.RxFrames.Add(uint64(n))
			l.counters.RxBytes.Add(uint64(bytes))
		}
		if err != nil {
			l.fail(err)
		}
		if n > 0 {
			return n, nil
		}
		if err != nil || l.chip.ArmReceive() {
			continue
		}
		select {
		case <-l.rxWake:
		case <-l.done:
		}
	}
}

// Send implements netio.Link.
func (l *Link) Send(frames [][]byte) (int, error) {
	l.txMu.Lock()
	defer l.txMu.Unlock()
	for i := 0; ; {
		if err := l.err(); err != nil {
			return i, err
		}
		// A run of good frames goes to the chip at once.
		run := i
		for run < len(frames) && len(frames[run]) >= minFrame && len(frames[run]) <= l.maxSize {
			run++
		}
		switch {
		case i == len(frames):
			return i, nil
		case run == i:
			l.counters.TxErrors.Add(1)
			i++
			continue
		case !l.up.Load():
			l.counters.TxDropped.Add(uint64(run - i))
			i = run
			continue
		}
		n, err := l.chip.Send(frames[i:run], &l.counters)
		bytes := 0
		for _, f := range frames[i : i+n] {
			bytes += len(f)
		}
		l.counters.TxFrames.Add(uint64(n))
		l.counters.TxBytes.Add(uint64(bytes))
		i += n
		if err != nil {
			l.fail(err)
			continue
		}
		if i < run && !l.chip.ArmSend() {
			select {
			case <-l.txWake:
			case <-l.done:
			}
		}
	}
}

// Stats implements netio.Link.
func (l *Link) Stats() netio.Stats {
	c := &l.counters
	return netio.Stats{
		RxFrames: c.RxFrames.Load(), RxBytes: c.RxBytes.Load(),
		RxDropped: c.RxDropped.Load(), RxErrors: c.RxErrors.Load(),
		TxFrames: c.TxFrames.Load(), TxBytes: c.TxBytes.Load(),
		TxDropped: c.TxDropped.Load(), TxErrors: c.TxErrors.Load(),
	}
}

// Close implements netio.Link. It returns after the last goroutine has left the
// chip.
func (l *Link) Close() error {
	l.failMu.Lock()
	first := !l.closed
	l.closed = true
	if l.failure == nil {
		close(l.done)
	}
	l.failure = netio.ErrClosed
	l.failMu.Unlock()
	if !first {
		l.stopped.Wait()
		return nil
	}
	var errs []error
	for _, v := range l.vectors {
		v.Disable()
		if err := v.Close(); err != nil {
			errs = append(errs, err)
		}
	}
	l.stopped.Wait()
	l.up.Store(false)
	l.rxMu.Lock()
	defer l.rxMu.Unlock()
	l.txMu.Lock()
	defer l.txMu.Unlock()
	l.chip.Stop()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("nic: close %s: %w", l.name, err)
	}
	return nil
}

// interrupts serves vector i until it is closed or the chip fails.
func (l *Link) interrupts(i int, v bus.Interrupt) {
	v.Enable()
	for v.Wait() == nil && l.err() == nil {
		ev, err := l.chip.Interrupt(i)
		if err != nil {
			l.fail(err)
			return
		}
		if ev&EventLink != 0 {
			l.check()
		}
		if ev&EventReceive != 0 {
			wake(l.rxWake)
		}
		if ev&EventTransmit != 0 {
			wake(l.txWake)
		}
		v.Enable()
	}
}

func (l *Link) watchdog() {
	t := time.NewTicker(watchdogPeriod)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.check()
			wake(l.rxWake)
			wake(l.txWake)
		case <-l.done:
			return
		}
	}
}

// check follows the carrier, for which a sender on a full ring may wait, and finds
// out whether the device was removed. Its own registers need not tell: behind some
// bridges a window without a device reads as zeros.
func (l *Link) check() {
	if l.dev.Config().Read16(pci.VendorID) == 0xffff {
		l.fail(netio.ErrGone)
		return
	}
	up, err := l.chip.Check()
	if err != nil {
		l.fail(err)
		return
	}
	if l.up.Swap(up) != up {
		wake(l.txWake)
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (l *Link) err() error {
	l.failMu.Lock()
	defer l.failMu.Unlock()
	return l.failure
}

// fail ends the link with its first error; only Close comes after.
func (l *Link) fail(err error) {
	l.failMu.Lock()
	defer l.failMu.Unlock()
	if l.failure != nil {
		return
	}
	l.failure = fmt.Errorf("nic: %s: %w", l.name, err)
	l.up.Store(false)
	close(l.done)
}
