package cases

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

var (
	hostileTime = flag.Duration("hostile", 20*time.Second, "how long the hostile guest attacks")
	hostileSeed = flag.Uint64("seed", 1, "the hostile guest's first seed")
)

// seedTime is how long one seed lives at most.
const seedTime = 30 * time.Second

// changeEvery is how many questions there are for one change of devices.
const changeEvery = 3

// stuckAfter is how long an attacker may show no rounds before it is given up: it may
// have stopped itself, which is its own affair.
const stuckAfter = 15 * time.Second

// siegeLimit is how much longer a siege may be until it was one.
const siegeLimit = 4 * time.Minute

var hostileHosts = []struct {
	name    string
	machine harness.Machine
}{
	{"amd-v", harness.Machine{MemMiB: 1024, CPUs: 3}},
	{"vt-x", harness.Machine{Emulator: harness.Bochs, Disk: built("basalt.img"), MIPS: 100, MemMiB: 1024}},
}

// TestHostile has a guest attack all devices of its machine, at random by a seed, while
// its neighbour hashes its own memory, the host is asked all the time, and devices come
// and go. The attacker may end itself: it starts again with the next seed. The host and
// the neighbour may notice nothing, and all that was taken has to come back.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, h := range hostileHosts {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			m := h.machine
			m.Limit = *hostileTime + 8*time.Minute
			n := boot(t, m)
			n.put(t, "chaos", guests.Build("chaos"))
			n.put(t, "witness", guests.Build("witness"))
			if _, err := n.api.CreateImage(n.ctx, "image", 8<<20); err != nil {
				t.Fatal(err)
			}
			n.siege(t, 0) // what is made once is not lost
			n.gc(t)
			before, routines := n.alive(t), n.goroutines(t)

			w := n.create(t, wire.VMCreate{Name: "witness", CPUs: 1, MemoryMiB: guests.WitnessMiB, Boot: wire.Boot{Kernel: "witness"}})
			w.act("start")
			w.console().expect(`(?m)^hash 1 `)
			all := n.siege(t, *hostileTime)
			t.Logf("%s", &all)
			if !all.enough() {
				t.Errorf("the attack was none: %s", &all)
			}
			hashes := regexp.MustCompile(`(?m)^hash (\d+) (\w+)\r?$`).FindAllSubmatch(w.log(), -1)
			if len(hashes) < 2 {
				t.Errorf("the neighbour says only %q", w.log())
			}
			for _, x := range hashes {
				if string(x[2]) != guests.WitnessHash() {
					t.Errorf("the neighbour's memory has hash %s at turn %s, want %s", x[2], x[1], guests.WitnessHash())
				}
			}
			t.Logf("%d hashes of the neighbour", len(hashes))
			w.act("stop")
			n.gc(t)
			after := n.alive(t)
			if lost := int64(before.MemoryFreeBytes) - int64(after.MemoryFreeBytes); lost > 16<<20 {
				t.Errorf("%d MiB did not come back", lost>>20)
			}
			if now := n.goroutines(t); now > routines+20 {
				t.Errorf("%d goroutines were left, now %d", routines, now)
			}
			n.quiet(t)
		})
	}
}

// harm is what an attack did.
type harm struct {
	seeds, crashes, restarts, stuck int
	rounds, faults, irqs, ups       uint64
	answers, broken                 [3]uint64 // of adapters, disks, entropy devices
	asked                           int
	plugs                           int
	first, last                     uint64
	reasons                         map[string]int
}

func (h *harm) String() string {
	return fmt.Sprintf("seeds %d to %d: %d rounds, %d faults, %d interrupts, %d start-ups; queues that answered %d, devices that wanted a reset %d (network, disk, entropy); "+
		"%d crashes %v, %d starts by itself, %d stuck; the host was asked %d times, %d devices came and went",
		h.first, h.last, h.rounds, h.faults, h.irqs, h.ups, h.answers, h.broken,
		h.crashes, h.reasons, h.restarts, h.stuck, h.asked, h.plugs)
}

// enough says whether everything was attacked, and everything answered.
func (h *harm) enough() bool {
	return h.rounds >= 256 && h.faults > 0 && h.irqs > 0 && h.ups > 0 && !slices.Contains(h.answers[:], 0) && !slices.Contains(h.broken[:], 0)
}

// siege attacks for a time, or for longer until it was an attack: an emulator on a busy
// computer has a time of its own. 0 is one seed until it shows rounds.
func (n *node) siege(t *testing.T, d time.Duration) harm {
	all := harm{first: *hostileSeed, last: *hostileSeed, reasons: map[string]int{}}
	for end := time.Now().Add(d); ; all.last++ {
		n.attack(t, &all, end)
		all.seeds++
		over := time.Since(end)
		if t.Failed() || over > 0 && (d == 0 || all.enough() || over > siegeLimit) {
			return all
		}
	}
}

var (
	chaosStart = regexp.MustCompile(`(?m)^chaos \d+\r?$`)
	chaosLine  = regexp.MustCompile(`n=(\d+) f=(\d+) i=(\d+) p=(\d+) a=(\d+),(\d+),(\d+) b=(\d+),(\d+),(\d+)\.`)
)

