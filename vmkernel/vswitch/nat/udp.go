package nat

import (
	"context"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// maxDatagram is the largest UDP payload that is carried, in bytes; larger ones are
// dropped, so that a flow costs little.
const maxDatagram = 9216

// acceptUDP handles the first datagram of a guest's flow, on the goroutine that
// receives: it must not wait. False lets the stack answer "port unreachable".
func (n *Network) acceptUDP(r *udp.ForwarderRequest) bool {
	guest, dst := flowOf(r.ID())
	owner := n.leases.owner(guest.Addr())
	dns := dst == netip.AddrPortFrom(n.c.DNS, dnsPort)
	to, ok := n.c.target(dst)
	if !ok && !dns {
		n.denied.Add(1)
		return false
	}
	if !n.udp.take(owner) {
		return true // dropped: the guest may try again
	}
	wq := new(waiter.Queue)
	ep, err := r.CreateEndpoint(wq)
	if err != nil {
		n.udp.give(owner)
		return true
	}
	in := gonet.NewUDPConn(wq, ep)
	ok = n.spawn(func() {
		defer n.udp.give(owner)
		if dns {
			n.serveDatagramDNS(in, owner)
			return
		}
		ctx, cancel := context.WithTimeout(n.ctx, n.c.Limits.DialTimeout)
		out, err := n.c.Dial(ctx, "udp4", to.String())
		cancel()
		if err != nil {
			in.Close()
			return
		}
		n.pumpDatagrams(in, out)
	})
	if !ok {
		in.Close()
		n.udp.give(owner)
	}
	return true
}

// pumpDatagrams copies datagrams both ways until none moved for UDPIdle.
func (n *Network) pumpDatagrams(a, b net.Conn) {
	defer a.Close()
	defer b.Close()
	if !n.keep(a) || !n.keep(b) {
		return
	}
	defer n.forget(a)
	defer n.forget(b)
	p := &pumping{idle: n.c.Limits.UDPIdle}
	p.touch()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.copyDatagrams(a, b)
	}()
	p.copyDatagrams(b, a)
	<-done
}

func (p *pumping) copyDatagrams(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, maxDatagram+1)
	refused := 0
	for {
		src.SetReadDeadline(time.Now().Add(max(p.left(), time.Millisecond)))
		k, err := src.Read(buf)
		switch {
		case err == nil:
			p.touch()
			refused = 0
			dst.SetWriteDeadline(time.Now().Add(p.idle))
			if k <= maxDatagram {
				dst.Write(buf[:k]) // a lost datagram is the guest's to notice
			}
		case isTimeout(err) && p.left() > 0:
		case isTimeout(err):
			return
		default:
			// "Connection refused" is news of one datagram; a closed connection
			// answers for ever.
			if refused++; refused > 8 {
				return
			}
		}
	}
}
