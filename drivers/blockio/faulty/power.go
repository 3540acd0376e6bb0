package faulty

import (
	"math/rand/v2"

	"basalt/drivers/blockio"
)

// PowerCut takes the power away: requests held complete with blockio.ErrGone, as
// do later ones until PowerOn. For every block of every write, in the cache or
// held, seed decides whether it reached the disk; of several writes to a block
// that did, the last counts.
func (d *Disk) PowerCut(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	d.mu.Lock()
	d.off = true
	for _, e := range d.cache.log {
		if e.data != nil && rng.IntN(2) == 1 {
			// An error means that the block did not reach the disk.
			_ = d.store(e.block, e.data)
		}
	}
	d.cache.reset()
	held := d.takeHeld()
	for _, r := range held {
		d.tear(r, rng)
	}
	d.mu.Unlock()
	d.complete(held, blockio.ErrGone)
}

// PowerOn gives the power back. The disk has what reached it.
func (d *Disk) PowerOn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = false
}

// tear carries out a part of a request that was in flight.
func (d *Disk) tear(r *blockio.Request, rng *rand.Rand) {
	size := int64(d.info.LogicalBlock)
	switch r.Op {
	case blockio.Write:
		block := make([]byte, size)
		for at := int64(0); at < r.Length; at += size {
			if rng.IntN(2) == 1 {
				gather(block, r.Bufs, at)
				_ = d.store((r.Offset+at)/size, block)
			}
		}
	case blockio.Discard, blockio.WriteZeroes:
		if rng.IntN(2) == 1 {
			_ = d.forward(blockio.Request{Op: r.Op, Offset: r.Offset, Length: r.Length})
		}
	}
}
