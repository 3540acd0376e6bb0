package ramdisk

import (
	"fmt"
	"math"
	"sync"

	"basalt/drivers/blockio"
)

// Config describes a disk. The zero value, but for Size, is a disk with 512-byte
// blocks and no budget.
type Config struct {
	Name          string // default "ram0"
	Size          int64  // bytes, a multiple of LogicalBlock
	LogicalBlock  int    // bytes, default 512, at most ChunkSize
	PhysicalBlock int    // bytes, default 4096 or LogicalBlock if that is more
	Budget        int64  // bytes of memory that it may take; 0 for no limit
}

// Disk is one disk. It implements blockio.Disk.
type Disk struct {
	name string
	gate blockio.Gate

	mu    sync.RWMutex
	info  blockio.Info
	store store
}

var _ blockio.Disk = (*Disk)(nil)

// New makes a disk of zeroes. Errors wrap blockio.ErrBadInfo.
func New(c Config) (*Disk, error) {
	if c.Name == "" {
		c.Name = "ram0"
	}
	if c.LogicalBlock == 0 {
		c.LogicalBlock = 512
	}
	if c.PhysicalBlock == 0 {
		c.PhysicalBlock = max(4096, c.LogicalBlock)
	}
	if c.Budget <= 0 {
		c.Budget = math.MaxInt64
	}
	d := &Disk{
		name:  c.Name,
		store: store{chunks: map[int64]*chunk{}, budget: c.Budget},
		info: blockio.Info{
			Size: c.Size, LogicalBlock: c.LogicalBlock, PhysicalBlock: c.PhysicalBlock,
			CanFUA: true, CanDiscard: true, CanWriteZeroes: true,
			MaxTransfer: 1 << 20, MaxSegments: 256, MaxDiscard: maxSize, MaxWriteZeroes: maxSize, QueueDepth: 64,
		},
	}
	if err := valid(&d.info); err != nil {
		return nil, err
	}
	return d, nil
}

// maxSize in bytes keeps sums of offsets far from overflow. It is a multiple of
// every block size.
const maxSize = 1 << 50

func valid(info *blockio.Info) error {
	if info.LogicalBlock > ChunkSize {
		return fmt.Errorf("%w: logical block %d is larger than a chunk", blockio.ErrBadInfo, info.LogicalBlock)
	}
	if info.Size > maxSize {
		return fmt.Errorf("%w: size %d is too large", blockio.ErrBadInfo, info.Size)
	}
	return info.Valid()
}

// Name implements blockio.Disk.
func (d *Disk) Name() string { return d.name }

// Info implements blockio.Disk.
func (d *Disk) Info() blockio.Info {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.info
}

// Submit implements blockio.Disk.
func (d *Disk) Submit(batch []*blockio.Request) {
	if err := d.gate.Enter(len(batch)); err != nil {
		for _, r := range batch {
			r.Complete(err)
		}
		return
	}
	for _, r := range batch {
		r.Complete(d.do(r))
	}
	d.gate.Leave(len(batch))
}

func (d *Disk) do(r *blockio.Request) error {
	if r.Op == blockio.Read || r.Op == blockio.Flush {
		d.mu.RLock()
		defer d.mu.RUnlock()
	} else {
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	if err := blockio.Check(&d.info, r); err != nil {
		return err
	}
	switch r.Op {
	case blockio.Read:
		d.store.read(r.Offset, r.Bufs)
	case blockio.Write:
		return d.store.write(r.Offset, r.Length, r.Bufs)
	case blockio.Discard, blockio.WriteZeroes:
		d.store.zero(r.Offset, r.Length)
	}
	return nil
}

// Resize changes the size in bytes while the disk is in use. What a smaller size
// cuts off is lost, its memory given back; what a larger one adds reads as
// zeroes. Errors wrap blockio.ErrBadInfo and change nothing.
func (d *Disk) Resize(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	info := d.info
	info.Size = size
	if err := valid(&info); err != nil {
		return err
	}
	if size < d.info.Size {
		d.store.zero(size, d.info.Size-size)
	}
	d.info = info
	return nil
}

// SetReadOnly protects the disk or ends that.
func (d *Disk) SetReadOnly(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.info.ReadOnly = on
}

// Used is the memory taken by data in bytes, a multiple of ChunkSize.
func (d *Disk) Used() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.store.used()
}

// Remove makes the disk behave as hardware that was pulled out: later requests
// complete with blockio.ErrGone.
func (d *Disk) Remove() { d.gate.Refuse(blockio.ErrGone) }

// Close implements blockio.Disk. The data stay in memory while d is referenced.
func (d *Disk) Close() error {
	d.gate.Refuse(blockio.ErrClosed)
	d.gate.Wait()
	return nil
}
