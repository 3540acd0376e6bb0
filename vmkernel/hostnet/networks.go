package hostnet

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"basalt/drivers/netio"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vswitch"
	"basalt/vmkernel/vswitch/nat"
)

// Networks are the networks that virtual machines can be on: a switch for each NIC,
// named vswitch0 and so on, to which the host's own TCP/IP belongs too, and the NAT
// network, which is made when somebody first asks for it.
type Networks struct {
	// own are the host's addresses now, servers its name servers.
	own     func() []netip.Prefix
	servers func() ([]netip.Addr, string)

	mu       sync.Mutex
	switches []*vswitch.Switch
	nat      *vswitch.Switch
	gateway  *nat.Network
	held     map[[6]byte]int // how many adapters' forwards keep an address
}

// natPrefixes are tried in order: the first that is not the host's own network.
var natPrefixes = []netip.Prefix{
	netip.MustParsePrefix("192.168.99.0/24"),
	netip.MustParsePrefix("172.31.99.0/24"),
	netip.MustParsePrefix("10.99.99.0/24"),
}

// behind puts a NIC behind a switch of its own and gives the host's place on it, which
// has the NIC's name and address.
func (n *Networks) behind(nic netio.Link) (netio.Link, error) {
	sw, err := vswitch.New(vswitch.Config{Name: fmt.Sprintf("vswitch%d", len(n.switches))})
	if err != nil {
		return nil, err
	}
	up, err := sw.AddUplink(nic.Name()+" uplink", vswitch.VLAN{}, nic)
	if err != nil {
		return nil, err
	}
	own, err := sw.AddLink(vswitch.PortConfig{Name: nic.Name(), MAC: nic.MAC()})
	if err != nil {
		up.Close()
		return nil, err
	}
	own.Follow(up)
	n.switches = append(n.switches, sw)
	return own, nil
}

// Names lists the networks.
func (n *Networks) Names() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := []string{host.NetworkNAT}
	for _, s := range n.switches {
		names = append(names, s.Name())
	}
	return names
}

// Switch gives the switch of a network. The error wraps host.ErrNotFound and says
// which there are.
func (n *Networks) Switch(name string) (*vswitch.Switch, error) {
	n.mu.Lock()
	for _, s := range n.switches {
		if s.Name() == name {
			n.mu.Unlock()
			return s, nil
		}
	}
	n.mu.Unlock()
	if name != host.NetworkNAT {
		return nil, fmt.Errorf("network %q: %w, there are %s", name, host.ErrNotFound, strings.Join(n.Names(), ", "))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nat == nil {
		if err := n.startNAT(); err != nil {
			return nil, fmt.Errorf("network %q: %w", name, err)
		}
	}
	return n.nat, nil
}

// NAT is the gateway of the NAT network, which is made if need be.
func (n *Networks) NAT() (*nat.Network, error) {
	if _, err := n.Switch(host.NetworkNAT); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.gateway, nil
}

// startNAT makes the NAT network. n.mu is held.
func (n *Networks) startNAT() error {
	prefix, err := freePrefix(n.own())
	if err != nil {
		return err
	}
	sw, err := vswitch.New(vswitch.Config{Name: host.NetworkNAT})
	if err != nil {
		return err
	}
	mac := vswitch.MAC{0x52, 0x54}
	rand.Read(mac[2:])
	link, err := sw.AddLink(vswitch.PortConfig{Name: "gateway", MAC: mac})
	if err != nil {
		return err
	}
	var d net.Dialer
	gw, err := nat.New(nat.Config{
		Prefix: prefix,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return d.DialContext(ctx, network, address)
		},
		Listen:        net.Listen,
		ListenPacket:  net.ListenPacket,
		Resolvers:     n.resolvers,
		HostAddresses: n.addresses,
	}, link)
	if err != nil {
		sw.Close()
		return err
	}
	n.nat, n.gateway = sw, gw
	return nil
}

// freePrefix is the first NAT network that does not meet one of the host's.
func freePrefix(own []netip.Prefix) (netip.Prefix, error) {
next:
	for _, p := range natPrefixes {
		for _, o := range own {
			if o.Overlaps(p) {
				continue next
			}
		}
		return p, nil
	}
	return netip.Prefix{}, fmt.Errorf("every network for it, %v, is the host's own", natPrefixes)
}

func (n *Networks) addresses() (list []netip.Addr) {
	for _, p := range n.own() {
		list = append(list, p.Addr())
	}
	return list
}

func (n *Networks) resolvers() (list []netip.AddrPort) {
	servers, _ := n.servers()
	for _, s := range servers {
		list = append(list, netip.AddrPortFrom(s, 53))
	}
	return list
}
