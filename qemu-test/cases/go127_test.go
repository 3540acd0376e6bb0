package cases

import (
	"debug/buildinfo"
	"strings"
	"testing"

	"basalt/qemu-test/harness"
)

// TestGo127: the same tree built with the next Go boots, answers and runs a guest.
func TestGo127(t *testing.T) {
	t.Parallel()
	info, err := buildinfo.ReadFile(built("go127/vmkernel.linked"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(info.GoVersion, "go1.27") {
		t.Fatalf("built with %s", info.GoVersion)
	}
	m := harness.Machine{Kernel: built("go127/basalt.elf"), CPUs: 2, MemMiB: 1024}
	n := boot(t, m)
	n.facts(t, m)
	n.gc(t)
	multibootGuest(t, n)
	debianGuest(t, n)
	n.quiet(t)
}
