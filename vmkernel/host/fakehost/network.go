package fakehost

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"basalt/vmkernel/host"
)

// Networks implements host.Host: nat and vswitch0, and every other network that a
// machine has an adapter on. An adapter has a port while its machine is on, and its
// guest a lease on nat.
func (h *Host) Networks() host.Networks { return &h.nets }

type networks struct {
	h  *Host
	mu sync.Mutex
	// captured are ports, as "network port".
	captured map[string]bool
}

// List implements host.Networks.
func (n *networks) List() []host.Network {
	gw := netip.MustParsePrefix("198.51.100.2/24")
	list := []host.Network{{Name: host.NetworkNAT, Kind: host.KindNAT, MTU: 1500, Gateway: gw},
		{Name: "vswitch0", Kind: host.KindSwitch, MTU: 1500, Ports: []host.NetPort{{Name: "eth0 uplink", Up: true}}}}
	for _, vm := range n.h.vms.List() {
		st, c := vm.Status(), vm.Config()
		for i, a := range c.NICs {
			at := slices.IndexFunc(list, func(x host.Network) bool { return x.Name == a.Network })
			if at < 0 {
				at, list = len(list), append(list, host.Network{Name: a.Network, Kind: host.KindSwitch, MTU: 1500})
			}
			if len(st.NICs) <= i { // off
				continue
			}
			s := st.NICs[i]
			list[at].Ports = append(list[at].Ports, host.NetPort{Name: c.ID + "/" + a.Name, MAC: a.MAC, Up: s.Link,
				TxPackets: s.TxPackets, TxBytes: s.TxBytes, RxPackets: s.RxPackets, RxBytes: s.RxBytes,
				Drops: []host.Drops{{Cause: "full", Count: 1}}, Learned: 1})
			if a.Network != host.NetworkNAT {
				continue
			}
			ip := netip.AddrFrom4([4]byte{198, 51, 100, byte(15 + len(list[0].Leases))})
			list[0].Leases = append(list[0].Leases, host.Lease{MAC: a.MAC, Address: ip, Until: n.h.boot.Add(time.Hour), Reserved: len(a.Forwards) > 0})
			for _, f := range a.Forwards {
				list[0].Forwards = append(list[0].Forwards, host.ActiveForward{Protocol: f.Protocol, HostPort: f.HostPort, Guest: netip.AddrPortFrom(ip, uint16(f.GuestPort))})
			}
		}
	}
	return list
}

// Get implements host.Networks.
func (n *networks) Get(name string) (host.Network, error) {
	for _, x := range n.List() {
		if x.Name == name {
			return x, nil
		}
	}
	return host.Network{}, fmt.Errorf("network %q: %w", name, host.ErrNotFound)
}

// Address implements host.Networks.
func (n *networks) Address(mac string) (netip.Addr, bool) {
	for _, l := range n.List()[0].Leases {
		if l.MAC == mac {
			return l.Address, true
		}
	}
	return netip.Addr{}, false
}

// Capture implements host.Networks: a file of one frame without content.
func (n *networks) Capture(ctx context.Context, network, port string, w io.Writer, snap int) (host.CaptureStats, error) {
	if snap < host.MinSnap || snap > host.MaxSnap {
		return host.CaptureStats{}, fmt.Errorf("%w: %d bytes", host.ErrSnap, snap)
	}
	x, err := n.Get(network)
	if err != nil {
		return host.CaptureStats{}, err
	}
	if !slices.ContainsFunc(x.Ports, func(p host.NetPort) bool { return p.Name == port }) {
		return host.CaptureStats{}, fmt.Errorf("port %q of network %q: %w", port, network, host.ErrNotFound)
	}
	key := network + " " + port
	n.mu.Lock()
	busy := n.captured[key]
	if n.captured == nil {
		n.captured = map[string]bool{}
	}
	n.captured[key] = true
	n.mu.Unlock()
	if busy {
		return host.CaptureStats{}, fmt.Errorf("port %q: %w: it is captured already", port, host.ErrBusy)
	}
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.captured, key)
	}()
	b := make([]byte, 24+16+host.MinSnap)
	for i, v := range []uint32{0xa1b23c4d, 2 | 4<<16, 0, 0, uint32(snap), 1, 0, 0, host.MinSnap, host.MinSnap} {
		binary.LittleEndian.PutUint32(b[4*i:], v)
	}
	if _, err := w.Write(b); err != nil {
		return host.CaptureStats{}, err
	}
	<-ctx.Done()
	return host.CaptureStats{Frames: 1}, nil
}
