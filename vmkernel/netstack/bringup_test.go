package netstack

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/vmkernel/netstack/dhcp"
)

// TestFilesOfTwoLeases: leases that come at the same time on two links both end up in
// resolv.conf, and no two writers are at work at once.
func TestFilesOfTwoLeases(t *testing.T) {
	var last atomic.Pointer[string]
	var writers atomic.Int32
	h, err := Bring(Config{WriteFile: func(name string, text []byte) error {
		if writers.Add(1) > 1 {
			t.Error("two goroutines write at the same time")
		}
		defer writers.Add(-1)
		if name == "/etc/resolv.conf" {
			s := string(text)
			last.Store(&s)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	a, b := &Interface{}, &Interface{}
	h.interfaces = []*Interface{a, b}
	lease := func(dns string) *dhcp.Lease { return &dhcp.Lease{DNS: []netip.Addr{netip.MustParseAddr(dns)}} }
	for range 200 {
		var wg sync.WaitGroup
		wg.Go(func() { h.leased(a, lease("192.0.2.1")) })
		wg.Go(func() { h.leased(b, lease("192.0.2.2")) })
		wg.Wait()
		if s := *last.Load(); !strings.Contains(s, "192.0.2.1") || !strings.Contains(s, "192.0.2.2") {
			t.Fatalf("resolv.conf: %q", s)
		}
		h.leased(a, nil)
		h.leased(b, nil)
	}
	h.interfaces = nil
}
