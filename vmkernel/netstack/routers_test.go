package netstack

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// TestRouterUpdatesKeepTheirOrder: a prefix that was announced and taken back at once
// must not stay in the routing table.
func TestRouterUpdatesKeepTheirOrder(t *testing.T) {
	st, err := New(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	r := &routers{st: st}
	dst := subnet(netip.MustParsePrefix("2001:db8::/64"))
	has := func() bool {
		for _, route := range st.s.GetRouteTable() {
			if route.Destination == dst {
				return true
			}
		}
		return false
	}
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			r.OnOnLinkPrefixDiscovered(2, dst)
			r.OnOnLinkPrefixInvalidated(2, dst)
			r.OnOffLinkRouteUpdated(2, dst, tcpip.Address{}, 0)
			r.OnOffLinkRouteInvalidated(2, dst, tcpip.Address{})
			synctest.Wait()
			if has() {
				t.Fatal("a route that was taken back is still there")
			}
		}
		r.OnOnLinkPrefixDiscovered(2, dst)
		synctest.Wait()
		if !has() {
			t.Error("a route that was announced is not there")
		}
	})
}
