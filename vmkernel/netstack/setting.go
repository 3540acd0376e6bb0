package netstack

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// errSetting says that an ip= setting cannot be used.
var errSetting = errors.New("netstack: bad ip setting")

// Setting is how the host gets its addresses. IPv6 link-local addresses and those
// from router advertisements are there in any case.
type Setting struct {
	DHCP    bool
	Address netip.Prefix // static; invalid with DHCP, or for no IPv4 at all
	Gateway netip.Addr   // invalid: none
	DNS     []netip.Addr
}

// ParseSetting reads "dhcp", "off" or "A/N[,gateway[,dns...]]".
func ParseSetting(text string) (Setting, error) {
	switch text {
	case "", "dhcp":
		return Setting{DHCP: true}, nil
	case "off":
		return Setting{}, nil
	}
	parts := strings.Split(text, ",")
	var s Setting
	var err error
	if s.Address, err = netip.ParsePrefix(parts[0]); err != nil {
		return s, fmt.Errorf("%w %q: want dhcp, off or ADDRESS/BITS,GATEWAY,DNS: %w", errSetting, text, err)
	}
	if a := s.Address.Addr(); a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4In6() {
		return s, fmt.Errorf("%w %q: %s cannot be a host's address", errSetting, text, a)
	}
	if len(parts) > 1 && parts[1] != "" {
		if s.Gateway, err = netip.ParseAddr(parts[1]); err != nil {
			return s, fmt.Errorf("%w %q: gateway: %w", errSetting, text, err)
		}
		if s.Gateway.Is4() != s.Address.Addr().Is4() || s.Gateway == s.Address.Addr() || s.Gateway.Zone() != "" {
			return s, fmt.Errorf("%w %q: %s cannot be the gateway", errSetting, text, s.Gateway)
		}
		if !s.Gateway.IsLinkLocalUnicast() && !s.Address.Contains(s.Gateway) {
			return s, fmt.Errorf("%w %q: gateway %s is outside %s", errSetting, text, s.Gateway, s.Address.Masked())
		}
	}
	for i := 2; i < len(parts); i++ {
		d, err := netip.ParseAddr(parts[i])
		if err != nil {
			return s, fmt.Errorf("%w %q: name server: %w", errSetting, text, err)
		}
		s.DNS = append(s.DNS, d)
	}
	return s, nil
}
