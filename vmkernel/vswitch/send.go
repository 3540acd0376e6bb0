package vswitch

import "encoding/binary"

// Burst is the number of packets that are decided and delivered together.
const Burst = 32

// Sender is one way into a port, with the room that a batch needs: one for each
// queue of a device. Send may be called by one goroutine at a time.
type Sender struct {
	p      *Port
	n      int // used of burst
	burst  [Burst]outgoing
	heads  [Burst][MaxHead + tagSize]byte // the frame without tag starts at tagSize
	pieces [][]byte
	ports  []*Port // targets of the burst
	out    outbox
}

// outgoing is one packet under way.
type outgoing struct {
	frame  Frame // head as in form
	room   []byte
	tagged bool // form of the head now
	pcp    uint16
	vid    uint16
	dst    MAC
	to     *Port // nil: flood
	done   bool  // dropped
}

// Sender makes a way into the port.
func (p *Port) Sender() *Sender { return &Sender{p: p, pieces: make([][]byte, 0, 4*Burst)} }

// Send forwards packets. It never blocks on a receiver; what cannot be forwarded
// is dropped and counted. No memory of the packets is used after it returns.
func (s *Sender) Send(batch []Packet) {
	for len(batch) > 0 {
		n := min(len(batch), Burst)
		s.forward(batch[:n])
		batch = batch[n:]
	}
}

func (s *Sender) forward(batch []Packet) {
	c := &s.p.counters
	if !s.p.up.Load() {
		c.drop(DropDown, len(batch))
		return
	}
	set := s.p.settings.Load()
	s.n = 0
	bytes := 0
	for i := range batch {
		o := &s.burst[s.n]
		if d, ok := s.gather(o, &batch[i]); !ok {
			c.drop(d, 1)
			continue
		}
		bytes += o.frame.Size
		if cp := s.p.capture.Load(); cp != nil {
			cp.add(&o.frame)
		}
		if d, ok := s.admit(o, set); !ok {
			c.drop(d, 1)
			c.txFrames.Add(1)
			continue
		}
		s.n++
	}
	c.txFrames.Add(uint64(s.n))
	c.txBytes.Add(uint64(bytes))
	t := s.p.sw.table.Load()
	if flood := s.decide(t, set); flood {
		for _, q := range t.ports {
			s.deliver(q)
		}
	} else {
		for _, q := range s.ports {
			s.deliver(q)
		}
		for _, q := range t.promisc {
			if !s.isTarget(q) {
				s.deliver(q)
			}
		}
	}
	// Keep no windows of guests or ports alive.
	clear(s.pieces)
	s.pieces = s.pieces[:0]
	clear(s.ports)
	s.ports = s.ports[:0]
}

// gather copies the head once and notes where the rest is.
func (s *Sender) gather(o *outgoing, p *Packet) (Drop, bool) {
	if len(p.Data) > MaxPieces {
		return DropPieces, false
	}
	room := &s.heads[s.n]
	n, size, at := 0, 0, len(s.pieces)
	for _, b := range p.Data {
		size += len(b)
		if size > MaxGSO+tagSize {
			s.pieces = s.pieces[:at]
			return DropOversize, false
		}
		if n < MaxHead {
			k := copy(room[tagSize+n:], b)
			n += k
			b = b[k:]
		}
		if len(b) > 0 {
			s.pieces = append(s.pieces, b)
		}
	}
	if size < EthernetHeader {
		s.pieces = s.pieces[:at]
		return DropRunt, false
	}
	*o = outgoing{room: room[:tagSize+n], frame: Frame{
		Head: room[tagSize : tagSize+n], Body: s.pieces[at:len(s.pieces):len(s.pieces)], Size: size, Offload: p.Offload,
	}}
	return 0, true
}

// admit takes the tag off and checks everything that depends on the frame and the
// sending port alone.
func (s *Sender) admit(o *outgoing, set *settings) (Drop, bool) {
	f := &o.frame
	tagged, tci := false, uint16(0)
	if binary.BigEndian.Uint16(f.Head[12:]) == typeVLAN {
		if len(f.Head) < EthernetHeader+tagSize {
			return DropRunt, false
		}
		tagged, tci = true, binary.BigEndian.Uint16(f.Head[14:])
		copy(f.Head[tagSize:], f.Head[:12])
		o.room = f.Head
		f.Head = f.Head[tagSize:]
		f.Size -= tagSize
		if f.Partial && f.CSumStart < EthernetHeader+tagSize {
			return DropOffload, false
		}
		if f.Partial {
			f.CSumStart -= tagSize
		}
	}
	vid, ok := set.vlan.ingress(tagged, tci)
	if !ok {
		return DropVLAN, false
	}
	o.vid, o.pcp = vid, tci&0xf000
	if !checkOffload(f) {
		return DropOffload, false
	}
	mtu := s.p.sw.cfg.MTU
	if f.GSO == GSONone && f.Size > EthernetHeader+mtu || f.GSO != GSONone && (int(f.HdrLen)+int(f.GSOSize) > EthernetHeader+mtu || f.Size > MaxGSO) {
		return DropOversize, false
	}
	o.dst = MAC(f.Head[:6])
	src := MAC(f.Head[6:12])
	switch {
	case !src.Station():
		return DropSource, false
	case !set.maySend(src):
		return DropForged, false
	case o.dst.reserved():
		return DropReserved, false
	case o.dst == MAC{}:
		return DropNowhere, false
	}
	return 0, true
}
