package cases

import (
	"fmt"
	"testing"
	"time"

	"basalt/mgmt/wire"
	"basalt/qemu-test/guests"
	"basalt/qemu-test/harness"
)

// fairRows are hosts on which guests compete for processors: see command fair.
var fairRows = []struct {
	name    string
	machine harness.Machine
}{
	// An emulator that shares its computer stands still now and then, in the middle of
	// somebody's slice, and the books believe that this one ran. Where instructions
	// are counted it does not.
	{"amd-v/cpus=1", harness.Machine{Kernel: built("fair.elf"), MemMiB: 512, Icount: true, Shift: 4}},
	// Guests run on two of the three: see package harness, known failures.
	{"amd-v/cpus=3", harness.Machine{Kernel: built("fair.elf"), MemMiB: 512, CPUs: 3, Icount: true, Shift: 4}},
	{"vt-x/cpus=1", harness.Machine{Emulator: harness.Bochs, Disk: built("fair.img"), MIPS: 100, MemMiB: 512}},
}

func TestFair(t *testing.T) {
	t.Parallel()
	for _, c := range fairRows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := c.machine
			m.Limit = 5 * time.Minute
			r, ctx := start(t, m)
			log, err := r.WaitFor(ctx, `fair: (PASS|FAIL).*`)
			if err != nil {
				t.Fatal(err)
			}
			if log[1] != "PASS" {
				t.Error(log[0])
			}
		})
	}
}

// spinThree: more guests that never give way than processors run them. Each gets
// somewhere, and the host answers and collects garbage meanwhile.
func spinThree(t *testing.T, n *node) {
	n.put(t, "micro/spin", guests.Build("spin"))
	for i := range 3 {
		g := n.create(t, wire.VMCreate{Name: fmt.Sprint("spin-", i), MemoryMiB: 32, Boot: wire.Boot{Kernel: "micro/spin"}})
		g.act("start")
		g.console().expect("spinning")
	}
	for range 5 {
		n.alive(t)
		n.gc(t)
	}
}
