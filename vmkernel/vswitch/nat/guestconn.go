package nat

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// guestConn is a connection with a guest. A closed one whose guest does not answer
// is on the list of those closing, so that it costs memory for a bounded number only.
type guestConn struct {
	*gonet.TCPConn
	n    *Network
	ep   tcpip.Endpoint
	id   guestID
	once sync.Once
}

func (n *Network) guestConn(c *gonet.TCPConn, ep tcpip.Endpoint, id guestID) *guestConn {
	// A guest that neither answers nor resets is given up.
	ep.SocketOptions().SetKeepAlive(true)
	alive := tcpip.TCPUserTimeoutOption(userTimeout)
	ep.SetSockOpt(&alive) // a connection without it still has the idle time-out
	return &guestConn{TCPConn: c, n: n, ep: ep, id: id}
}

func (c *guestConn) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() {
		c.n.closing.add(c.ep, c.id)
	})
	return err
}

// dialGuest connects from the gateway to a guest; nil if it cannot.
func (n *Network) dialGuest(ctx context.Context, to netip.AddrPort) *guestConn {
	wq := new(waiter.Queue)
	ep, err := n.s.NewEndpoint(tcp.ProtocolNumber, header.IPv4ProtocolNumber, wq)
	if err != nil {
		return nil
	}
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	err = ep.Bind(fullAddress(netip.AddrPortFrom(n.c.Gateway, 0)))
	if err == nil {
		err = ep.Connect(fullAddress(to))
	}
	if _, started := err.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ready:
			err = ep.LastError()
		case <-ctx.Done():
			ep.Abort()
			return nil
		}
	}
	if err != nil {
		ep.Abort()
		return nil
	}
	return n.guestConn(gonet.NewTCPConn(wq, ep), ep, n.leases.owner(to.Addr()))
}

// closing are connections that were closed and may wait for their guest still. A
// new one displaces the oldest of a guest that has its share, or else the oldest of all,
// which is reset.
type closing struct {
	mu   sync.Mutex
	list []lingering // the oldest first
}

type lingering struct {
	ep    tcpip.Endpoint
	guest guestID
}

const (
	closingMax   = 128            // closed connections that may linger
	closingGuest = closingMax / 4 // of these for one guest
)

func (l lingering) ended() bool {
	s := tcp.EndpointState(l.ep.State())
	return s == tcp.StateClose || s == tcp.StateError
}

func (c *closing) add(ep tcpip.Endpoint, guest guestID) {
	var old tcpip.Endpoint
	c.mu.Lock()
	c.list = slices.DeleteFunc(c.list, lingering.ended)
	victim, own := 0, 0
	for i, l := range c.list {
		if l.guest == guest {
			if own++; own == 1 {
				victim = i
			}
		}
	}
	if own < closingGuest {
		victim = 0
	}
	if own >= closingGuest || len(c.list) >= closingMax {
		old = c.list[victim].ep
		c.list = slices.Delete(c.list, victim, victim+1)
	}
	c.list = append(c.list, lingering{ep, guest})
	c.mu.Unlock()
	if old != nil {
		old.Abort()
	}
}

func (c *closing) flush() {
	c.mu.Lock()
	list := c.list
	c.list = nil
	c.mu.Unlock()
	for _, l := range list {
		l.ep.Abort()
	}
}
