package blk

import (
	"basalt/drivers/blockio"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/vring"
)

// transfer begins a read or write of n bytes of segs after skip.
func (r *request) transfer(op blockio.Op, segs []vring.Segment, skip uint64, sector uint64, n int64) {
	d := r.q.d
	size := d.capacity.Load()
	block := int64(d.info.LogicalBlock)
	if n%spec.BlkSector != 0 || sector > uint64(size/spec.BlkSector) || n > size-int64(sector)*spec.BlkSector ||
		(int64(sector)*spec.BlkSector|n)&(block-1) != 0 { // 5.2.6.1
		r.finish(spec.BlkSIOErr)
		return
	}
	r.io.Op = op
	r.segs, r.seg, r.off = segs, 0, 0
	r.disk, r.left = int64(sector)*spec.BlkSector, n
	r.moved = uint64(n)
	r.advance(skip)
	if n == 0 {
		r.flush = false // there is nothing to make durable
	}
	r.proceed()
}

// advance moves the place in segs on by n bytes.
func (r *request) advance(n uint64) {
	for r.off += n; r.seg < len(r.segs) && r.off >= uint64(r.segs[r.seg].Len); r.seg++ {
		r.off -= uint64(r.segs[r.seg].Len)
	}
}

// round pins as much as the disk takes at once and issues it.
func (r *request) round() {
	info := &r.q.d.info
	limit := min(r.left, info.MaxTransfer)
	total, seg, off := int64(0), r.seg, r.off
	r.bufs = r.bufs[:0]
	for total < limit && len(r.bufs) < info.MaxSegments {
		s := r.segs[seg]
		at := s.Addr + off
		n := min(uint64(s.Len)-off, uint64(limit-total), gmem.FrameSize-at%gmem.FrameSize)
		if !r.pin(at, n) {
			r.unpin()
			r.finish(spec.BlkSIOErr)
			return
		}
		total += int64(n)
		if off += n; off == uint64(s.Len) {
			seg, off = seg+1, 0
		}
	}
	// Only with more segments than the disk takes a round can end inside a block.
	total = r.trim(total, total%int64(info.LogicalBlock))
	if total == 0 {
		r.unpin()
		r.finish(spec.BlkSIOErr)
		return
	}
	offset := r.disk
	r.advance(uint64(total))
	r.disk += total
	r.left -= total
	r.issue(r.io.Op, offset, total)
}

// trim takes the last over bytes off the buffers.
func (r *request) trim(total, over int64) int64 {
	for total -= over; over > 0; {
		last := len(r.bufs) - 1
		if n := int64(len(r.bufs[last])); n <= over {
			r.bufs = r.bufs[:last]
			over -= n
		} else {
			r.bufs[last] = r.bufs[last][:n-over]
			over = 0
		}
	}
	return total
}

// pin adds a buffer, which lies in one frame.
func (r *request) pin(at, n uint64) bool {
	if r.pinned == len(r.windows) {
		r.windows = append(r.windows, gmem.Window{})
	}
	w := &r.windows[r.pinned]
	if r.q.v.Memory().PinInto(w, at, n) != nil {
		return false
	}
	r.pinned++
	r.bufs = append(r.bufs, w.Bytes())
	return true
}

func (r *request) unpin() {
	for i := range r.windows[:r.pinned] {
		r.windows[i].Unpin()
	}
	r.pinned = 0
}

// gather copies len(p) bytes of segs after skip; the caller knows that they are
// there.
func gather(m *gmem.Memory, segs []vring.Segment, skip uint64, p []byte) error {
	for _, s := range segs {
		if len(p) == 0 {
			break
		}
		if skip >= uint64(s.Len) {
			skip -= uint64(s.Len)
			continue
		}
		n := min(uint64(len(p)), uint64(s.Len)-skip)
		if err := m.Read(s.Addr+skip, p[:n]); err != nil {
			return err
		}
		p, skip = p[n:], 0
	}
	return nil
}

// scatter copies p to the start of segs, which have room.
func scatter(m *gmem.Memory, segs []vring.Segment, p []byte) error {
	for _, s := range segs {
		n := min(len(p), int(s.Len))
		if err := m.Write(s.Addr, p[:n]); err != nil {
			return err
		}
		if p = p[n:]; len(p) == 0 {
			break
		}
	}
	return nil
}
