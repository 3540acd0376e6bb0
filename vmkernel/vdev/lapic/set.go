package lapic

import (
	"sync/atomic"

	"basalt/vmkernel/vbus"
)

// Set is the interrupt message bus of one virtual machine: all its local APICs.
// The list is constant.
type Set struct {
	apics []*APIC
	eoi   vbus.EOISink  // constant after ConnectEOI
	turn  atomic.Uint32 // start of the search for the lowest priority
	shift uint8         // an APIC's ID is its index shifted by so much; constant
	// renamed says that an APIC's ID may be another one.
	renamed atomic.Bool
}

var _ vbus.MSISink = (*Set)(nil)

// NewSet makes one APIC for each config; APIC ID n belongs to configs[n] at first.
func NewSet(configs ...Config) *Set { return NewSpread(0, configs...) }

// NewSpread is NewSet with IDs that are 1<<shift apart: n<<shift is that of configs[n].
// IDs have at most 20 bits, as logical IDs have (11.12.10.2).
func NewSpread(shift uint8, configs ...Config) *Set {
	s := &Set{apics: make([]*APIC, len(configs)), shift: shift & 31}
	store := make([]APIC, len(configs))
	for i := range configs {
		s.apics[i] = &store[i]
		s.apics[i].init(s, uint32(i)<<s.shift, configs[i])
	}
	return s
}

// ConnectEOI says who hears EOI broadcasts. Before the machine runs.
func (s *Set) ConnectEOI(e vbus.EOISink) { s.eoi = e }

// Len is the number of APICs.
func (s *Set) Len() int { return len(s.apics) }

// APIC gives the APIC that starts with that ID, or nil.
func (s *Set) APIC(id uint32) *APIC {
	if n := id >> s.shift; uint64(n) < uint64(len(s.apics)) && n<<s.shift == id {
		return s.apics[n]
	}
	return nil
}

// At gives the APIC of configs[i], which there has to be.
func (s *Set) At(i int) *APIC { return s.apics[i] }

func (s *Set) broadcastEOI(vector uint8) {
	if s.eoi != nil {
		s.eoi.EOI(vector)
	}
}

// Message is an interrupt message. Dest is in the 32-bit form: a source with
// 8-bit destinations turns 0xFF into Broadcast.
type Message struct {
	Dest    uint32
	Logical bool
	Mode    Mode
	Vector  uint8
	Level   bool
}

// matches says whether m addresses a (11.6.2, 11.12.10).
func (a *APIC) matches(m *Message) bool {
	if m.Dest == Broadcast {
		return true
	}
	if !m.Logical {
		return m.Dest == a.address()
	}
	ldr := a.ldr.Load()
	if a.x2APIC() {
		return ldr>>16 == m.Dest>>16 && ldr&m.Dest&0xFFFF != 0
	}
	l, d := ldr>>24, m.Dest
	if d > 0xFF {
		return false
	}
	switch a.dfr.Load() >> 28 {
	case 0xF: // flat
		return l&d != 0
	case 0: // cluster
		return l&d&0xF != 0 && (l>>4 == d>>4 || d>>4 == 0xF)
	}
	return false
}

// firstWide is the lowest ID that no destination of 8 bits reaches (11.12.8.1).
const firstWide = 0xFF

// address is the APIC's ID in its mode. Several can have the same in xAPIC mode. There
// an APIC with a wide ID has none: the 8 bits that its register shows are another's, so
// only broadcasts and logical destinations find it.
func (a *APIC) address() uint32 {
	switch {
	case a.x2APIC():
		return a.id
	case a.id >= firstWide:
		return Broadcast
	}
	return a.xid.Load()
}

// Deliver sends m to every APIC that it addresses, or to the one with the
// lowest priority. It says whether any accepted. Any thread.
func (s *Set) Deliver(m Message) bool { return s.send(&m, nil, false) }

// send delivers; from, if not nil, is the sender, which needs no kick and, with
// others, gets nothing.
func (s *Set) send(m *Message, from *APIC, others bool) bool {
	if m.Mode == LowestPriority {
		var not *APIC
		if others {
			not = from
		}
		a := s.lowest(m, not)
		return a != nil && s.sendTo(a, m, from)
	}
	if !m.Logical && m.Dest != Broadcast && !s.renamed.Load() {
		a := s.APIC(m.Dest)
		return a != nil && (m.Dest < firstWide || a.x2APIC()) && s.sendTo(a, m, from)
	}
	any := false
	for _, a := range s.apics {
		if (others && a == from) || !a.matches(m) {
			continue
		}
		if s.sendTo(a, m, from) {
			any = true
		}
	}
	return any
}

func (s *Set) sendTo(a *APIC, m *Message, from *APIC) bool {
	ok, fresh := a.deliver(m.Mode, m.Vector, m.Level)
	if fresh && a != from {
		a.kicker.Kick()
	}
	return ok
}

// lowest is the enabled APIC with the lowest processor priority among the
// addressed ones other than not; equal ones take turns (11.6.2.4).
func (s *Set) lowest(m *Message, not *APIC) *APIC {
	n := uint32(len(s.apics))
	if n == 0 {
		return nil
	}
	start := s.turn.Add(1)
	var best *APIC
	for i := range n {
		a := s.apics[(start+i)%n]
		if a != not && a.enabled() && a.matches(m) && (best == nil || a.ppr.Load()>>4 < best.ppr.Load()>>4) {
			best = a
		}
	}
	return best
}

// MSI address and data (11.11). Bits 11:5 of the address are the upper bits of
// a 15-bit destination (KVM_FEATURE_MSI_EXT_DEST_ID).
const (
	msiBase      = 0xFEE0_0000
	msiLogical   = 1 << 2
	msiDataLevel = 1 << 15
)

// Signal delivers an MSI. Any thread.
func (s *Set) Signal(addr uint64, data uint32) bool {
	if addr&^0xFFFFF != msiBase {
		return false
	}
	m := Message{
		Dest:    uint32(addr>>12&0xFF | addr>>5&0x7F<<8),
		Logical: addr&msiLogical != 0,
		Mode:    Mode(data >> 8 & 7),
		Vector:  uint8(data),
		Level:   data&msiDataLevel != 0,
	}
	if m.Dest == 0xFF {
		m.Dest = Broadcast
	}
	if m.Mode == StartUp {
		return false // reserved in a message
	}
	return s.send(&m, nil, false)
}
