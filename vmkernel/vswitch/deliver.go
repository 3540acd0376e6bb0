package vswitch

// outbox collects what one port is to get, until it is full.
type outbox struct {
	frames [Burst]Frame
	n      int
	// The rest is for work that a receiver cannot do; made when first needed.
	soft   *[Burst][MaxHead + tagSize]byte
	pieces [][]byte
	seg    segmenter
}

// deliver gives a port its packets of the burst, in order.
func (s *Sender) deliver(q *Port) {
	if q == s.p {
		return
	}
	set := q.settings.Load()
	q.gate.RLock()
	defer q.gate.RUnlock()
	for i := range s.n {
		o := &s.burst[i]
		if !o.goes(q, set) {
			continue
		}
		if !q.up.Load() {
			q.counters.drop(DropPortDown, 1)
			continue
		}
		tagged := set.vlan.egressTag(o.vid)
		f := o.form(tagged)
		if set.features.takes(&f.Offload) {
			s.out.push(q, f)
			continue
		}
		s.out.finish(q, &f, tagged)
	}
	s.out.flush(q)
}

// finish does in software what the receiver cannot.
func (b *outbox) finish(q *Port, f *Frame, tagged bool) {
	if b.soft == nil {
		b.soft = new([Burst][MaxHead + tagSize]byte)
	}
	if f.GSO == GSONone {
		// The head is shared with other receivers: sum into a copy.
		h := b.soft[b.n][:len(f.Head)]
		copy(h, f.Head)
		f.Head = h
		finish(f)
		q.counters.summed.Add(1)
		b.push(q, *f)
		return
	}
	tag := 0
	if tagged {
		tag = tagSize
	}
	b.seg.begin(f, tag)
	n := uint64(0)
	for b.seg.more() {
		var seg Frame
		seg, b.pieces = b.seg.next(b.soft[b.n][:], b.pieces)
		b.push(q, seg)
		n++
	}
	q.counters.segmented.Add(n)
}

func (b *outbox) push(q *Port, f Frame) {
	b.frames[b.n] = f
	b.n++
	if b.n == len(b.frames) {
		b.flush(q)
	}
}

// flush hands over what is there.
func (b *outbox) flush(q *Port) {
	if b.n == 0 {
		return
	}
	taken := min(max(q.rx.Deliver(b.frames[:b.n]), 0), b.n)
	cp := q.capture.Load()
	bytes := 0
	for i := range taken {
		bytes += b.frames[i].Size
		if cp != nil {
			cp.add(&b.frames[i])
		}
	}
	c := &q.counters
	c.rxFrames.Add(uint64(taken))
	c.rxBytes.Add(uint64(bytes))
	c.drop(DropFull, b.n-taken)
	clear(b.frames[:b.n])
	clear(b.pieces)
	b.pieces = b.pieces[:0]
	b.n = 0
}
