package blk

import (
	"sync/atomic"

	spec "basalt/drivers/spec/virtio"
)

// Stats count requests of the guest since New. A request that the disk sees in
// several pieces is one.
type Stats struct {
	// Reads, Writes, Flushes and Discards are requests that ended well; Discards
	// counts writes of zeroes too.
	Reads, Writes, Flushes, Discards uint64
	ReadBytes, WrittenBytes          uint64 // of Reads and Writes
	Errors                           uint64 // requests that ended with another status than OK
	InFlight                         int    // taken and not ended
}

// counters are one queue's, whose goroutine is the only one that writes them: so
// processors do not pass them to and fro.
type counters struct {
	reads, writes, flushes, discards atomic.Uint64
	readBytes, writtenBytes          atomic.Uint64
	errors                           atomic.Uint64
	inFlight                         atomic.Int64
}

// noKind is a request whose header was not read yet. GET_ID counts like it: only
// when it fails.
const noKind = ^uint32(0)

// count notes the end of a request that moved n bytes of data.
func (c *counters) count(kind uint32, status uint8, n uint64) {
	c.inFlight.Add(-1)
	if status != spec.BlkSOK {
		c.errors.Add(1)
		return
	}
	switch kind {
	case spec.BlkTIn:
		c.reads.Add(1)
		c.readBytes.Add(n)
	case spec.BlkTOut:
		c.writes.Add(1)
		c.writtenBytes.Add(n)
	case spec.BlkTFlush:
		c.flushes.Add(1)
	case spec.BlkTDiscard, spec.BlkTWriteZeroes:
		c.discards.Add(1)
	}
}

// Stats gives the counters of all queues. Any goroutine.
func (d *Device) Stats() (s Stats) {
	for _, q := range d.queues {
		c := &q.counters
		s.Reads += c.reads.Load()
		s.Writes += c.writes.Load()
		s.Flushes += c.flushes.Load()
		s.Discards += c.discards.Load()
		s.ReadBytes += c.readBytes.Load()
		s.WrittenBytes += c.writtenBytes.Load()
		s.Errors += c.errors.Load()
		s.InFlight += int(c.inFlight.Load())
	}
	return s
}
