package vswitch

// Policy is a port's security, with the meaning it has in ESXi. The zero value
// rejects everything, which is the default.
type Policy struct {
	// Promiscuous lets the port's owner see all frames of its VLANs.
	Promiscuous bool
	// ForgedTransmits lets it send from other addresses than its own; they are
	// learned, and unknown unicast is flooded to it if its filter lets it through.
	ForgedTransmits bool
	// MACChanges lets it change its address and receive on further ones.
	MACChanges bool
}

// MaxFilter is the largest number of addresses in each list of a Filter.
const MaxFilter = 64

// Filter is what a port's owner wants to receive beside broadcast and what is for
// its MAC. It never gives more than Policy allows. Lists longer than MaxFilter
// count as "all of them".
type Filter struct {
	Promiscuous  bool
	AllMulticast bool
	Unicast      []MAC // further addresses of its own
	Multicast    []MAC
	VLANs        *VLANSet // a trunk's tagged VLANs that it wants; nil: all
}

// settings are all that a sender needs to know of a port; immutable once
// published.
type settings struct {
	mac      MAC // zero: a port without own address (uplink)
	vlan     VLAN
	policy   Policy
	features Features
	filter   *Filter // nil: everything that the policy allows
	uplink   bool
}

func (s *settings) promiscuous() bool {
	return s.policy.Promiscuous && (s.filter == nil || s.filter.Promiscuous)
}

// inVLAN says whether frames of vid go to the port.
func (s *settings) inVLAN(vid uint16) bool {
	if !s.vlan.member(vid) {
		return false
	}
	return s.filter == nil || s.filter.VLANs == nil || !s.vlan.egressTag(vid) || s.filter.VLANs.Has(vid)
}

// wantsFlood says whether the port gets a frame that is for everybody or for
// nobody known.
func (s *settings) wantsFlood(dst MAC) bool {
	switch {
	case s.uplink || dst == Broadcast || dst == s.mac:
		return true
	case dst.Group():
		return s.filter == nil || s.filter.AllMulticast || s.filter.Promiscuous ||
			listed(s.filter.Multicast, dst)
	case s.policy.Promiscuous || s.policy.ForgedTransmits:
		if s.filter == nil || s.filter.Promiscuous {
			return true
		}
	}
	return s.policy.MACChanges && s.filter != nil && len(s.filter.Unicast) > 0 && listed(s.filter.Unicast, dst)
}

func listed(list []MAC, m MAC) bool {
	if len(list) > MaxFilter {
		return true
	}
	for _, a := range list {
		if a == m {
			return true
		}
	}
	return false
}

// maySend says whether the port may send from this address.
func (s *settings) maySend(src MAC) bool {
	if s.uplink || s.policy.ForgedTransmits || src == s.mac {
		return true
	}
	return s.policy.MACChanges && s.filter != nil && len(s.filter.Unicast) <= MaxFilter && listed(s.filter.Unicast, src)
}
