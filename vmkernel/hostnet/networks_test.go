package hostnet

import (
	"net/netip"
	"testing"
)

func TestFreePrefix(t *testing.T) {
	p := netip.MustParsePrefix
	for _, c := range []struct {
		own  []netip.Prefix
		want string
	}{
		{nil, "192.168.99.0/24"},
		{[]netip.Prefix{p("10.0.2.15/24"), p("fe80::1/64")}, "192.168.99.0/24"},
		{[]netip.Prefix{p("192.168.0.7/16")}, "172.31.99.0/24"},
		{[]netip.Prefix{p("192.168.99.200/32"), p("172.16.0.1/12")}, "10.99.99.0/24"},
		{[]netip.Prefix{p("0.0.0.0/0")}, ""},
	} {
		got, err := freePrefix(c.own)
		if c.want == "" && err == nil || c.want != "" && (err != nil || got.String() != c.want) {
			t.Errorf("%v: %v, %v", c.own, got, err)
		}
	}
}
