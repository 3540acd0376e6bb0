package hosttest

import (
	"context"
	"errors"
	"io"
	"testing"

	"basalt/vmkernel/host"
)

// forwards: an adapter's port forwards are exchanged, and what is refused changes
// nothing. The machine runs and has an adapter n0 on NetworkNAT.
func forwards(t *testing.T, vm host.VM) {
	ctx := t.Context()
	good := []host.Forward{{Protocol: "udp", HostPort: 40053, GuestPort: 53}}
	if err := vm.SetForwards(ctx, "n0", good); err != nil {
		t.Error(err)
	}
	var ce *host.ConfigError
	if err := vm.SetForwards(ctx, "n0", []host.Forward{{Protocol: "tcp", HostPort: 443, GuestPort: 1}}); !errors.As(err, &ce) || ce.Field != "forwards" {
		t.Errorf("the API's port: %v", err)
	}
	if f := vm.Config().NICs[0].Forwards; len(f) != 1 || f[0] != good[0] {
		t.Errorf("forwards %v", f)
	}
	if err := vm.SetForwards(ctx, "n0", nil); err != nil || len(vm.Config().NICs[0].Forwards) != 0 {
		t.Errorf("%v, forwards %v", err, vm.Config().NICs[0].Forwards)
	}
}

func networks(t *testing.T, b *bench) {
	n := b.Networks()
	list := n.List()
	if len(list) == 0 || list[0].Name != host.NetworkNAT || list[0].Kind != host.KindNAT {
		t.Fatalf("%+v", list)
	}
	for _, x := range list {
		if got, err := n.Get(x.Name); err != nil || got.Name != x.Name || got.Kind != x.Kind || got.MTU < 576 {
			t.Errorf("%q: %+v, %v", x.Name, got, err)
		}
	}
	if _, err := n.Get("none"); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("no such network: %v", err)
	}
	if _, ok := n.Address("52:54:00:99:99:99"); ok {
		t.Error("a stranger has an address")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		network, port string
		snap          int
		want          error
	}{
		"network": {"none", "x", 64, host.ErrNotFound}, "port": {host.NetworkNAT, "x", 64, host.ErrNotFound},
		"too few": {host.NetworkNAT, "x", host.MinSnap - 1, host.ErrSnap}, "too many": {host.NetworkNAT, "x", host.MaxSnap + 1, host.ErrSnap},
	} {
		if _, err := n.Capture(ctx, c.network, c.port, io.Discard, c.snap); !errors.Is(err, c.want) {
			t.Errorf("capture, %s: %v", name, err)
		}
	}
}
