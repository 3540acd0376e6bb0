package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Errors of New and of port forwards.
var (
	ErrConfig = errors.New("nat: bad configuration")
	ErrClosed = errors.New("nat: closed")
	// ErrFull says that every address is somebody's.
	ErrFull = errors.New("nat: no address is free")
)

// Config describes a network. Prefix and Dial are required.
type Config struct {
	// Prefix is the guests' network, /20 to /28, such as 10.0.2.0/24.
	Prefix netip.Prefix
	// Gateway and DNS are the network's own addresses; by default the second and
	// third (10.0.2.2 and 10.0.2.3).
	Gateway, DNS netip.Addr
	Domain       string        // sent by DHCP; empty: none
	Lease        time.Duration // default 1 h
	MTU          uint16        // sent by DHCP if not 0

	// Dial makes the host's outward connections ("tcp4", "udp4"; literal addresses).
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Listen and ListenPacket make the host's side of port forwards; nil: there are
	// none of that kind.
	Listen       func(network, address string) (net.Listener, error)
	ListenPacket func(network, address string) (net.PacketConn, error)
	// Resolvers are the host's name servers now; nil or empty: queries fail.
	Resolvers func() []netip.AddrPort

	// HostAddresses are the host's own addresses now. Required unless AllowHost.
	HostAddresses func() []netip.Addr
	// AllowHost lets guests reach the host itself (see the package comment).
	AllowHost bool
	Deny      []netip.Prefix // further destinations that are refused

	Limits Limits
	// Now is the clock of leases, default time.Now.
	Now func() time.Time
}

// Limits bound what guests can make the host spend. Zero fields take the defaults.
type Limits struct {
	Connections int           // TCP connections outward, default 512
	PerGuest    int           // of these for one guest, default 128
	HalfOpen    int           // dials under way, default 64; a quarter for one guest
	Inward      int           // TCP connections through port forwards, default 256
	InwardGuest int           // of these to one guest, default 128
	Flows       int           // UDP flows outward, and as many of port forwards, default 512
	FlowsGuest  int           // of either kind for one guest, default 128
	Queries     int           // DNS queries under way, default 64; a quarter for one guest
	MaxBuffer   int           // of a connection's one direction in bytes, default 128 KiB, at least 64 KiB
	DialTimeout time.Duration // default 20 s
	TCPIdle     time.Duration // default 2 h 4 min (RFC 5382, REQ-5)
	UDPIdle     time.Duration // default 2 min (RFC 4787, REQ-5)
	QueryTime   time.Duration // for one resolver, default 3 s
}

func (l *Limits) fill() {
	for _, f := range []struct {
		have *int
		want int
	}{{&l.Connections, 512}, {&l.PerGuest, 128}, {&l.HalfOpen, 64}, {&l.Inward, 256}, {&l.InwardGuest, 128}, {&l.Flows, 512}, {&l.FlowsGuest, 128}, {&l.Queries, 64}, {&l.MaxBuffer, 128 << 10}} {
		if *f.have <= 0 {
			*f.have = f.want
		}
	}
	l.MaxBuffer = max(l.MaxBuffer, 64<<10)
	for _, f := range []struct {
		have *time.Duration
		want time.Duration
	}{{&l.DialTimeout, 20 * time.Second}, {&l.TCPIdle, 124 * time.Minute}, {&l.UDPIdle, 2 * time.Minute}, {&l.QueryTime, 3 * time.Second}} {
		if *f.have <= 0 {
			*f.have = f.want
		}
	}
}

// offset is the address n after the prefix's first.
func offset(p netip.Prefix, n uint32) netip.Addr {
	a := p.Masked().Addr().As4()
	v := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	v += n
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// lastOf is the prefix's broadcast address.
func lastOf(p netip.Prefix) netip.Addr { return offset(p, 1<<(32-p.Bits())-1) }

// fill checks the configuration and sets what is missing.
func (c *Config) fill() error {
	if !c.Prefix.IsValid() || !c.Prefix.Addr().Is4() || c.Prefix.Bits() < 20 || c.Prefix.Bits() > 28 {
		return fmt.Errorf("%w: prefix %v is not an IPv4 one of /20 to /28", ErrConfig, c.Prefix)
	}
	c.Prefix = c.Prefix.Masked()
	if a := c.Prefix.Addr(); a.IsMulticast() || a.IsLoopback() || a.As4()[0] == 0 || a.As4()[0] >= 240 {
		return fmt.Errorf("%w: prefix %v", ErrConfig, c.Prefix)
	}
	if !c.Gateway.IsValid() {
		c.Gateway = offset(c.Prefix, 2)
	}
	if !c.DNS.IsValid() {
		c.DNS = offset(c.Prefix, 3)
	}
	for _, a := range []netip.Addr{c.Gateway, c.DNS} {
		if !c.Prefix.Contains(a) || a == c.Prefix.Addr() || a == lastOf(c.Prefix) {
			return fmt.Errorf("%w: %v is no host's address in %v", ErrConfig, a, c.Prefix)
		}
	}
	if c.Gateway == c.DNS {
		return fmt.Errorf("%w: gateway and DNS have one address", ErrConfig)
	}
	if c.Dial == nil || c.HostAddresses == nil && !c.AllowHost {
		return fmt.Errorf("%w: Dial or HostAddresses is missing", ErrConfig)
	}
	if c.Resolvers == nil {
		c.Resolvers = func() []netip.AddrPort { return nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lease == 0 {
		c.Lease = time.Hour
	}
	if c.Lease < time.Minute || c.Lease > 365*24*time.Hour || len(c.Domain) > 253 {
		return fmt.Errorf("%w: lease of %v, domain of %d bytes", ErrConfig, c.Lease, len(c.Domain))
	}
	c.Limits.fill()
	return nil
}
