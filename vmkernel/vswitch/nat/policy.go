package nat

import (
	"net/netip"
)

// noTarget are destinations that nobody reaches through the gateway.
var noTarget = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"), // with 255.255.255.255
}

// target gives the address that the host dials for a guest's destination; ok false
// means that the guest must not reach it.
func (c *Config) target(dst netip.AddrPort) (netip.AddrPort, bool) {
	a := dst.Addr()
	if !a.Is4() || dst.Port() == 0 {
		return netip.AddrPort{}, false
	}
	if a == c.Gateway && c.AllowHost {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dst.Port()), true
	}
	if c.Prefix.Contains(a) {
		return netip.AddrPort{}, false
	}
	for _, p := range noTarget {
		if p.Contains(a) {
			return netip.AddrPort{}, false
		}
	}
	for _, p := range c.Deny {
		if p.Contains(a) {
			return netip.AddrPort{}, false
		}
	}
	if !c.AllowHost {
		for _, h := range c.HostAddresses() {
			if h.Unmap() == a {
				return netip.AddrPort{}, false
			}
		}
	}
	return dst, true
}
