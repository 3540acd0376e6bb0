package cases

import (
	"bytes"
	"testing"
	"time"

	"basalt/qemu-test/harness"
)

// virtualRows are the guests that live on interrupts. Those that run Linux are not here:
// Bochs 2.7 may deliver one while IF is clear (vmxcpu.ErrEarly, which the host of
// TestGuests has found and does without), and none of these minds.
var virtualRows = map[string]bool{
	"firmware": true, "exits": true, "deadline": true, "self-nmi": true, "storm": true, "self-init": true, "smp-2": true,
	"smp-8": true, "smp-wide": true, "smp-storm": true, "smp-pause": true, "two": true, "life": true,
}

// TestVirtualInterrupts lets the processor deliver interrupts. On VT-x only: AVIC is in
// no emulator here.
func TestVirtualInterrupts(t *testing.T) {
	t.Parallel()
	m := harness.Machine{Emulator: harness.Bochs, Disk: built("virtual.img"), MIPS: 100, MemMiB: 1024, Limit: 10 * time.Minute}
	n := boot(t, m)
	if !bytes.Contains(n.Log(), []byte("interrupts of guests are delivered by the processor, as set, and it fails")) {
		t.Error("the host does not say who delivers interrupts, and that this processor fails")
	}
	for _, g := range guestRows {
		if virtualRows[g.name] {
			t.Run(g.name, func(t *testing.T) { g.run(t, n) })
		}
	}
	if after := n.alive(t); after.VMs != 0 || after.RunningVMs != 0 {
		t.Errorf("%d machines are left, %d of them running", after.VMs, after.RunningVMs)
	}
}
