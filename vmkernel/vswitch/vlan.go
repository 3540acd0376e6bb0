package vswitch

import (
	"errors"
	"fmt"
)

// MaxVLAN is the largest VLAN identifier of a network (4095 is reserved).
const MaxVLAN = 4094

// ErrVLAN says that a VLAN setting makes no sense.
var ErrVLAN = errors.New("vswitch: bad VLAN setting")

// VLANSet is a set of VLAN identifiers. The zero value is empty.
type VLANSet [64]uint64

// Add puts id in; identifiers above MaxVLAN are ignored.
func (s *VLANSet) Add(id uint16) {
	if id <= MaxVLAN {
		s[id/64] |= 1 << (id % 64)
	}
}

// Remove takes id out.
func (s *VLANSet) Remove(id uint16) {
	if id <= MaxVLAN {
		s[id/64] &^= 1 << (id % 64)
	}
}

// Has says whether id is in.
func (s *VLANSet) Has(id uint16) bool { return id <= MaxVLAN && s[id/64]&(1<<(id%64)) != 0 }

// AllVLANs has every identifier from 0 to MaxVLAN.
func AllVLANs() *VLANSet {
	s := new(VLANSet)
	for i := range s {
		s[i] = ^uint64(0)
	}
	s[63] &^= 1 << 63
	return s
}

// VLAN says which networks a port belongs to. The zero value is an access port of
// the untagged network.
type VLAN struct {
	// ID is the network of an access port, or a trunk's native VLAN, which it sends
	// and receives without a tag. 0 is the untagged network.
	ID uint16
	// Trunk, if not nil, makes a trunk of these VLANs. The native one must be among
	// them to be used.
	Trunk *VLANSet
}

func (v VLAN) check() error {
	if v.ID > MaxVLAN {
		return fmt.Errorf("%w: %d is above %d", ErrVLAN, v.ID, MaxVLAN)
	}
	return nil
}

// member says whether frames of vid leave through the port.
func (v *VLAN) member(vid uint16) bool {
	if v.Trunk == nil {
		return vid == v.ID
	}
	return v.Trunk.Has(vid)
}

// ingress is the VLAN of a frame that arrives with this tag; ok false means that
// the port does not take it.
func (v *VLAN) ingress(tagged bool, tci uint16) (vid uint16, ok bool) {
	vid = tci & 0xfff
	if !tagged || vid == 0 { // untagged or priority-tagged: 802.1Q 6.9.1
		return v.ID, v.member(v.ID)
	}
	return vid, v.Trunk != nil && v.Trunk.Has(vid)
}

// egressTag says whether frames of vid leave with a tag.
func (v *VLAN) egressTag(vid uint16) bool { return v.Trunk != nil && vid != v.ID && vid != 0 }
