package nat

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Ports of DHCP, RFC 2131 section 4.1.
const (
	dhcpServerPort = 67
	dhcpClientPort = 68
)

// dhcpServer answers one message at a time (RFC 2131 section 4.3).
type dhcpServer struct {
	c *Config
	l *leases
}

// answer gives the reply to a client's message that came in a frame from m, nil if
// there is none.
func (d *dhcpServer) answer(m guestID, payload []byte) *dhcpv4.DHCPv4 {
	msg, err := dhcpv4.FromBytes(payload)
	if err != nil || msg.OpCode != dhcpv4.OpcodeBootRequest || string(msg.ClientHWAddr) != string(m[:]) ||
		msg.GatewayIPAddr != nil && !msg.GatewayIPAddr.IsUnspecified() {
		return nil
	}
	here := toAddr(msg.ServerIdentifier())
	want := toAddr(msg.RequestedIPAddress())
	client := toAddr(msg.ClientIPAddr)
	switch msg.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		if a, ok := d.l.offer(m, want); ok {
			return d.reply(msg, dhcpv4.MessageTypeOffer, a)
		}
	case dhcpv4.MessageTypeRequest:
		if here.IsValid() && here != d.c.Gateway {
			return nil // the client took another server's offer
		}
		if !want.IsValid() || want.IsUnspecified() {
			want = client // RENEWING and REBINDING have no option 50
		}
		if d.l.bind(m, want, d.c.Lease) {
			return d.reply(msg, dhcpv4.MessageTypeAck, want)
		}
		return d.reply(msg, dhcpv4.MessageTypeNak, netip.Addr{})
	case dhcpv4.MessageTypeRelease:
		d.l.release(m, client)
	case dhcpv4.MessageTypeDecline:
		d.l.decline(m, want)
	case dhcpv4.MessageTypeInform:
		return d.reply(msg, dhcpv4.MessageTypeAck, netip.Addr{})
	}
	return nil
}

func toAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func toIP(a netip.Addr) net.IP {
	b := a.As4()
	return net.IPv4(b[0], b[1], b[2], b[3])
}

// reply makes a message to the client.
func (d *dhcpServer) reply(msg *dhcpv4.DHCPv4, t dhcpv4.MessageType, a netip.Addr) *dhcpv4.DHCPv4 {
	r, err := dhcpv4.NewReplyFromRequest(msg, dhcpv4.WithMessageType(t),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(toIP(d.c.Gateway))))
	if err != nil {
		return nil
	}
	if t == dhcpv4.MessageTypeNak {
		r.SetBroadcast()
		return r
	}
	r.ClientIPAddr = msg.ClientIPAddr
	if a.IsValid() {
		r.YourIPAddr = toIP(a)
		r.UpdateOption(dhcpv4.OptIPAddressLeaseTime(d.c.Lease))
		r.UpdateOption(dhcpv4.OptRenewTimeValue(d.c.Lease / 2))
		r.UpdateOption(dhcpv4.OptRebindingTimeValue(d.c.Lease * 7 / 8 / time.Second * time.Second))
	}
	r.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(d.c.Prefix.Bits(), 32)))
	r.UpdateOption(dhcpv4.OptRouter(toIP(d.c.Gateway)))
	r.UpdateOption(dhcpv4.OptDNS(toIP(d.c.DNS)))
	if d.c.Domain != "" {
		r.UpdateOption(dhcpv4.OptDomainName(d.c.Domain))
	}
	if d.c.MTU != 0 {
		r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(d.c.MTU >> 8), byte(d.c.MTU)}))
	}
	return r
}

// dhcpFrame wraps a reply for the client m (RFC 2131 section 4.1).
func dhcpFrame(from [6]byte, m guestID, server netip.Addr, r *dhcpv4.DHCPv4) []byte {
	payload := r.ToBytes()
	const headers = header.EthernetMinimumSize + header.IPv4MinimumSize + header.UDPMinimumSize
	dstMAC, dst := tcpip.LinkAddress(m[:]), header.IPv4Broadcast
	switch c := toAddr(r.ClientIPAddr); {
	case c.IsValid() && !c.IsUnspecified() && r.MessageType() != dhcpv4.MessageTypeNak:
		dst = tcpip.AddrFrom4(c.As4())
	case r.IsBroadcast():
		dstMAC = header.EthernetBroadcastAddress
	default:
		if a := toAddr(r.YourIPAddr); a.IsValid() && !a.IsUnspecified() {
			dst = tcpip.AddrFrom4(a.As4())
		}
	}
	f := make([]byte, headers+len(payload))
	header.Ethernet(f).Encode(&header.EthernetFields{SrcAddr: tcpip.LinkAddress(from[:]), DstAddr: dstMAC, Type: header.IPv4ProtocolNumber})
	ip := header.IPv4(f[header.EthernetMinimumSize:])
	src := tcpip.AddrFrom4(server.As4())
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(ip)), TTL: 64, Protocol: uint8(header.UDPProtocolNumber), SrcAddr: src, DstAddr: dst})
	ip.SetChecksum(^ip.CalculateChecksum())
	udp := header.UDP(ip[header.IPv4MinimumSize:])
	udp.Encode(&header.UDPFields{SrcPort: dhcpServerPort, DstPort: dhcpClientPort, Length: uint16(len(udp))})
	copy(udp.Payload(), payload)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, src, dst, uint16(len(udp)))
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum)))
	return f
}
