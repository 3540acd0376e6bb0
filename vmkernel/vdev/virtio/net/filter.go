package net

import "basalt/vmkernel/vswitch"

// filter is what the driver wants to receive (5.1.6.5.1 to 5.1.6.5.3).
type filter struct {
	asked    bool // some command came
	promisc  bool
	allMulti bool
	unicast  []vswitch.MAC // at most vswitch.MaxFilter+1: all
	multi    []vswitch.MAC
	vlans    *vswitch.VLANSet // nil: no filtering
}

func (f *filter) init(vlans bool) {
	*f = filter{}
	if vlans {
		f.vlans = new(vswitch.VLANSet)
	}
}

// forPort is the filter in the switch's terms. Until a command came everything is
// let in that the port allows.
func (f *filter) forPort() *vswitch.Filter {
	if !f.asked {
		if f.vlans == nil {
			return nil
		}
		return &vswitch.Filter{Promiscuous: true, AllMulticast: true, VLANs: f.vlans}
	}
	return &vswitch.Filter{Promiscuous: f.promisc, AllMulticast: f.allMulti, Unicast: f.unicast, Multicast: f.multi, VLANs: f.vlans}
}
