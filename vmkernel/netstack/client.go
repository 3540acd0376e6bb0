package netstack

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"basalt/vmkernel/netstack/dhcp"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// dhcpQueue is how many messages wait for the client; more are dropped.
const dhcpQueue = 8

// carrierPoll is how often the carrier is looked at.
const carrierPoll = 2 * time.Second

// runDHCP is the shell around dhcp.Machine: it returns when ctx ends, after
// giving the lease back. changed is told of each new lease and of its loss (nil).
func (i *Interface) runDHCP(ctx context.Context, hostname string, logf func(string, ...any), changed func(*dhcp.Lease)) {
	messages := make(chan *dhcpv4.DHCPv4, dhcpQueue)
	i.Tap(func(frame []byte) bool {
		raw := dhcpReply(frame)
		if raw == nil {
			return false
		}
		if msg, err := dhcpv4.FromBytes(bytes.Clone(raw)); err == nil {
			select {
			case messages <- msg:
			default:
			}
		}
		return true
	})
	defer i.Tap(nil)

	m := dhcp.New(dhcp.Config{MAC: i.l.link.MAC(), Hostname: hostname, Random: rand.Uint32N})
	step := func(e dhcp.Event) {
		for _, a := range m.Step(time.Now(), e) {
			switch {
			case a.Broadcast != nil:
				i.l.sendFrame(broadcastFrame(i.l.link.MAC(), a.Broadcast.ToBytes())) // the machine sends again
			case a.Unicast != nil:
				if err := i.sendUnicast(netip.AddrFrom4([4]byte(a.Unicast.ClientIPAddr.To4())), a.Server, a.Unicast.ToBytes()); err != nil {
					logf("%s: dhcp: %v", i.Name(), err)
				}
			case a.Drop != nil:
				logf("%s: dhcp: lease of %s lost", i.Name(), a.Drop.Address)
				i.Deconfigure(a.Drop.Address, a.Drop.Gateway)
				changed(nil)
			case a.Configure != nil:
				i.configureLease(a.Configure, logf)
				changed(a.Configure)
			}
		}
	}
	up := i.l.link.LinkUp()
	step(dhcp.Event{Start: true})
	carrier := time.NewTicker(carrierPoll)
	defer carrier.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !i.Gone() {
		wait := time.Hour
		if at := m.WakeAt(); !at.IsZero() {
			wait = max(time.Until(at), 0)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			step(dhcp.Event{Stop: true})
			return
		case msg := <-messages:
			step(dhcp.Event{Message: msg})
		case <-timer.C:
			step(dhcp.Event{})
		case <-carrier.C:
			now := i.l.link.LinkUp()
			if now && !up {
				logf("%s: link is up", i.Name())
				step(dhcp.Event{LinkUp: true})
			} else if up && !now {
				logf("%s: link is down", i.Name())
			}
			up = now
		}
	}
	logf("%s: the device is gone", i.Name())
	if l := m.Lease(); l != nil {
		i.Deconfigure(l.Address, l.Gateway)
		changed(nil)
	}
}

// configureLease sets the address, unless it is set already (a renewal).
func (i *Interface) configureLease(l *dhcp.Lease, logf func(string, ...any)) {
	for _, p := range i.Addresses() {
		if p == l.Address {
			return
		}
	}
	if err := i.Configure(l.Address, l.Gateway); err != nil {
		logf("%s: dhcp: %v", i.Name(), err)
		return
	}
	logf("%s: dhcp: %s from %s until %s", i.Name(), l.Address, l.Server, l.Expire.Format(time.RFC3339))
}

// sendUnicast sends from port 68 of the leased address.
func (i *Interface) sendUnicast(from, to netip.Addr, payload []byte) error {
	var wq waiter.Queue
	ep, err := i.st.s.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &wq)
	if err != nil {
		return check("dhcp socket", err)
	}
	defer ep.Close()
	if err := ep.Bind(tcpip.FullAddress{NIC: i.l.nic, Addr: address(from), Port: dhcpClientPort}); err != nil {
		return check("dhcp bind", err)
	}
	_, err = ep.Write(bytes.NewReader(payload), tcpip.WriteOptions{
		To: &tcpip.FullAddress{NIC: i.l.nic, Addr: address(to), Port: dhcpServerPort},
	})
	return check("dhcp send", err)
}
