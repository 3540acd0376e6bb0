package nat

import (
	"context"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// guestConn is a connection with a guest. A closed one whose guest does not answer
// waits in the closing ring, so that it costs memory for a bounded number only.
type guestConn struct {
	*gonet.TCPConn
	n    *Network
	ep   tcpip.Endpoint
	once sync.Once
}

func (n *Network) guestConn(c *gonet.TCPConn, ep tcpip.Endpoint) *guestConn {
	// A guest that neither answers nor resets is given up.
	ep.SocketOptions().SetKeepAlive(true)
	alive := tcpip.TCPUserTimeoutOption(userTimeout)
	ep.SetSockOpt(&alive) // a connection without it still has the idle time-out
	return &guestConn{TCPConn: c, n: n, ep: ep}
}

func (c *guestConn) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() {
		c.n.closing.add(c.ep)
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
	return n.guestConn(gonet.NewTCPConn(wq, ep), ep)
}

// closing are connections that were closed and may wait for their guest still. A
// new one displaces the oldest, which is reset.
type closing struct {
	mu   sync.Mutex
	ring [closingMax]tcpip.Endpoint
	next int
}

// closingMax is the number of closed connections that may linger.
const closingMax = 128

func (c *closing) add(ep tcpip.Endpoint) {
	c.mu.Lock()
	old := c.ring[c.next]
	c.ring[c.next] = ep
	c.next = (c.next + 1) % closingMax
	c.mu.Unlock()
	if old != nil {
		old.Abort()
	}
}

func (c *closing) flush() {
	for range closingMax {
		c.add(nil)
	}
}
