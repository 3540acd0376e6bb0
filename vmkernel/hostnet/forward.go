package hostnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vswitch"
	"basalt/vmkernel/vswitch/nat"
)

// Forward opens an adapter's port forwards on all addresses of the host, all or none,
// and keeps the address of its guest until the caller closes them. Errors:
// host.ErrInUse for a port that something else has.
func (n *Networks) Forward(mac string, list []host.Forward) (stop func(), err error) {
	m, err := vswitch.ParseMAC(mac)
	if err != nil {
		return nil, err
	}
	gw, err := n.NAT()
	if err != nil {
		return nil, err
	}
	a, err := n.hold(gw, m)
	if err != nil {
		return nil, err
	}
	var open []*nat.Forward
	stop = func() {
		for _, f := range open {
			f.Close()
		}
		n.drop(gw, m)
	}
	for _, f := range list {
		o, err := gw.Forward(f.Protocol, fmt.Sprintf(":%d", f.HostPort), netip.AddrPortFrom(a, uint16(f.GuestPort)))
		if err != nil {
			stop()
			var op *net.OpError
			if errors.As(err, &op) {
				err = fmt.Errorf("%s port %d of the host is %w: %v", f.Protocol, f.HostPort, host.ErrInUse, op.Err)
			}
			return nil, err
		}
		open = append(open, o)
	}
	return stop, nil
}

// hold counts who keeps a guest's address: when forwards are exchanged, the new ones
// come before the old ones go.
func (n *Networks) hold(gw *nat.Network, m vswitch.MAC) (netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, err := gw.Hold(m)
	if err != nil {
		return a, err
	}
	if n.held == nil {
		n.held = map[[6]byte]int{}
	}
	n.held[m]++
	return a, nil
}

func (n *Networks) drop(gw *nat.Network, m vswitch.MAC) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[m]--; n.held[m] <= 0 {
		delete(n.held, m)
		gw.Drop(m)
	}
}
