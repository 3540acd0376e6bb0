package cases

import (
	"net/http"
	"testing"
	"time"

	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// TestPools: two machines that never give way, put into pools and given other shares
// while they run, through the API. What each has is compared in the policy's own books.
func TestPools(t *testing.T) {
	t.Parallel()
	for _, h := range []struct {
		name    string
		machine harness.Machine
	}{
		// Where instructions are counted no pause of the emulator's is on anybody's account.
		{"amd-v", harness.Machine{MemMiB: 512, Icount: true, Shift: 4}},
		{"vt-x", harness.Machine{Emulator: harness.Bochs, Disk: built("basalt.img"), MIPS: 100, MemMiB: 512}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.machine.Limit = 8 * time.Minute
			n := boot(t, h.machine)
			movedWhileRunning(t, n)
			n.quiet(t)
		})
	}
}

func movedWhileRunning(t *testing.T, n *node) {
	n.put(t, "spin", guests.Build("spin"))
	pool := func(in wire.PoolCreate) {
		t.Helper()
		if _, err := n.api.CreatePool(n.ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	pool(wire.PoolCreate{Name: "slow", Limit: 200})
	pool(wire.PoolCreate{Name: "sure", Reservation: 500, Shares: 1}) // beside a machine's 1000
	_, err := n.api.CreatePool(n.ctx, wire.PoolCreate{Name: "much", Reservation: 300})
	refused(t, err, http.StatusInsufficientStorage, `"host" has 1000`, `"sure" 500`)
	bad := small("bad", "spin")
	bad.CPU = &wire.CPU{Reservation: 501, Pool: "sure"}
	n.refuses(t, bad, http.StatusUnprocessableEntity, "cpu.reservation", `"sure" has 500 and has promised 0`)

	in := small("held", "spin")
	in.CPU = &wire.CPU{Pool: "slow"}
	held := n.create(t, in)
	held.act("start")
	other := n.create(t, small("other", "spin"))
	other.act("start")
	for _, g := range []*guest{held, other} {
		g.console().expect("spinning")
	}
	set := func(c wire.CPU) {
		t.Helper()
		if vm, err := n.api.SetCPU(n.ctx, held.id, c); err != nil || vm.CPU != c {
			t.Fatalf("%+v: %v, it has %+v", c, err, vm.CPU)
		}
	}
	// In the slow pool: a fifth of the processor, of which the host itself has some, though
	// an equal share were more.
	if mine, _, all := held.runs(other); mine < 0.15*all || mine > 0.22*all {
		t.Errorf("it ran %.3f of %.3f s behind a limit of 200 thousandths", mine, all)
	}
	// Out of it, with three times the other's shares.
	set(wire.CPU{Shares: 3000})
	if part := held.partOf(other); part < 650 || part > 800 {
		t.Errorf("it had %d thousandths with three of four shares", part)
	}
	// The pool has next to no shares, but half of a processor is sure.
	set(wire.CPU{Reservation: 500, Pool: "sure"})
	if part := held.partOf(other); part < 450 || part > 600 {
		t.Errorf("it had %d thousandths with a reservation of 500", part)
	}
	refused(t, n.api.RemovePool(n.ctx, "sure"), http.StatusConflict, "machines in it: 1")
	pools, err := n.api.Pools(n.ctx)
	if err != nil || len(pools) != 3 || pools[2].Promised != 500 || pools[2].RunningVMs != 1 || pools[1].RunningVMs != 0 ||
		pools[1].Times.RunSeconds <= 0 || pools[2].Times.RunSeconds <= 0 {
		t.Errorf("%+v, %v", pools, err)
	}
	set(wire.CPU{})
	for _, name := range []string{"sure", "slow"} {
		if err := n.api.RemovePool(n.ctx, name); err != nil {
			t.Error(err)
		}
	}
}

// partOf is what the machine has of what it and the other get, in thousandths.
func (g *guest) partOf(other *guest) int {
	g.t.Helper()
	mine, theirs, _ := g.runs(other)
	return int(1000 * mine / (mine + theirs))
}

// runs waits until the machine and the other have had three seconds together, and says
// how much of that each had, and what the host's clock counted meanwhile.
func (g *guest) runs(other *guest) (mine, theirs, all float64) {
	g.t.Helper()
	had := func() (own, its, host float64) {
		s, err := g.api.Stats(g.ctx)
		if err != nil {
			g.t.Fatal(err)
		}
		run := map[string]float64{}
		for _, v := range s.VMs {
			run[v.ID] = v.CPUs[0].RunSeconds
		}
		return run[g.id], run[other.id], s.HostSeconds
	}
	own, its, began := had()
	for mine+theirs < 3 {
		time.Sleep(200 * time.Millisecond) // the guests use their time, and counters tell nobody
		mine, theirs, all = had()
		mine, theirs, all = mine-own, theirs-its, all-began
	}
	return mine, theirs, all
}
