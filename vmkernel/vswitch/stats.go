package vswitch

import "sync/atomic"

// Drop is why a frame was lost.
type Drop uint8

// The causes. Those up to DropNowhere are counted at the port that the frame came
// from, the rest at the port that it was for.
const (
	DropDown     Drop = iota // the sending port is down or closed
	DropRunt                 // shorter than an Ethernet header
	DropOversize             // above the MTU
	DropPieces               // in too many pieces of memory
	DropOffload              // offload fields that make no sense
	DropVLAN                 // a VLAN or tag that the port does not take
	DropSource               // the source address is no station's
	DropForged               // not the port's own source address
	DropLooped               // from an uplink, with the address of a local port
	DropReserved             // for an address that bridges must not forward
	DropNowhere              // the only target is the sender itself, down, or not in the VLAN
	DropFull                 // the receiver had no room
	DropPortDown             // the receiving port is down
	drops
)

func (d Drop) String() string {
	names := [...]string{"down", "runt", "oversize", "pieces", "offload", "vlan", "source", "forged", "looped", "reserved", "nowhere", "full", "port-down"}
	if int(d) < len(names) {
		return names[d]
	}
	return "unknown"
}

// Drops lists the causes, for faces that print them all.
func Drops() []Drop {
	list := make([]Drop, drops)
	for i := range list {
		list[i] = Drop(i)
	}
	return list
}

// Stats count since the port was added. Tx is what the port's owner sent into the
// switch, Rx what it received; a big segment counts as one frame.
type Stats struct {
	TxFrames, TxBytes, RxFrames, RxBytes uint64
	// Segmented counts segments cut for this port, Summed checksums filled for it.
	Segmented, Summed uint64
	Drops             [drops]uint64
	Learned           int // addresses behind the port in the FDB
}

type counters struct {
	txFrames, txBytes, rxFrames, rxBytes atomic.Uint64
	segmented, summed                    atomic.Uint64
	drops                                [drops]atomic.Uint64
}

func (c *counters) drop(d Drop, n int) {
	if n > 0 {
		c.drops[d].Add(uint64(n))
	}
}

func (c *counters) stats() Stats {
	s := Stats{
		TxFrames: c.txFrames.Load(), TxBytes: c.txBytes.Load(), RxFrames: c.rxFrames.Load(), RxBytes: c.rxBytes.Load(),
		Segmented: c.segmented.Load(), Summed: c.summed.Load(),
	}
	for i := range s.Drops {
		s.Drops[i] = c.drops[i].Load()
	}
	return s
}
