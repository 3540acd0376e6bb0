package wire

import "time"

// Forward leads a port of the host to a port of a guest on the NAT network.
type Forward struct {
	Protocol  string `json:"protocol" enum:"tcp,udp"`
	HostPort  int    `json:"hostPort" minimum:"1" maximum:"65535" doc:"On all addresses of the host; unique on the host, and none of its own services."`
	GuestPort int    `json:"guestPort" minimum:"1" maximum:"65535"`
}

// Forwards is the body of PUT /api/v1/vms/{id}/nics/{name}/forwards.
type Forwards struct {
	Forwards []Forward `json:"forwards" maxItems:"1024" nullable:"false" doc:"All that the adapter has from now on; empty: none."`
}

// Network is what adapters of virtual machines can be on.
type Network struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind" enum:"nat,switch" doc:"nat: behind the host's address. switch: with a network device of the host as its uplink."`
	MTU      int             `json:"mtu"`
	Gateway  string          `json:"gateway,omitempty" doc:"The NAT network's gateway, CIDR notation, once the network is in use."`
	Ports    []NetPort       `json:"ports"`
	Leases   []Lease         `json:"leases,omitempty"`
	Forwards []ActiveForward `json:"forwards,omitempty"`
}

// NetworkList is GET /api/v1/networks.
type NetworkList struct {
	Networks []Network `json:"networks"`
}

// NetPort is one port of a network's switch; tx is what its owner sent into it.
type NetPort struct {
	Name      string            `json:"name" doc:"A machine's is its id, a slash, and the adapter's name."`
	VM        string            `json:"vm,omitempty" doc:"Name of the machine that it belongs to."`
	MAC       string            `json:"mac,omitempty"`
	Up        bool              `json:"up"`
	RxPackets uint64            `json:"rxPackets"`
	TxPackets uint64            `json:"txPackets"`
	RxBytes   uint64            `json:"rxBytes"`
	TxBytes   uint64            `json:"txBytes"`
	Drops     map[string]uint64 `json:"drops,omitempty" doc:"Frames lost, by cause."`
	Learned   int               `json:"learned" doc:"Addresses that the switch knows behind the port."`
}

// Lease is an address of the NAT network and who has it.
type Lease struct {
	MAC      string     `json:"mac"`
	Address  string     `json:"address"`
	Until    *time.Time `json:"until,omitempty" doc:"Left out when the guest has not asked for it yet."`
	Reserved bool       `json:"reserved,omitempty" doc:"Kept for this MAC while its port forwards are open."`
	VM       string     `json:"vm,omitempty" doc:"Name of the machine that it belongs to."`
}

// ActiveForward is a port forward that is open now.
type ActiveForward struct {
	Protocol string `json:"protocol" enum:"tcp,udp"`
	HostPort int    `json:"hostPort"`
	Guest    string `json:"guest" doc:"Address and port."`
}
