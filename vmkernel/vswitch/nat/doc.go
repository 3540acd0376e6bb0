// Package nat is a virtual network behind one address: a gateway on a switch that
// gives guests addresses and names, and carries their TCP and UDP to the outside
// by way of the host's own connections. World W2.
//
// # Place in the data path
//
// Guest -> vswitch -> vswitch.Link (a netio.Link) -> filter -> gVisor's netstack,
// which ends the guest's TCP -> a copying goroutine -> Dial (package net over the
// host's stack) and back. Port forwards go the other way: Listen -> guest. DHCP is
// answered on frames, before the stack; DNS queries are relayed one by one.
//
// # Specifications
//
// RFC 5382 and RFC 4787 (time-outs of TCP and UDP mappings), RFC 2131 and 2132
// (DHCP server), RFC 1035 sections 4.1 and 4.2 and RFC 5625 (DNS proxy), RFC 826,
// RFC 792. TCP is gVisor's, as in package netstack.
//
// # What a guest may reach
//
// A guest reaches what the host reaches, as another machine would see it, with
// these exceptions, which are refused (a reset, or ICMP port unreachable):
//
//   - loopback, 0.0.0.0/8, link-local addresses (169.254.0.0/16, where clouds keep
//     credentials), multicast, broadcast and 240.0.0.0/4;
//   - every address of the host, so its management API too, and the gateway's own
//     address beside DNS and ping: unless Config.AllowHost, which also turns
//     connections to the gateway into connections to the host's loopback;
//   - the virtual network itself (guests reach each other through the switch), and
//     what Config.Deny lists.
//
// The check is on the literal address that is dialled, so names cannot get round
// it. Where the management network must be hidden as a whole, put it into Deny.
// The management network of other hosts is not known here.
//
// # Decisions
//
//   - An outward connection is made first and the guest's accepted after it, so a
//     guest sees "refused" where there is nobody.
//   - Frames that pretend to come from an address that is leased to another MAC are
//     dropped, ARP included. Quotas are per MAC: more addresses give no more.
//   - Only the gateway and the DNS address answer to ARP and ping. Pings to the
//     outside are dropped: an answer would be a lie.
//   - All is bounded (Limits): connections, half-open dials, UDP flows and DNS
//     queries, closed connections that wait for their guest, in all and per guest;
//     leases by the size of the prefix, and what one guest can decline of it; buffers
//     by the number of connections times 2 x (MaxBuffer + 16 KiB).
//   - A guest may be suspended and come back, here or as another machine with its
//     addresses: its connections wait 15 minutes for it, and it hears within seconds
//     what it has missed.
//   - A new client gets an address that nobody had, while there is one: a client that
//     was away finds its own again (RFC 2131 section 4.3.1). Hold reserves what a
//     client has, for port forwards; it needs no client yet.
//   - A DHCP server that hears a client hardware address other than the frame's
//     source does not answer: one machine gets one lease.
//
// # Locking
//
// Each table has its own mutex, held for look-ups only and never while packets or
// connections move. The stack calls WritePackets with its locks held; the link's
// Send must therefore not block, as vswitch.Link's does not.
//
// # Not supported
//
// IPv6 (its frames are dropped and counted; later), ICMP to the outside and ICMP
// errors from there, protocols other than TCP and UDP, FTP and SIP helpers, UPnP
// and PCP, hairpinning through a port forward, TCP urgent data, DHCP relay agents,
// offload towards the switch (the switch cuts and sums for the gateway).
package nat
