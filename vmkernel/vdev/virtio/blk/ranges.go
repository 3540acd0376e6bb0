package blk

import (
	"encoding/binary"

	"basalt/drivers/blockio"
	spec "basalt/drivers/spec/virtio"
)

// beginRanges begins a discard or write zeroes: a copy of all ranges is checked
// before the first is issued. longest is what one range may have, in bytes.
func (r *request) beginRanges(feature int, longest int64, flags uint32) {
	c, d := &r.chain, r.q.d
	n := c.ReadableBytes() - spec.BlkReqSize
	switch {
	case d.readOnly:
		r.finish(spec.BlkSIOErr)
		return
	case !r.q.v.Has(feature):
		r.finish(spec.BlkSUnsupp)
		return
	case n == 0 || n%spec.BlkRangeSize != 0 || n > uint64(len(r.ranges)): // 5.2.6.1
		r.finish(spec.BlkSIOErr)
		return
	}
	r.todo = r.ranges[:n]
	if gather(r.q.v.Memory(), c.Readable(), spec.BlkReqSize, r.todo) != nil {
		r.finish(spec.BlkSIOErr)
		return
	}
	if status := r.checkRanges(longest, flags); status != spec.BlkSOK {
		r.finish(status)
		return
	}
	r.proceed()
}

// checkRanges gives the status of what must not be; flags first (5.2.6.2).
func (r *request) checkRanges(longest int64, flags uint32) uint8 {
	size, block := r.q.d.capacity.Load(), int64(r.q.d.info.LogicalBlock)
	status := uint8(spec.BlkSOK)
	for b := r.todo; len(b) > 0; b = b[spec.BlkRangeSize:] {
		if binary.LittleEndian.Uint32(b[spec.BlkRangeFlags:])&^flags != 0 {
			return spec.BlkSUnsupp
		}
		sector, n := parseRange(b)
		if sector > uint64(size/spec.BlkSector) || n > size-int64(sector)*spec.BlkSector || n > longest ||
			(int64(sector)*spec.BlkSector|n)&(block-1) != 0 {
			status = spec.BlkSIOErr
		}
	}
	return status
}

// parseRange gives the first sector and the length in bytes.
func parseRange(b []byte) (sector uint64, n int64) {
	return binary.LittleEndian.Uint64(b[spec.BlkRangeSector:]),
		int64(binary.LittleEndian.Uint32(b[spec.BlkRangeSectors:])) * spec.BlkSector
}

// nextRange issues the next range that is not empty.
func (r *request) nextRange() {
	sector, n := parseRange(r.todo)
	r.todo = r.todo[spec.BlkRangeSize:]
	switch {
	case n == 0:
		r.proceed() // at most maxRanges deep
	case r.kind == spec.BlkTDiscard:
		r.issue(blockio.Discard, int64(sector)*spec.BlkSector, n)
	default:
		r.issue(blockio.WriteZeroes, int64(sector)*spec.BlkSector, n)
	}
}
