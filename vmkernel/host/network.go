package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

// The kinds of a network.
const (
	KindNAT    = "nat"    // behind the host's address
	KindSwitch = "switch" // with a network device of the host as its uplink
)

// MaxForwards is the largest number of port forwards of one adapter.
const MaxForwards = 16

// Forward leads a port of the host to a port of a guest on the NAT network, while the
// machine runs. Who reaches the host's management address reaches the guest by it.
type Forward struct {
	Protocol  string // "tcp" or "udp"
	HostPort  int    // 1 to 65535, not one of OwnPorts
	GuestPort int    // 1 to 65535
}

// OwnPorts are ports that the host's own services have: no forward takes them.
var OwnPorts = []Forward{
	{Protocol: "tcp", HostPort: 443}, // the API
	{Protocol: "udp", HostPort: 68},  // the DHCP client
}

// String is the forward as a person writes it, such as tcp:2222:22.
func (f Forward) String() string {
	return fmt.Sprintf("%s:%d:%d", f.Protocol, f.HostPort, f.GuestPort)
}

// Meets says whether both want the same port of the host.
func (f Forward) Meets(o Forward) bool { return f.Protocol == o.Protocol && f.HostPort == o.HostPort }

// Check says what is wrong with a forward by itself.
func (f Forward) Check() error {
	switch {
	case f.Protocol != "tcp" && f.Protocol != "udp":
		return fmt.Errorf("unknown protocol %q, known are tcp and udp", f.Protocol)
	case f.HostPort < 1 || f.HostPort > 65535:
		return fmt.Errorf("the host's port %d is not one of 1 to 65535", f.HostPort)
	case f.GuestPort < 1 || f.GuestPort > 65535:
		return fmt.Errorf("the guest's port %d is not one of 1 to 65535", f.GuestPort)
	case slices.ContainsFunc(OwnPorts, f.Meets):
		return fmt.Errorf("%s port %d belongs to the host itself", f.Protocol, f.HostPort)
	}
	return nil
}

// checkForwards checks an adapter's forwards by themselves.
func (n *NICConfig) checkForwards() error {
	if len(n.Forwards) > 0 && n.Network != NetworkNAT {
		return fmt.Errorf("only an adapter on network %q can have port forwards", NetworkNAT)
	}
	if k := len(n.Forwards); k > MaxForwards {
		return fmt.Errorf("%w: %d forwards, an adapter can have %d", ErrTooMany, k, MaxForwards)
	}
	for i, f := range n.Forwards {
		if err := f.Check(); err != nil {
			return err
		}
		if slices.ContainsFunc(n.Forwards[:i], f.Meets) {
			return fmt.Errorf("%s port %d is forwarded twice", f.Protocol, f.HostPort)
		}
	}
	return nil
}

// Networks are what adapters of machines can be on.
type Networks interface {
	// List gives all networks, NetworkNAT first.
	List() []Network
	// Get gives one by name. Errors: ErrNotFound.
	Get(name string) (Network, error)
	// Address is the address that an adapter's guest has on the NAT network, by the
	// adapter's MAC; false when none is known.
	Address(mac string) (netip.Addr, bool)
	// Capture writes what a port sends and receives to w, as a pcap file, until ctx
	// ends, the port is gone or w fails. snap is how many bytes are kept of a frame,
	// MinSnap to MaxSnap. The port never waits for w: what w is too slow for is left
	// out. A port has one capture at a time. Errors: ErrNotFound, ErrBusy, those of w;
	// none when ctx ended.
	Capture(ctx context.Context, network, port string, w io.Writer, snap int) (CaptureStats, error)
}

// Limits of a capture.
const (
	MinSnap = 14
	MaxSnap = 65550 // the largest frame, before it is cut into segments
)

// ErrSnap says that a capture was asked for too few or too many bytes of a frame.
var ErrSnap = errors.New("the bytes kept of a frame are out of range")

// Network is one network and what is on it now.
type Network struct {
	Name    string
	Kind    string       // KindNAT, KindSwitch
	MTU     int          // largest payload of a frame, in bytes
	Gateway netip.Prefix // of the NAT network, once it is in use
	Ports   []NetPort
	// Leases and Forwards are the NAT network's.
	Leases   []Lease
	Forwards []ActiveForward
}

// NetPort is one port of a switch. Tx is what its owner sent into the switch.
type NetPort struct {
	Name                 string // a machine's is its ID, a slash, and the adapter's name
	MAC                  string // empty for an uplink
	Up                   bool
	RxPackets, TxPackets uint64
	RxBytes, TxBytes     uint64
	Drops                []Drops // only causes that there were
	Learned              int     // addresses behind it
}

// Drops is how many frames were lost for one cause.
type Drops struct {
	Cause string // the switch's name for it, such as "full"
	Count uint64
}

// Lease is an address of the NAT network and who has it.
type Lease struct {
	MAC      string
	Address  netip.Addr
	Until    time.Time // zero: reserved, and not asked for yet
	Reserved bool      // kept for this MAC while its forwards are active
}

// ActiveForward is a forward that is open now.
type ActiveForward struct {
	Protocol string
	HostPort int
	Guest    netip.AddrPort
}

// CaptureStats are frames of a capture.
type CaptureStats struct {
	Frames  uint64 // taken
	Dropped uint64 // left out because the reader was too slow
}
