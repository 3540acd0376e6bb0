package nat

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// dialPing opens a ping socket.
func dialPing(g *guest, to tcpip.FullAddress) (*gonet.UDPConn, error) {
	wq := new(waiter.Queue)
	ep, err := g.s.NewEndpoint(icmp.ProtocolNumber4, header.IPv4ProtocolNumber, wq)
	if err == nil {
		err = ep.Connect(to)
	}
	if err != nil {
		return nil, tcpipError{err}
	}
	return gonet.NewUDPConn(wq, ep), nil
}

type tcpipError struct{ err tcpip.Error }

func (e tcpipError) Error() string { return e.err.String() }
