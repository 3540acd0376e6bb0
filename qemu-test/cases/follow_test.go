package cases

import (
	"testing"
	"time"

	"basalt/qemu-test/harness"
)

// TestFollow copies the memory of a guest that writes all the time: see command follow.
func TestFollow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		machine harness.Machine
	}{
		{"amd-v", harness.Machine{Kernel: built("follow.elf"), MemMiB: 512}},
		{"vt-x", harness.Machine{Emulator: harness.Bochs, Disk: built("follow.img"), MIPS: 100, MemMiB: 512}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := c.machine
			m.Limit = 3 * time.Minute
			r, ctx := start(t, m)
			log, err := r.WaitFor(ctx, `follow: (PASS|FAIL).*`)
			if err != nil {
				t.Fatal(err)
			}
			if log[1] != "PASS" {
				t.Error(log[0])
			}
		})
	}
}
