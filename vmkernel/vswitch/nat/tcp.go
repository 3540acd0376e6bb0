package nat

import (
	"context"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// flowOf translates the stack's view of a guest's packet: local is where the guest
// wants to go.
func flowOf(id stack.TransportEndpointID) (guest, dst netip.AddrPort) {
	return netip.AddrPortFrom(netAddr(id.RemoteAddress), id.RemotePort), netip.AddrPortFrom(netAddr(id.LocalAddress), id.LocalPort)
}

func netAddr(a tcpip.Address) netip.Addr {
	n, _ := netip.AddrFromSlice(a.AsSlice())
	return n
}

// acceptTCP handles a guest's SYN, on a goroutine of its own that the stack bounds.
func (n *Network) acceptTCP(r *tcp.ForwarderRequest) {
	guest, dst := flowOf(r.ID())
	owner := n.leases.owner(guest.Addr())
	// Half-open dials of one guest must not lock the others out.
	if !n.half.take(owner) {
		r.Complete(true)
		return
	}
	done := n.half.give
	if !n.tcp.take(owner) {
		done(owner)
		r.Complete(true)
		return
	}
	ok := n.spawn(func() {
		defer n.tcp.give(owner)
		if dst == netip.AddrPortFrom(n.c.DNS, dnsPort) {
			c := n.complete(r, owner)
			done(owner)
			if c != nil {
				n.serveDNS(c, owner)
			}
			return
		}
		out := n.dial(dst)
		if out == nil {
			done(owner)
			r.Complete(true)
			return
		}
		in := n.complete(r, owner)
		done(owner)
		if in == nil {
			out.Close()
			return
		}
		n.pump(in, out, n.c.Limits.TCPIdle)
	})
	if !ok {
		n.tcp.give(owner)
		done(owner)
		r.Complete(true)
	}
}

// dial connects to where a guest wants to go; nil if it must not or cannot.
func (n *Network) dial(dst netip.AddrPort) net.Conn {
	to, ok := n.c.target(dst)
	if !ok {
		n.denied.Add(1)
		return nil
	}
	ctx, cancel := context.WithTimeout(n.ctx, n.c.Limits.DialTimeout)
	defer cancel()
	c, err := n.c.Dial(ctx, "tcp4", to.String())
	if err != nil {
		return nil
	}
	return c
}

// complete finishes the handshake with the guest; nil if it fails.
func (n *Network) complete(r *tcp.ForwarderRequest, owner guestID) *guestConn {
	wq := new(waiter.Queue)
	ep, err := r.CreateEndpoint(wq)
	r.Complete(err != nil)
	if err != nil {
		return nil
	}
	return n.guestConn(gonet.NewTCPConn(wq, ep), ep, owner)
}