// attack is the life of one attacker.
func (n *node) attack(t *testing.T, all *harm, end time.Time) {
	t.Helper()
	vm, err := n.api.CreateVM(n.ctx, wire.VMCreate{Name: fmt.Sprintf("chaos-%d", all.last), CPUs: 2, MemoryMiB: guests.ChaosMiB,
		Boot:  wire.Boot{Kernel: "chaos", Cmdline: fmt.Sprintf("seed=%d", all.last)},
		Disks: []wire.Disk{{Kind: "ram", SizeMiB: 8}, {Kind: "null", SizeMiB: 64}, {Kind: "image", Image: "image"}},
		NICs:  []wire.NIC{{Network: "nat"}, {Network: "nat"}}, Consoles: []wire.Console{{Name: "tty", Terminal: true}, {Name: "agent"}}})
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{node: n, t: t, id: vm.ID}
	defer func() {
		if t.Failed() {
			t.Logf("seed %d, console:\n%s", all.last, harness.Tail(g.log(), 30))
		}
		if g.show().State != "off" {
			g.act("stop")
		}
		if err := n.api.DeleteVM(n.ctx, vm.ID); err != nil {
			t.Errorf("delete: %v", err)
		}
	}()
	g.act("start")
	var last [10]uint64
	moved, born, turn := time.Now(), time.Now(), 0
	for {
		select {
		case <-n.Exited():
			t.Fatalf("the host is gone, seed %d", all.last)
		case <-time.After(200 * time.Millisecond):
		}
		n.alive(t)
		if _, err := n.api.Stats(n.ctx); err != nil {
			t.Fatal(err)
		}
		all.asked += 3
		vm, log := g.show(), g.log()
		if lines := chaosLine.FindAllSubmatch(log, -1); len(lines) > 0 {
			var now [10]uint64
			for i := range now {
				now[i], _ = strconv.ParseUint(string(lines[len(lines)-1][i+1]), 10, 64)
			}
			if now != last {
				last, moved = now, time.Now()
			}
		}
		starts := len(chaosStart.FindAll(log, -1))
		over := true
		switch {
		case vm.State != "running" && vm.State != "paused":
			all.crashes++
			all.reasons[vm.Reason]++
		case starts > 1:
			all.restarts++
		case time.Since(moved) > stuckAfter:
			all.stuck++
			n.why(t, g, all.last, last[0])
		default:
			over = time.Now().After(end) && last[0] > 0 || time.Since(born) > seedTime
		}
		if over {
			all.rounds += last[0]
			all.faults += last[1]
			all.irqs += last[2]
			all.ups += last[3]
			for i := range all.answers {
				all.answers[i] += last[4+i]
				all.broken[i] += last[7+i]
			}
			return
		}
		if turn++; turn%changeEvery == 0 {
			n.change(t, g, all, turn)
		}
	}
}

// why keeps what there is to know of an attacker without progress.
func (n *node) why(t *testing.T, g *guest, seed, rounds uint64) {
	t.Helper()
	before := g.show().Exits
	select {
	case <-n.Exited():
	case <-time.After(time.Second):
	}
	after := g.show()
	for k, v := range before {
		if after.Exits[k] -= v; after.Exits[k] == 0 {
			delete(after.Exits, k)
		}
	}
	name := filepath.Join(n.Dir, fmt.Sprintf("stuck-%d.txt", seed))
	text := fmt.Sprintf("%s\nexits in a second: %v\n%s", g.log(), after.Exits, n.get(t, "/debug/pprof/goroutine?debug=2"))
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
	t.Logf("seed %d is stuck after %d rounds, exits in a second %v; see %s", seed, rounds, after.Exits, name)
}

// change does what an administrator does with the attacker. That it ended itself in
// the same moment is no error.
func (n *node) change(t *testing.T, g *guest, all *harm, turn int) {
	t.Helper()
	var err error
	switch turn / changeEvery % 4 {
	case 0:
		_, err = n.api.AttachDisk(n.ctx, g.id, wire.Disk{Name: "hot", Kind: "ram", SizeMiB: 1})
	case 1:
		_, err = n.api.DetachDisk(n.ctx, g.id, "hot", true)
		all.plugs++
	case 2:
		_, err = n.api.Act(n.ctx, g.id, "pause")
	case 3:
		_, err = n.api.Act(n.ctx, g.id, "resume")
	}
	var e *client.Error
	if err != nil && (!errors.As(err, &e) || e.Status >= 500 || !regexp.MustCompile(`crashed|off|"hot"`).MatchString(e.Error())) {
		t.Errorf("turn %d: %v", turn, err)
	}
}

// goroutines is how many the host has.
func (n *node) goroutines(t *testing.T) int {
	t.Helper()
	m := regexp.MustCompile(`goroutine profile: total (\d+)`).FindStringSubmatch(n.get(t, "/debug/pprof/goroutine?debug=1"))
	if m == nil {
		t.Fatal("no profile of goroutines")
	}
	v, _ := strconv.Atoi(m[1])
	return v
}
