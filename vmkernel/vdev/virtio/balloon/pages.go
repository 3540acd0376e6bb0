package balloon

import (
	"encoding/binary"
	"math/bits"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

const (
	pagesPerFrame = gmem.FrameSize / spec.BalloonPage
	maxArray      = 1 << 20 // bytes
)

// frame has a bit for each page that is in the balloon.
type frame [pagesPerFrame / 64]uint64

func (f *frame) count() (n int) {
	for _, w := range f {
		n += bits.OnesCount64(w)
	}
	return n
}

// array takes chains with page numbers and does one thing with each page, which
// says whether it can be.
func (m *model) array(q *virtio.Queue, c *vring.Chain, buf []byte, do func(page uint64)) (wants bool) {
	for q.Next(c) {
		n := c.ReadableBytes()
		if len(c.Writable()) > 0 || n%spec.BalloonPFNSize != 0 || n > maxArray || !m.each(q, c, buf, do) {
			q.Breach("an array of %d bytes, %d writable, or pages that are not memory", n, c.WritableBytes())
			q.Push(c, 0)
			return false
		}
		q.Push(c, 0)
	}
	return true
}

// each reads the page numbers of a chain, wherever its segments are cut.
func (m *model) each(q *virtio.Queue, c *vring.Chain, buf []byte, do func(page uint64)) bool {
	have := 0 // bytes in buf
	for _, s := range c.Readable() {
		for off := uint32(0); off < s.Len; {
			n := min(uint32(len(buf)-have), s.Len-off)
			if q.Memory().Read(s.Addr+uint64(off), buf[have:have+int(n)]) != nil {
				return false
			}
			off += n
			have += int(n)
			whole := have &^ (spec.BalloonPFNSize - 1)
			m.inside.Lock()
			for b := buf[:whole]; len(b) > 0; b = b[spec.BalloonPFNSize:] {
				page := uint64(binary.LittleEndian.Uint32(b))
				if !q.Memory().Contains(page*spec.BalloonPage, spec.BalloonPage) {
					m.inside.Unlock()
					return false
				}
				do(page)
			}
			m.inside.Unlock()
			have = copy(buf, buf[whole:have])
		}
	}
	return true
}

// inflate puts a page into the balloon. m.inside is held.
func (m *model) inflate(page uint64) {
	number, bit := page/pagesPerFrame, page%pagesPerFrame
	f := m.frames[number]
	if f == nil {
		f = new(frame)
		m.frames[number] = f
	}
	if f[bit/64]>>(bit%64)&1 != 0 {
		return
	}
	f[bit/64] |= 1 << (bit % 64)
	m.pages.Add(1)
	if f[bit/64] == ^uint64(0) && m.mustTell && f.count() == pagesPerFrame {
		m.reclaim(number * gmem.FrameSize)
	}
}

// deflate takes a page out of the balloon. m.inside is held.
func (m *model) deflate(page uint64) {
	number, bit := page/pagesPerFrame, page%pagesPerFrame
	f := m.frames[number]
	if f == nil || f[bit/64]>>(bit%64)&1 == 0 {
		return
	}
	f[bit/64] &^= 1 << (bit % 64)
	m.pages.Add(^uint64(0))
	if *f == (frame{}) {
		delete(m.frames, number)
	}
}

// reclaim gives a frame back. m.inside is held.
func (m *model) reclaim(gpa uint64) {
	if m.reclaimer != nil && m.memory.Contains(gpa, gmem.FrameSize) && m.reclaimer.Reclaim(gpa) {
		m.reclaimed.Add(gmem.FrameSize)
	}
}

// reports takes chains of free memory, 5.5.6.6.
func (m *model) reports(q *virtio.Queue, c *vring.Chain) (wants bool) {
	for q.Next(c) {
		if len(c.Readable()) > 0 {
			q.Breach("a readable buffer in a report of free pages")
			q.Push(c, 0)
			return false
		}
		for _, s := range c.Writable() {
			first := (s.Addr + gmem.FrameSize - 1) &^ (gmem.FrameSize - 1)
			m.inside.Lock()
			for at := first; at+gmem.FrameSize <= s.Addr+uint64(s.Len); at += gmem.FrameSize {
				m.reclaim(at)
			}
			m.inside.Unlock()
		}
		q.Push(c, 0)
	}
	return true
}
