package imagedisk

import (
	"sync"

	"basalt/drivers/blockio"
)

const (
	workers  = 2
	inline   = 64 << 10 // bytes that Submit copies itself
	depth    = 64
	transfer = 1 << 20
)

// Disk is a disk over an Image. It implements blockio.Disk.
type Disk struct {
	name  string
	img   *Image
	ro    bool
	gate  blockio.Gate
	queue chan *blockio.Request
	stop  sync.Once
}

var _ blockio.Disk = (*Disk)(nil)

// Open makes a disk over m, whose size must pass CheckSize. Several disks may
// share an image if all are read-only, or one that writes is their only one:
// that is for the image's owner to see to. Close does not touch the image.
func Open(name string, m *Image, readOnly bool) (*Disk, error) {
	if err := CheckSize(m.Size()); err != nil {
		return nil, err
	}
	d := &Disk{name: name, img: m, ro: readOnly, queue: make(chan *blockio.Request, depth)}
	for range workers {
		go func() {
			for r := range d.queue {
				d.finish(r)
			}
		}()
	}
	return d, nil
}

// Name implements blockio.Disk.
func (d *Disk) Name() string { return d.name }

// Info implements blockio.Disk.
func (d *Disk) Info() blockio.Info {
	return blockio.Info{
		Size: d.img.Size(), LogicalBlock: BlockSize, PhysicalBlock: PageSize, ReadOnly: d.ro,
		CanFUA: true, CanDiscard: true, CanWriteZeroes: true,
		MaxTransfer: transfer, MaxSegments: 256, MaxDiscard: MaxSize, MaxWriteZeroes: MaxSize, QueueDepth: depth,
	}
}

// Submit implements blockio.Disk. It never waits.
func (d *Disk) Submit(batch []*blockio.Request) {
	if err := d.gate.Enter(len(batch)); err != nil {
		for _, r := range batch {
			r.Complete(err)
		}
		return
	}
	for _, r := range batch {
		if r.Length > inline || r.Op == blockio.Discard || r.Op == blockio.WriteZeroes {
			select {
			case d.queue <- r:
				continue
			default:
			}
		}
		d.finish(r)
	}
}

// finish does a request that the gate has counted.
func (d *Disk) finish(r *blockio.Request) {
	r.Complete(d.do(r))
	d.gate.Leave(1)
}

func (d *Disk) do(r *blockio.Request) error {
	info := d.Info()
	if err := blockio.Check(&info, r); err != nil {
		return err
	}
	switch r.Op {
	case blockio.Read:
		return d.img.read(r.Offset, r.Length, r.Bufs)
	case blockio.Write:
		return d.img.write(r.Offset, r.Length, r.Bufs)
	case blockio.Discard, blockio.WriteZeroes:
		return d.img.zero(r.Offset, r.Length)
	}
	return nil
}

// Resize changes the size in bytes while the disk is in use; see Image.Resize.
// Requests beyond a smaller size complete with blockio.ErrRange. Errors:
// blockio.ErrReadOnly, ErrSize, ErrCut.
func (d *Disk) Resize(size int64, cut bool) error {
	if d.ro {
		return blockio.ErrReadOnly
	}
	return d.img.Resize(size, cut)
}

// Remove makes the disk behave as hardware that was pulled out: later requests
// complete with blockio.ErrGone. Close is still needed.
func (d *Disk) Remove() { d.gate.Refuse(blockio.ErrGone) }

// Close implements blockio.Disk.
func (d *Disk) Close() error {
	d.gate.Refuse(blockio.ErrClosed)
	d.gate.Wait()
	d.stop.Do(func() { close(d.queue) })
	return nil
}
