// Package nulldisk is a disk that reads as zeroes and forgets what is written.
//
// World W2. Place in the data path: it ends it, in benchmarks of what stands
// above, where the cost of a medium would hide the rest.
//
// Contract beyond blockio.Disk: requests are checked as any disk does, complete
// within Submit and, but for clearing the buffers of reads, cost nothing.
//
// Locking: none but that of blockio.Gate.
package nulldisk

import "basalt/drivers/blockio"

// Disk implements blockio.Disk.
type Disk struct {
	name string
	info blockio.Info
	gate blockio.Gate
}

var _ blockio.Disk = (*Disk)(nil)

// New makes a disk of size bytes, a multiple of block, which is the logical block
// in bytes. Errors wrap blockio.ErrBadInfo.
func New(name string, size int64, block int) (*Disk, error) {
	const longest = 1 << 50 // a multiple of every block size that is used
	d := &Disk{name: name, info: blockio.Info{
		Size: size, LogicalBlock: block, PhysicalBlock: block,
		CanFUA: true, CanDiscard: true, CanWriteZeroes: true,
		MaxTransfer: 1 << 20, MaxSegments: 256, MaxDiscard: longest, MaxWriteZeroes: longest, QueueDepth: 64,
	}}
	if err := d.info.Valid(); err != nil {
		return nil, err
	}
	return d, nil
}

// Name implements blockio.Disk.
func (d *Disk) Name() string { return d.name }

// Info implements blockio.Disk.
func (d *Disk) Info() blockio.Info { return d.info }

// Submit implements blockio.Disk.
func (d *Disk) Submit(batch []*blockio.Request) {
	refused := d.gate.Enter(len(batch))
	for _, r := range batch {
		err := refused
		if err == nil {
			err = blockio.Check(&d.info, r)
		}
		if err == nil && r.Op == blockio.Read {
			for _, b := range r.Bufs {
				clear(b)
			}
		}
		r.Complete(err)
	}
	if refused == nil {
		d.gate.Leave(len(batch))
	}
}

// Close implements blockio.Disk.
func (d *Disk) Close() error {
	d.gate.Refuse(blockio.ErrClosed)
	d.gate.Wait()
	return nil
}
