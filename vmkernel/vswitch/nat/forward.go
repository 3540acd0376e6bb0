package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Forward is a port of the host that leads to a guest.
type Forward struct {
	n       *Network
	network string
	guest   netip.AddrPort
	id      guestID // of the quotas: the guest's address, it may not have been heard yet
	l       net.Listener
	p       net.PacketConn
	once    sync.Once

	mu    sync.Mutex
	flows map[string]*gonet.UDPConn // by the outside's address
}

// Forward leads a port of the host to a guest. network is "tcp" or "udp"; listen is
// an address of the host as in net.Listen, such as ":2222"; guest is the guest's,
// which Reserve keeps from changing.
func (n *Network) Forward(network, listen string, guest netip.AddrPort) (*Forward, error) {
	if !n.leases.usable(guest.Addr()) || guest.Port() == 0 {
		return nil, fmt.Errorf("%w: forward to %v", ErrConfig, guest)
	}
	f := &Forward{n: n, network: network, guest: guest, flows: map[string]*gonet.UDPConn{}}
	a := guest.Addr().As4()
	copy(f.id[:], a[:])
	var err error
	run := f.accept
	switch {
	case network == "tcp" && n.c.Listen != nil:
		f.l, err = n.c.Listen("tcp", listen)
	case network == "udp" && n.c.ListenPacket != nil:
		f.p, err = n.c.ListenPacket("udp", listen)
		run = f.datagrams
	default:
		return nil, fmt.Errorf("%w: forward of %q", ErrConfig, network)
	}
	if err != nil {
		return nil, fmt.Errorf("nat: forward: %w", err)
	}
	n.mu.Lock()
	closed := n.closed
	if !closed {
		n.forwards[f] = struct{}{}
		n.wg.Go(run)
	}
	n.mu.Unlock()
	if closed {
		f.Close()
		return nil, ErrClosed
	}
	return f, nil
}

// Addr is the host's side.
func (f *Forward) Addr() net.Addr {
	if f.l != nil {
		return f.l.Addr()
	}
	return f.p.LocalAddr()
}

// Protocol is "tcp" or "udp".
func (f *Forward) Protocol() string { return f.network }

// Guest is where it leads.
func (f *Forward) Guest() netip.AddrPort { return f.guest }

// Close ends the forward; connections that it made go on.
func (f *Forward) Close() error {
	var err error
	f.once.Do(func() {
		if f.l != nil {
			err = f.l.Close()
		} else {
			err = f.p.Close()
		}
		f.n.mu.Lock()
		delete(f.n.forwards, f)
		f.n.mu.Unlock()
	})
	return err
}

// fullAddress is an address in the stack's terms.
func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}
}

// accept takes connections from outside.
func (f *Forward) accept() {
	n := f.n
	for {
		out, err := f.l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || n.ctx.Err() != nil {
				return
			}
			// Out of sockets, perhaps: wait, do not spin.
			select {
			case <-n.ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if !n.inward.take(f.id) {
			out.Close()
			continue
		}
		if !n.spawn(func() {
			defer n.inward.give(f.id)
			ctx, cancel := context.WithTimeout(n.ctx, n.c.Limits.DialTimeout)
			c := n.dialGuest(ctx, f.guest)
			cancel()
			if c == nil {
				out.Close()
				return
			}
			n.pump(c, out, n.c.Limits.TCPIdle)
		}) {
			n.inward.give(f.id)
			out.Close()
		}
	}
}

// datagrams takes datagrams from outside; each sender has a flow to the guest.
func (f *Forward) datagrams() {
	buf := make([]byte, maxDatagram+1)
	failed := 0
	for {
		k, from, err := f.p.ReadFrom(buf)
		if err != nil {
			// An ICMP error about an earlier answer is not the end of the socket.
			if failed++; errors.Is(err, net.ErrClosed) || f.n.ctx.Err() != nil || failed > 64 {
				return
			}
			continue
		}
		failed = 0
		if k > maxDatagram {
			continue
		}
		if c := f.flow(from); c != nil {
			c.Write(buf[:k]) // a lost datagram is the sender's to notice
		}
	}
}

// flow finds or makes the flow of an outside address; nil if there are too many.
func (f *Forward) flow(from net.Addr) *gonet.UDPConn {
	n, key := f.n, from.String()
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.flows[key]; c != nil {
		return c
	}
	if !n.inUDP.take(f.id) {
		return nil
	}
	local, remote := fullAddress(netip.AddrPortFrom(n.c.Gateway, 0)), fullAddress(f.guest)
	c, err := gonet.DialUDP(n.s, &local, &remote, header.IPv4ProtocolNumber)
	if err != nil {
		n.inUDP.give(f.id)
		return nil
	}
	if !n.spawn(func() {
		defer n.inUDP.give(f.id)
		f.back(c, from)
		f.mu.Lock()
		delete(f.flows, key)
		f.mu.Unlock()
	}) {
		c.Close()
		n.inUDP.give(f.id)
		return nil
	}
	f.flows[key] = c
	return c
}

// back moves a guest's answers to the outside until none came for UDPIdle.
func (f *Forward) back(c *gonet.UDPConn, to net.Addr) {
	defer c.Close()
	if !f.n.keep(c) {
		return
	}
	defer f.n.forget(c)
	buf := make([]byte, maxDatagram+1)
	refused := 0
	for {
		c.SetReadDeadline(time.Now().Add(f.n.c.Limits.UDPIdle))
		k, err := c.Read(buf)
		switch {
		case err == nil:
			refused = 0
			if k <= maxDatagram {
				f.p.WriteTo(buf[:k], to)
			}
		case isTimeout(err):
			return
		default:
			if refused++; refused > 8 {
				return
			}
		}
	}
}
