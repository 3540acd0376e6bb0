package hosttest

import (
	"errors"
	"testing"

	"basalt/vmkernel/host"
)

// cpu: what a machine is entitled to changes whatever it does, and what cannot be kept
// is refused with the reason and changes nothing.
func cpu(t *testing.T, b *bench) {
	ctx := t.Context()
	all := b.Info().CPUs * 1000
	if err := b.Pools().Create(host.PoolConfig{Name: "prod", CPU: host.CPUSpec{Reservation: 500}}); err != nil {
		t.Fatal(err)
	}
	vm := b.create(t, "a")
	specs := []host.CPUSpec{{Shares: 500}, {Reservation: 100, Limit: 700}, {Pool: "prod", Reservation: 500}, {}}
	try := func() {
		t.Helper()
		for _, s := range specs {
			if err := vm.SetCPU(ctx, s); err != nil || vm.Config().CPU != s {
				t.Errorf("%+v: %v, it has %+v", s, err, vm.Config().CPU)
			}
		}
		for _, s := range []host.CPUSpec{{Reservation: all}, {Pool: "prod", Reservation: 501}} {
			if err := vm.SetCPU(ctx, s); !errors.Is(err, host.ErrNoCPU) {
				t.Errorf("%+v: %v", s, err)
			}
		}
		var ce *host.ConfigError
		for field, s := range map[string]host.CPUSpec{"cpu.shares": {Shares: 100001}, "cpu.reservation": {Reservation: -1}, "cpu.limit": {Limit: -1}, "cpu.pool": {Pool: "none"}} {
			if err := vm.SetCPU(ctx, s); !errors.As(err, &ce) || ce.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		if got := vm.Config().CPU; got != (host.CPUSpec{}) {
			t.Errorf("after what was refused it has %+v", got)
		}
	}
	try()
	if err := vm.Start(ctx, b.boot()); err != nil {
		t.Fatal(err)
	}
	try()
	if err := vm.SetCPU(ctx, host.CPUSpec{Pool: "prod", Reservation: 400}); err != nil {
		t.Error(err)
	}
	if p, err := b.Pools().Get("prod"); err != nil || p.Promised != 400 || p.Machines != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := b.Pools().Remove("prod"); !errors.Is(err, host.ErrInUse) {
		t.Errorf("a pool with a machine that runs: %v", err)
	}
	other := b.config("b")
	other.CPU = host.CPUSpec{Pool: "prod", Reservation: 101}
	boot := b.boot()
	var ce *host.ConfigError
	if _, err := b.VMs().Check(other, boot); !errors.As(err, &ce) || ce.Field != "cpu.reservation" || !errors.Is(err, host.ErrNoCPU) {
		t.Errorf("check of a second: %v", err)
	}
	boot.Close()
	second, err := b.VMs().Create(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(ctx, b.boot()); !errors.Is(err, host.ErrNoCPU) || second.Status().State != host.StateOff {
		t.Errorf("start of a second: %v, %s", err, second.Status().State)
	}
	if err := vm.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(ctx, b.boot()); err != nil {
		t.Error(err)
	}
	if err := second.Stop(ctx); err != nil {
		t.Error(err)
	}
	if err := b.Pools().Remove("prod"); err != nil {
		t.Error(err)
	}
	if err := second.Start(ctx, b.boot()); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("start in a pool that is not there: %v", err)
	}
	if n := b.open.Load(); n != 0 {
		t.Errorf("%d images are open", n)
	}
}

func pools(t *testing.T, b *bench) {
	p := b.Pools()
	first := p.List()
	if len(first) != 1 || first[0].Name != host.PoolHost || first[0].CPU.Reservation != 1000*b.Info().CPUs || first[0].Promised >= first[0].CPU.Reservation {
		t.Fatalf("%+v", first)
	}
	for _, c := range []host.PoolConfig{{Name: "a", CPU: host.CPUSpec{Shares: 10}}, {Name: "b", CPU: host.CPUSpec{Pool: "a"}}} {
		if err := p.Create(c); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := p.Get("b"); err != nil || got.CPU.Pool != "a" || got.CPU.Shares != host.PoolShares {
		t.Errorf("%+v, %v", got, err)
	}
	for what, err := range map[error]error{
		host.ErrExists: p.Create(host.PoolConfig{Name: "a"}), host.ErrInUse: p.Remove("a"), host.ErrNotFound: p.Remove("c"),
		host.ErrUnsupported: p.Set(host.PoolHost, host.CPUSpec{}), host.ErrNoCPU: p.Set("a", host.CPUSpec{Reservation: 1000 * b.Info().CPUs}),
	} {
		if !errors.Is(err, what) {
			t.Errorf("%v, want %v", err, what)
		}
	}
	for _, n := range []string{"b", "a"} {
		if err := p.Remove(n); err != nil {
			t.Error(err)
		}
	}
	if now := p.List(); len(now) != 1 || now[0].Promised != first[0].Promised {
		t.Errorf("%+v", now)
	}
}
