package dhcp

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// maxNameservers bounds what is taken from a server.
const maxNameservers = 3

// newMessage makes a message of the client, without addresses.
func (m *Machine) newMessage(now time.Time, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	msg := &dhcpv4.DHCPv4{
		OpCode:         dhcpv4.OpcodeBootRequest,
		HWType:         iana.HWTypeEthernet,
		TransactionID:  m.xid,
		NumSeconds:     uint16(min(now.Sub(m.begun)/time.Second, 0xffff)),
		ClientIPAddr:   net.IPv4zero,
		YourIPAddr:     net.IPv4zero,
		ServerIPAddr:   net.IPv4zero,
		GatewayIPAddr:  net.IPv4zero,
		ClientHWAddr:   m.cfg.MAC[:],
		Options:        dhcpv4.Options{},
		ServerHostName: "",
	}
	msg.SetBroadcast()
	msg.UpdateOption(dhcpv4.OptMessageType(t))
	msg.UpdateOption(dhcpv4.OptClientIdentifier(append([]byte{1}, m.cfg.MAC[:]...)))
	if t == dhcpv4.MessageTypeRelease {
		return msg
	}
	msg.UpdateOption(dhcpv4.OptMaxMessageSize(1500))
	msg.UpdateOption(dhcpv4.OptParameterRequestList(
		dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionDomainName,
		dhcpv4.OptionIPAddressLeaseTime, dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue))
	if h := m.cfg.Hostname; h != "" && len(h) <= 255 {
		msg.UpdateOption(dhcpv4.OptHostName(h))
	}
	return msg
}

// message handles what a server sent.
func (m *Machine) message(now time.Time, msg *dhcpv4.DHCPv4) []Action {
	if msg.OpCode != dhcpv4.OpcodeBootReply || msg.TransactionID != m.xid || string(msg.ClientHWAddr) != string(m.cfg.MAC[:]) {
		return nil
	}
	// Transaction ids are broadcast: everybody can answer an exchange that is over.
	asked := m.state >= Requesting && m.state != Bound
	switch t := msg.MessageType(); {
	case t == dhcpv4.MessageTypeOffer && m.state == Selecting:
		if _, ok := parseLease(now, msg); !ok {
			return nil
		}
		m.state, m.offer, m.tries = Requesting, msg, 0
		return m.sendRequest(now)
	case t == dhcpv4.MessageTypeAck && asked:
		return m.bind(now, msg)
	case t == dhcpv4.MessageTypeNak && asked:
		if m.state == Requesting && !msg.ServerIdentifier().Equal(m.offer.ServerIdentifier()) {
			return nil
		}
		var acts []Action
		if m.lease != nil {
			acts = append(acts, Action{Drop: m.lease})
			m.lease = nil
		}
		// A server that refuses at once, again and again, must not make us send
		// without pause: start over after a retry time.
		tries := m.tries
		m.state, m.offer = Selecting, nil
		m.newExchange(now)
		m.tries = tries
		m.backOff(now)
		return acts
	}
	return nil
}

// bind takes a lease, new or extended.
func (m *Machine) bind(now time.Time, ack *dhcpv4.DHCPv4) []Action {
	l, ok := parseLease(now, ack)
	if !ok || m.state == Requesting && l.Address.Addr() != toAddr(m.offer.YourIPAddr) {
		return nil
	}
	var acts []Action
	if old := m.lease; old != nil {
		if old.Address != l.Address || old.Gateway != l.Gateway {
			acts = append(acts, Action{Drop: old})
		}
	}
	m.state, m.lease, m.offer, m.tries = Bound, l, nil, 0
	m.wakeAt = l.Renew
	return append(acts, Action{Configure: l})
}

func toAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// usable says whether a host may have the address.
func usable(a netip.Addr) bool {
	return a.Is4() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a.As4()[0] < 240
}

// parseLease checks what a server grants. ok false means that it makes no sense.
func parseLease(now time.Time, msg *dhcpv4.DHCPv4) (*Lease, bool) {
	l := &Lease{Server: toAddr(msg.ServerIdentifier()), Obtained: now, Domain: msg.DomainName()}
	a := toAddr(msg.YourIPAddr)
	if !usable(a) || !usable(l.Server) {
		return nil, false
	}
	bits := classBits(a)
	if mask := msg.SubnetMask(); mask != nil {
		ones, size := mask.Size()
		if size != 32 || ones == 0 {
			return nil, false
		}
		bits = ones
	}
	l.Address = netip.PrefixFrom(a, bits)
	for _, r := range msg.Router() {
		if g := toAddr(r); usable(g) && g != a {
			l.Gateway = g
			break
		}
	}
	for _, d := range msg.DNS() {
		if n := toAddr(d); usable(n) && len(l.DNS) < maxNameservers {
			l.DNS = append(l.DNS, n)
		}
	}
	if len(l.Domain) > 253 {
		l.Domain = ""
	}
	l.times(now, msg)
	return l, true
}

// classBits is the prefix length when the server gives no mask (RFC 791).
func classBits(a netip.Addr) int {
	switch b := a.As4()[0]; {
	case b < 128:
		return 8
	case b < 192:
		return 16
	}
	return 24
}

// infinite is the lease time that never ends (RFC 2131 section 3.3).
const infinite = 0xffffffff * time.Second

func (l *Lease) times(now time.Time, msg *dhcpv4.DHCPv4) {
	life := msg.IPAddressLeaseTime(time.Hour)
	if life >= infinite {
		return
	}
	life = max(life, minLease)
	t1, t2 := msg.IPAddressRenewalTime(0), msg.IPAddressRebindingTime(0)
	if t2 <= 0 || t2 >= life {
		t2 = life / 8 * 7
	}
	if t1 <= 0 || t1 >= t2 {
		t1 = min(life/2, t2-time.Second)
	}
	t1 = max(t1, minLease/2)
	t2 = max(t2, t1)
	l.Renew, l.Rebind, l.Expire = now.Add(t1), now.Add(t2), now.Add(life)
}
