package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Ports of DHCP, RFC 2131 section 4.1.
const (
	dhcpServerPort = 67
	dhcpClientPort = 68
)

// broadcastFrame wraps a DHCP message for a host that has no address yet: from
// 0.0.0.0 to 255.255.255.255.
func broadcastFrame(mac [6]byte, payload []byte) []byte {
	const headers = header.EthernetMinimumSize + header.IPv4MinimumSize + header.UDPMinimumSize
	f := make([]byte, headers+len(payload))
	header.Ethernet(f).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(mac[:]),
		DstAddr: header.EthernetBroadcastAddress,
		Type:    header.IPv4ProtocolNumber,
	})
	ip := header.IPv4(f[header.EthernetMinimumSize:])
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(ip)),
		TTL:         64,
		Protocol:    uint8(header.UDPProtocolNumber),
		SrcAddr:     header.IPv4Any,
		DstAddr:     header.IPv4Broadcast,
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	udp := header.UDP(ip[header.IPv4MinimumSize:])
	udp.Encode(&header.UDPFields{SrcPort: dhcpClientPort, DstPort: dhcpServerPort, Length: uint16(len(udp))})
	copy(udp.Payload(), payload)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, header.IPv4Any, header.IPv4Broadcast, uint16(len(udp)))
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum)))
	return f
}

// dhcpReply gives the DHCP message inside a frame, nil if it carries none.
func dhcpReply(frame []byte) []byte {
	if len(frame) < header.EthernetMinimumSize || header.Ethernet(frame).Type() != header.IPv4ProtocolNumber {
		return nil
	}
	ip := header.IPv4(frame[header.EthernetMinimumSize:])
	if len(ip) < header.IPv4MinimumSize || !ip.IsValid(len(ip)) || ip.TransportProtocol() != header.UDPProtocolNumber ||
		ip.FragmentOffset() != 0 || ip.More() || ip.CalculateChecksum() != 0xffff {
		return nil
	}
	udp := header.UDP(ip[ip.HeaderLength():ip.TotalLength()])
	if len(udp) < header.UDPMinimumSize || udp.DestinationPort() != dhcpClientPort || udp.SourcePort() != dhcpServerPort {
		return nil
	}
	n := int(udp.Length())
	if n < header.UDPMinimumSize || n > len(udp) {
		return nil
	}
	return udp[header.UDPMinimumSize:n]
}

// reachable says whether a list has an address beyond link-local ones.
func reachable(list []netip.Prefix) bool {
	for _, p := range list {
		if a := p.Addr(); a.IsGlobalUnicast() {
			return true
		}
	}
	return false
}
