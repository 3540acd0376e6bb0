package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host/fakehost"
)

// TestPoolCommands is on a host of four processors, of which 250 thousandths are
// promised to the management.
func TestPoolCommands(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{MemoryTotal: 512 << 20, MaxVCPUs: 4}, mgmt.Config{})
	f.Put(t, "k", mgmttest.BzImage)
	c := newTool(t)
	c.env = []string{"BASALT_PASSWORD=" + mgmttest.Password}
	c.expect(exitOK, "", words("login "+f.Addr+" --trust"))

	c.expect(exitOK, "", words("pool ls"), "host", "0.25", "!prod")
	c.expect(exitOK, "", words("pool create prod --shares 8000 --reservation 1.5 --limit 3000m"), "prod", "8000", "1.5 CPUs, promised 0", "Limit        3\n")
	c.expect(exitOK, "", words("pool create web --parent prod --reservation 500m"), "4000", "0.5 CPUs")
	c.expect(exitConflict, "", words("pool create web"), "already exists")
	c.expect(exitUsage, "", words("pool create x --parent none"), "parent", "not found")
	c.expect(exitUsage, "", words("pool create x --reservation lots"), "not a number of CPUs")
	c.expect(exitUsage, "", words("pool create x --reservation 2 --limit 1"), "less than the reservation")
	c.expect(exitUsage, "", words("pool create x --shares 100001"), "100000")
	c.expect(exitNoRoom, "", words("pool create x --reservation 3"), `"host" has 4000 and has promised 1750 of them`)
	c.expect(exitOK, "", words("pool set web --reservation 1"), "1 CPUs", "4000")
	c.expect(exitNoRoom, "", words("pool set prod --reservation 0.5"), `it has promised 1000 ("web" 1000)`)
	c.expect(exitNotFound, "", words("pool set none --shares 1"), "not found")
	c.expect(exitUsage, "", words("pool set host --shares 1"), "the host itself")
	c.expect(exitConflict, "", words("pool rm prod"), "in use")

	create := func(more string) []string {
		return append(words("vm create --kernel k --memory 64"), words(more)...)
	}
	c.expect(exitUsage, "", create("a --pool none"), "cpu.pool", "not found")
	c.expect(exitUsage, "", create("a --pool web --cpu-reservation 1.001"), "cpu.reservation", `"web" has 1000`)
	c.expect(exitOK, "", create("a --cpus 2 --pool web --cpu-reservation 0.6 --cpu-shares 100 --cpu-limit 2 --start"))
	c.expect(exitOK, "", words("vm show a"), "100 shares, 0.6 CPUs reserved, at most 2, in pool web")
	c.expect(exitOK, "", create("b --pool web --cpu-reservation 0.4"))
	c.expect(exitNoRoom, "", words("vm set a --cpu-reservation 1.1"), `"web" has 1000`)
	c.expect(exitOK, "", words("vm set a --cpu-reservation 1"), "1 CPUs reserved", "at most 2", "running")
	c.expect(exitNoRoom, "", words("vm start b"), "not enough CPU time", `"b" asks for 400`, `promised 1000 of them ("a" 1000)`)
	c.expect(exitUsage, "", words("vm set a"), "nothing to change")
	c.expect(exitUsage, "", words("vm set a --cpu-limit 0.5"), "limit", "less than the reservation")
	c.expect(exitUsage, "", words("vm set a --pool none"), "pool", "not found")
	c.expect(exitOK, "", words("pool ls"), "a b")
	c.expect(exitConflict, "", words("pool rm web"), "in use", "machines in it: 2")
	c.expect(exitOK, "", words("vm top --once"), "pool prod", "pool web", "reserved 1", "promised 1", "all", "cpu1")
	var s wire.Stats
	if r := c.run("", words("vm top --once --json")...); json.Unmarshal([]byte(r.out), &s) != nil || len(s.Pools) != 3 || s.Pools[2].Times.WaitSeconds == nil || s.VMs[0].Pool != "web" {
		t.Errorf("top --json: %s", r.out)
	}
	c.expect(exitOK, "", words("vm set a --pool prod --cpu-reservation 0"), "in pool prod")
	c.expect(exitOK, "", words("vm set b --pool host"), "!in pool web")
	c.expect(exitOK, "", words("pool show web"), "promised 0", "run 0.000 s", "ready")
	c.expect(exitOK, "", words("vm clone a twin"))
	c.expect(exitOK, "", words("pool show prod"), "a twin; running in it and below: 2")
	c.expect(exitOK, "", words("vm suspend a"))
	c.expect(exitOK, "", words("vm stop twin"))
	c.expect(exitOK, "", words("vm rm twin"))
	c.expect(exitConflict, "", words("pool rm prod"), "in use")
	c.expect(exitOK, "", words("file get a.state"))
	c.expect(exitOK, "", words("vm discard a"))
	c.expect(exitOK, "", words("file put a.state"))
	c.expect(exitOK, "", words("vm rm a"))
	c.expect(exitOK, "", words("pool rm web prod"))
	// A pool that is not here, in a state from elsewhere.
	c.expect(exitOK, "", words("vm restore a.state"))
	c.expect(exitOK, "", words("events"), `was in resource pool "prod", which is not here`)
	c.expect(exitOK, "", words("vm show a"), "100 shares", "!in pool")
	c.expect(exitOK, "", []string{"__complete", "vm", "set", "a", "--pool", ""}, "host")
}

// TestTopOfPools: the rates of a pool are those of the interval.
func TestTopOfPools(t *testing.T) {
	at := func(host, run, ready float64) wire.Stats {
		return wire.Stats{At: time.Unix(0, 0), HostSeconds: host, Pools: []wire.Pool{{Name: "host", Reservation: 2000},
			{Name: "a\x1b", Parent: "host", Limit: 500, RunningVMs: 3, Times: wire.CPUStats{RunSeconds: run, ReadySeconds: &ready}}}}
	}
	var b strings.Builder
	printTop(&b, at(10, 5, 1), at(12, 6, 1.5))
	for _, w := range []string{"pool a?", "3 machines", "limit 0.5", "run 50.0%", "ready 25.0%"} {
		if !strings.Contains(b.String(), w) {
			t.Errorf("no %q in\n%s", w, b.String())
		}
	}
}

// FuzzCPUs: what is taken says the same again.
func FuzzCPUs(f *testing.F) {
	for _, s := range []string{"1", "0.25", "250m", "1e3", "64", "64.001", "-1", "NaN", "Inf", "0x10", "m", "0.0001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseCPUs(s)
		if err != nil {
			return
		}
		if again, err := parseCPUs(cpusText(n)); err != nil || again != n || n < 0 || n > 64_000 {
			t.Errorf("%q: %d, then %d, %v", s, n, again, err)
		}
	})
}
