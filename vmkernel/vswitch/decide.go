package vswitch

import "encoding/binary"

// decide learns the sources and finds the targets of the burst, under one lock.
// True means that some packet is to be flooded.
func (s *Sender) decide(t *table, set *settings) (flood bool) {
	sw := s.p.sw
	now := sw.now()
	c := &s.p.counters
	sw.fdb.mu.Lock()
	defer sw.fdb.mu.Unlock()
	for i := range s.n {
		o := &s.burst[i]
		src := MAC(o.frame.Head[6:12])
		if q := t.static[src]; q == nil || !q.settings.Load().vlan.member(o.vid) {
			// A port that was closed or taken down meanwhile leaves no entry behind.
			if s.p.up.Load() {
				sw.fdb.learn(src.key(o.vid), s.p, now)
			}
		} else if q != s.p && set.uplink && q.up.Load() {
			c.drop(DropLooped, 1)
			o.done = true
			continue
		}
		if o.dst.Group() {
			flood = true
			continue
		}
		to := t.static[o.dst]
		if to == nil || !to.settings.Load().vlan.member(o.vid) {
			to = sw.fdb.lookup(o.dst.key(o.vid), now)
		}
		switch {
		case to == nil:
			flood = true
			continue
		case to == s.p || !to.settings.Load().inVLAN(o.vid):
			c.drop(DropNowhere, 1)
			o.done = true
			continue
		}
		o.to = to
		if !s.isTarget(to) {
			s.ports = append(s.ports, to)
		}
	}
	return flood
}

func (s *Sender) isTarget(p *Port) bool {
	for _, q := range s.ports {
		if q == p {
			return true
		}
	}
	return false
}

// goes says whether a packet goes to a port.
func (o *outgoing) goes(q *Port, set *settings) bool {
	switch {
	case o.done:
		return false
	case o.to == q:
		return true
	case !set.inVLAN(o.vid):
		return false
	case o.to == nil && set.wantsFlood(o.dst):
		return true
	}
	return set.promiscuous()
}

// form gives the frame with or without a tag. The head is rewritten in place, so a
// frame is valid until the next call for the same packet.
func (o *outgoing) form(tagged bool) Frame {
	if tagged != o.tagged {
		if tagged {
			copy(o.room[:12], o.room[tagSize:])
			binary.BigEndian.PutUint16(o.room[12:], typeVLAN)
			binary.BigEndian.PutUint16(o.room[14:], o.pcp|o.vid)
		} else {
			copy(o.room[tagSize:], o.room[:12])
		}
		o.tagged = tagged
	}
	f := o.frame
	if tagged {
		f.Head = o.room
		f.Size += tagSize
		f.shift(tagSize)
	}
	return f
}
