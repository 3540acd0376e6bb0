package faulty

import "basalt/drivers/blockio"

// perform carries out a request as a disk with a volatile write cache does.
func (d *Disk) perform(r *blockio.Request) error {
	switch r.Op {
	case blockio.Read:
		return d.read(r)
	case blockio.Flush:
		if err := d.destage(); err != nil {
			return err
		}
		return d.forward(blockio.Request{Op: blockio.Flush})
	case blockio.Discard:
		return d.through(r)
	}
	n := int(min(r.Length/int64(d.info.LogicalBlock), CacheBlocks+1))
	if r.FUA || n > CacheBlocks {
		return d.through(r)
	}
	if len(d.cache.log)+n > CacheBlocks {
		if err := d.destage(); err != nil {
			return err
		}
	}
	size := int64(d.info.LogicalBlock)
	for at := int64(0); at < r.Length; at += size {
		data := d.cache.add((r.Offset + at) / size)
		if r.Op == blockio.Write {
			gather(data, r.Bufs, at)
		} else {
			clear(data)
		}
	}
	return nil
}

// read takes the data from the disk and lays what is cached over them.
func (d *Disk) read(r *blockio.Request) error {
	if err := d.forward(blockio.Request{Op: blockio.Read, Offset: r.Offset, Length: r.Length, Bufs: r.Bufs}); err != nil {
		return err
	}
	if len(d.cache.log) == 0 {
		return nil
	}
	size := int64(d.info.LogicalBlock)
	for at := int64(0); at < r.Length; at += size {
		if data := d.cache.newest((r.Offset + at) / size); data != nil {
			scatter(r.Bufs, at, data)
		}
	}
	return nil
}

// through makes a change on the disk itself, durably if it has FUA, and forgets
// what the cache had for its range: that is older.
func (d *Disk) through(r *blockio.Request) error {
	inner := d.inner.Info()
	err := d.forward(blockio.Request{Op: r.Op, FUA: r.FUA && inner.CanFUA, Offset: r.Offset, Length: r.Length, Bufs: r.Bufs})
	if err == nil && r.FUA && !inner.CanFUA {
		err = d.forward(blockio.Request{Op: blockio.Flush})
	}
	if err == nil {
		size := int64(d.info.LogicalBlock)
		d.cache.drop(r.Offset/size, (r.Offset+r.Length)/size)
	}
	return err
}

// destage writes the cache to the disk and empties it. After an error all of it
// is still there.
func (d *Disk) destage() error {
	for _, e := range d.cache.log {
		if e.data == nil {
			continue
		}
		if err := d.store(e.block, e.data); err != nil {
			return err
		}
	}
	d.cache.reset()
	return nil
}

// store writes one block to the disk.
func (d *Disk) store(block int64, data []byte) error {
	d.one[0] = data
	return d.forward(blockio.Request{Op: blockio.Write, Offset: block * int64(len(data)), Length: int64(len(data)), Bufs: d.one[:]})
}

// forward has the wrapped disk carry out r.
func (d *Disk) forward(r blockio.Request) error {
	d.child = r
	err := d.waiter.Do(d.inner, d.batch)
	d.child.Bufs = nil
	return err
}
