package cases

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"basalt/qemu-test/harness"
)

// row is a case: a machine, and what must appear on its serial line in order.
type row struct {
	name    string
	machine harness.Machine
	want    []string
}

func matches(pattern string, log []byte) bool { return regexp.MustCompile(pattern).Match(log) }

func built(name string) string { return filepath.Join("..", "..", "build", name) }

var rows = []row{
	{name: "stress/qemu/cpus=1", machine: harness.Machine{Kernel: built("stress.elf"), Append: "-- -time 5s"}, want: []string{`on 1 CPUs`, `stress: PASS`}},
	{name: "stress/qemu/cpus=2", machine: harness.Machine{Kernel: built("stress.elf"), CPUs: 2, Append: "-- -time 5s"}, want: []string{`on 2 CPUs`, `stress: PASS`}},
	{name: "stress/qemu/cpus=4", machine: harness.Machine{Kernel: built("stress.elf"), CPUs: 4, Append: "-- -time 5s"}, want: []string{`on 4 CPUs`, `stress: PASS`}},
	{name: "stress/qemu/no-legacy", machine: harness.Machine{Kernel: built("stress.elf"), Type: "microvm,pit=off,pic=off,rtc=off,isa-serial=on", NIC: "none", CPUs: 2, Append: "-- -time 5s"}, want: []string{`on 2 CPUs`, `stress: PASS`}},
	// QEMU only: Bochs loads through GRUB, after the firmware. SeaBIOS puts its own code
	// at 32 MiB, over the kernel that -kernel put there before.
	{name: "written-over/qemu", machine: harness.Machine{Kernel: built("basalt.elf"), MemMiB: 48}, want: []string{`basalt: the kernel was written over in memory .*give the machine more memory`}},
}

func TestCases(t *testing.T) {
	t.Parallel()
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// start boots the case's machine and keeps its log where a failure says.
func start(t *testing.T, m harness.Machine) (*harness.Running, context.Context) {
	t.Helper()
	dir, err := filepath.Abs(built(filepath.Join("cases", strings.NewReplacer("TestCases/", "", "/", "_", "=", "").Replace(t.Name()))))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	m.Dir = dir
	if m.Limit == 0 {
		m.Limit = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(15*time.Minute, m.Limit))
	t.Cleanup(cancel)
	r, err := m.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Stop()
		if t.Failed() {
			t.Logf("serial log %s ends with:\n%s", filepath.Join(dir, "serial.log"), harness.Tail(r.Log(), 40))
		}
	})
	return r, ctx
}

func (c row) run(t *testing.T) {
	r, ctx := start(t, c.machine)
	for _, w := range c.want {
		if _, err := r.WaitFor(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
}
