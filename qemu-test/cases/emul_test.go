package cases

import (
	"strings"
	"testing"

	"basalt/qemu-test/emuldiff"
	"basalt/qemu-test/guests"
)

// emulGuest: what the guest's instructions do on memory, the emulator does on a device;
// and on the machine's own I/O APIC they do what they should.
func emulGuest(t *testing.T, n *node) {
	g := n.micro(t, "emul")
	g.console().expect(`(?m)^done`)
	log := string(g.log())
	if !strings.Contains(log, guests.EmulDevice) {
		t.Errorf("no %q", guests.EmulDevice)
	}
	same(t, log, emuldiff.Compare)
}

// emul64Guest is the same in 64-bit code with AVX, where the host has that.
func emul64Guest(t *testing.T, n *node) {
	g := n.micro(t, "emul64")
	g.console().expect(`(?m)^done`)
	log := string(g.log())
	if strings.Contains(log, guests.EmulNoAVX) {
		t.Skip("this processor has no AVX")
	}
	same(t, log, emuldiff.Compare64)
}

func same(t *testing.T, log string, compare func(string) ([]string, int)) {
	diff, compared := compare(log)
	if len(diff) > 10 {
		diff = append(diff[:10], "and more")
	}
	for _, d := range diff {
		t.Error(d)
	}
	t.Logf("%d results compared", compared)
}
