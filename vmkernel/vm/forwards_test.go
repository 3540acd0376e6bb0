package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"basalt/vmkernel/host"
)

// ports are a host's ports for forwards.
type ports struct {
	mu    sync.Mutex
	taken []string // as "mac forward"
}

func (p *ports) open(mac string, list []host.Forward) (func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var mine []string
	for _, f := range list {
		for _, o := range p.taken {
			var m string
			var port int
			fmt.Sscanf(o, "%s tcp:%d", &m, &port)
			if port == f.HostPort {
				return nil, fmt.Errorf("port %d: %w", port, host.ErrInUse)
			}
		}
		mine = append(mine, mac+" "+f.String())
	}
	p.taken = append(p.taken, mine...)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken = slices.DeleteFunc(p.taken, func(s string) bool { return slices.Contains(mine, s) })
	}, nil
}

func (p *ports) now() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.taken)
}

// TestForwards: port forwards are open while the machine has hardware, and are
// exchanged as a whole.
func TestForwards(t *testing.T) {
	wait, entered, acted := pressed()
	b := newTable(t, wait)
	ctx := context.Background()
	tcp := func(port int) []host.Forward { return []host.Forward{{Protocol: "tcp", HostPort: port, GuestPort: 22}} }
	vm, err := b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8,
		NICs: []host.NICConfig{{Name: "nic0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01", Forwards: tcp(2222)}}})
	if err != nil {
		t.Fatal(err)
	}
	want := func(when, ports string) {
		t.Helper()
		if got := b.ports.now(); got != ports {
			t.Errorf("%s: %s, want %s", when, got, ports)
		}
	}
	want("before the start", "[]")
	// Another's port: the start fails and leaves nothing.
	other, err := b.ports.open("other", tcp(2222))
	if err != nil {
		t.Fatal(err)
	}
	b.vm = vm
	if err := vm.Start(ctx, kernel(&b.closed)); !errors.Is(err, host.ErrInUse) {
		t.Errorf("start with a port that is taken: %v", err)
	}
	if st := vm.Status(); st.State != host.StateOff {
		t.Errorf("%+v", st)
	}
	other()
	want("after a start that failed", "[]")
	b.start()
	<-entered
	want("while running", "[52:54:00:00:00:01 tcp:2222:22]")
	if other, err = b.ports.open("other", tcp(3333)); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]host.Forward{tcp(3333), append(tcp(2222), tcp(3333)...)} {
		if err := vm.SetForwards(ctx, "nic0", list); !errors.Is(err, host.ErrInUse) {
			t.Errorf("%v: %v", list, err)
		}
		if f := vm.Config().NICs[0].Forwards; !slices.Equal(f, tcp(2222)) {
			t.Errorf("after a refusal: %v", f)
		}
	}
	other()
	want("after two refusals", "[52:54:00:00:00:01 tcp:2222:22]")
	if err := vm.SetForwards(ctx, "nic0", append(tcp(2222), tcp(3333)...)); err != nil {
		t.Error(err)
	}
	want("with two", "[52:54:00:00:00:01 tcp:2222:22 52:54:00:00:00:01 tcp:3333:22]")
	if err := vm.AttachNIC(ctx, host.NICConfig{Name: "nic1", Network: host.NetworkNAT, MAC: "52:54:00:00:00:02", Forwards: tcp(4444)}); err != nil {
		t.Error(err)
	}
	if err := vm.DetachNIC(ctx, "nic0", true); err != nil {
		t.Error(err)
	}
	want("with another adapter", "[52:54:00:00:00:02 tcp:4444:22]")
	close(acted)
	if err := vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	want("while off", "[]")
	if err := vm.SetForwards(ctx, "nic1", tcp(5555)); err != nil || vm.Config().NICs[0].Forwards[0].HostPort != 5555 {
		t.Errorf("while off: %v, %+v", err, vm.Config())
	}
	want("set while off", "[]")
}

// TestNoForwards: a host without a NAT network says so when the machine is made.
func TestNoForwards(t *testing.T) {
	b := newTable(t)
	b.mgr.p.Forward = nil
	_, err := b.mgr.Create(host.Config{ID: "vm-1", CPUs: 1, MemoryMiB: 8,
		NICs: []host.NICConfig{{Name: "nic0", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01", Forwards: []host.Forward{{Protocol: "tcp", HostPort: 1, GuestPort: 1}}}}})
	var ce *host.ConfigError
	if !errors.Is(err, host.ErrUnsupported) || !errors.As(err, &ce) || ce.Field != "nics[0].forwards" {
		t.Errorf("%v", err)
	}
}
