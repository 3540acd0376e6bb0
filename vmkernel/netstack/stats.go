package netstack

import "basalt/drivers/netio"

// Stats are counters since the stack was made.
type Stats struct {
	Sockets        int    // open now
	SocketsRefused uint64 // over Limits.Sockets
	Connections    uint64 // TCP connections that are established now
	SynCookies     uint64 // handshakes accepted by SYN cookie
	ListenDropped  uint64 // SYNs and ACKs dropped because an accept queue was full
	Retransmits    uint64 // TCP segments sent again
	BadPackets     uint64 // malformed or with a wrong checksum, any protocol
	Links          map[string]LinkStats
}

// LinkStats adds to the link's own counters what the stack dropped before it.
type LinkStats struct {
	netio.Stats
	QueueDropped uint64
}

// Stats reads the counters. They are not one consistent snapshot.
func (st *Stack) Stats() Stats {
	s := st.s.Stats()
	out := Stats{
		Sockets:        int(st.sockets.Load()),
		SocketsRefused: st.refused.Load(),
		Connections:    s.TCP.CurrentEstablished.Value(),
		SynCookies:     s.TCP.ListenOverflowSynCookieRcvd.Value(),
		ListenDropped:  s.TCP.ListenOverflowSynDrop.Value() + s.TCP.ListenOverflowAckDrop.Value(),
		Retransmits:    s.TCP.Retransmits.Value(),
		BadPackets: s.IP.MalformedPacketsReceived.Value() + s.TCP.InvalidSegmentsReceived.Value() + s.TCP.ChecksumErrors.Value() +
			s.UDP.MalformedPacketsReceived.Value() + s.UDP.ChecksumErrors.Value() + s.ARP.MalformedPacketsReceived.Value(),
		Links: map[string]LinkStats{},
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, l := range st.links {
		out.Links[l.link.Name()] = LinkStats{Stats: l.link.Stats(), QueueDropped: l.dropped.Load()}
	}
	return out
}
