package nat

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// verdict is what to do with a frame from a guest.
type verdict uint8

const (
	toStack verdict = iota
	toDHCP
	dropKind   // not IPv4 or ARP, or malformed
	dropSource // not the sender's address
	dropICMP   // for somebody other than the gateway
	dropARP    // asks for somebody other than the gateway: silence is the answer
	verdicts
)

// filter judges a frame. payload is the DHCP message with toDHCP.
func (n *Network) filter(f []byte) (v verdict, payload []byte) {
	if len(f) < header.EthernetMinimumSize {
		return dropKind, nil
	}
	m := guestID(f[6:12])
	body := f[header.EthernetMinimumSize:]
	switch header.Ethernet(f).Type() {
	case header.ARPProtocolNumber:
		a := header.ARP(body)
		if !a.IsValid() || guestID(a.HardwareAddressSender()) != m {
			return dropKind, nil
		}
		from := addr4(a.ProtocolAddressSender())
		// An address probe (RFC 5227) has no sender's address.
		if !from.IsUnspecified() && !n.leases.admit(m, from) {
			return dropSource, nil
		}
		if !n.own(addr4(a.ProtocolAddressTarget())) {
			return dropARP, nil
		}
		return toStack, nil
	case header.IPv4ProtocolNumber:
		ip := header.IPv4(body)
		if !ip.IsValid(len(ip)) {
			return dropKind, nil
		}
		if p, ok := dhcpRequest(ip); ok {
			return toDHCP, p
		}
		if !n.leases.admit(m, addr4(ip.SourceAddressSlice())) {
			return dropSource, nil
		}
		if ip.TransportProtocol() == header.ICMPv4ProtocolNumber && !n.own(addr4(ip.DestinationAddressSlice())) {
			return dropICMP, nil
		}
		return toStack, nil
	}
	return dropKind, nil
}

// own says whether an address is the gateway's.
func (n *Network) own(a netip.Addr) bool { return a == n.c.Gateway || a == n.c.DNS }

func addr4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// dhcpRequest gives the message of a valid packet to a DHCP server.
func dhcpRequest(ip header.IPv4) ([]byte, bool) {
	if ip.TransportProtocol() != header.UDPProtocolNumber || ip.FragmentOffset() != 0 || ip.More() || ip.CalculateChecksum() != 0xffff {
		return nil, false
	}
	udp := header.UDP(ip[ip.HeaderLength():ip.TotalLength()])
	if len(udp) < header.UDPMinimumSize || udp.DestinationPort() != dhcpServerPort || udp.SourcePort() != dhcpClientPort {
		return nil, false
	}
	k := int(udp.Length())
	if k < header.UDPMinimumSize || k > len(udp) {
		return nil, false
	}
	return udp[header.UDPMinimumSize:k], true
}
