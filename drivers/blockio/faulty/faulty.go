package faulty

import (
	"sync"

	"basalt/drivers/blockio"
)

// CacheBlocks is the size of the write cache in logical blocks. When it is full
// all of it goes to the disk; a longer write passes it by.
const CacheBlocks = 4096

// Disk is a disk with faults. It implements blockio.Disk.
type Disk struct {
	inner blockio.Disk
	gate  blockio.Gate

	mu      sync.Mutex
	info    blockio.Info
	cache   cache
	rules   []*Rule
	holding bool
	held    []*blockio.Request
	off     bool // the power is cut
	closed  bool
	closing error

	// The requests to inner, one at a time.
	waiter *blockio.Waiter
	child  blockio.Request
	batch  []*blockio.Request
	one    [1][]byte
}

var _ blockio.Disk = (*Disk)(nil)

// New wraps inner. Without rules and power cuts the result behaves as a disk with
// a volatile write cache.
func New(inner blockio.Disk) *Disk {
	d := &Disk{inner: inner, info: inner.Info(), waiter: blockio.NewWaiter()}
	d.info.WriteCache, d.info.CanFUA = true, true
	d.cache.init(d.info.LogicalBlock)
	d.batch = []*blockio.Request{&d.child}
	return d
}

// Name implements blockio.Disk.
func (d *Disk) Name() string { return d.inner.Name() }

// Info implements blockio.Disk: that of the wrapped disk, with FUA and a cache.
func (d *Disk) Info() blockio.Info { return d.info }

// Submit implements blockio.Disk.
func (d *Disk) Submit(batch []*blockio.Request) {
	refused := d.gate.Enter(len(batch))
	for _, r := range batch {
		if refused != nil {
			r.Complete(refused)
			continue
		}
		if err, done := d.start(r); done {
			r.Complete(err)
			d.gate.Leave(1)
		}
	}
}

// start executes a request, or holds it and says that it is not done.
func (d *Disk) start(r *blockio.Request) (err error, done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.refuse(r); err != nil {
		return err, true
	}
	if d.holding {
		d.held = append(d.held, r)
		return nil, false
	}
	return d.execute(r), true
}

func (d *Disk) refuse(r *blockio.Request) error {
	switch {
	case d.closed:
		return blockio.ErrClosed
	case d.off:
		return blockio.ErrGone
	}
	return blockio.Check(&d.info, r)
}

// execute carries out a request that was checked, with the faults of the rules.
func (d *Disk) execute(r *blockio.Request) error {
	rule := d.match(r)
	if rule == nil {
		return d.perform(r)
	}
	if rule.After {
		if err := d.perform(r); err != nil {
			return err
		}
	}
	return rule.Err
}

// Close implements blockio.Disk: held requests complete with blockio.ErrClosed,
// and what is in the cache reaches the wrapped disk, which is closed too. The
// error is that of writing the cache back or of the wrapped disk.
func (d *Disk) Close() error {
	d.gate.Refuse(blockio.ErrClosed)
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	held := d.takeHeld()
	d.mu.Unlock()
	d.complete(held, blockio.ErrClosed)
	d.gate.Wait()

	d.mu.Lock()
	defer d.mu.Unlock()
	if first {
		d.closing = d.destage()
		if err := d.inner.Close(); d.closing == nil {
			d.closing = err
		}
	}
	return d.closing
}

func (d *Disk) takeHeld() []*blockio.Request {
	held := d.held
	d.held = nil
	return held
}

func (d *Disk) complete(held []*blockio.Request, err error) {
	for _, r := range held {
		r.Complete(err)
		d.gate.Leave(1)
	}
}
