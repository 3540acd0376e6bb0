package netstack

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// closing are the connections that were closed last. Netstack keeps a connection
// after Close until the peer has closed its half too, or for a minute and more: who
// opens many and never closes any would make the host run out of memory. The oldest
// one is reset to make room.
type closing struct {
	mu   sync.Mutex
	ring []tcpip.Endpoint
	next int
}

func (c *closing) add(ep tcpip.Endpoint) {
	if ended(ep) {
		return
	}
	c.mu.Lock()
	old := c.ring[c.next]
	c.ring[c.next] = ep
	c.next = (c.next + 1) % len(c.ring)
	c.mu.Unlock()
	if old != nil && !ended(old) {
		old.Abort()
	}
}

func ended(ep tcpip.Endpoint) bool {
	s := tcp.EndpointState(ep.State())
	return s == tcp.StateClose || s == tcp.StateError
}
