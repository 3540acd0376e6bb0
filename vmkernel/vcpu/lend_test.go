package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// lender lends a status.
type lender struct {
	vcpu.Lender
	status uint16
	pin    bool
}

func (l *lender) Lend(*vcpu.APICPage, *[4]uint64) (status uint16, vector uint8, offered bool) {
	return l.status, 0x21, l.pin
}

// TestALentInterruptEndsAHLT if the processor takes it at once: its handler returns behind
// the HLT. Nobody else would notice that it did.
func TestALentInterruptEndsAHLT(t *testing.T) {
	for _, c := range []struct {
		name   string
		status uint16
		tpr    uint8
		flags  uint64
		wakes  bool
	}{
		{"nothing", 0, 0, vcpu.FlagIF, false},
		{"requested", 0x41, 0, vcpu.FlagIF, true},
		{"IF clear", 0x41, 0, 0, false},
		{"class in service", 0x4f41, 0, vcpu.FlagIF, false},
		{"lower class in service", 0x3f41, 0, vcpu.FlagIF, true},
		{"task priority", 0x41, 4, vcpu.FlagIF, false},
		{"lower task priority", 0x41, 3, vcpu.FlagIF, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			l := &lender{}
			r.v.SetLender(l)
			if !r.v.Lends() {
				t.Fatal("does not lend")
			}
			r.e.R.RFLAGS |= vcpu.FlagIF
			x := vcpu.Exit{Kind: vcpu.KindHLT, InstLen: 1, RIP: r.e.R.RIP}
			if v := r.v.FastExit(&x); v != vcpu.Block {
				t.Fatalf("verdict %d", v)
			}
			r.e.R.RFLAGS = 2 | c.flags
			r.apic.SetTPR(c.tpr)
			l.status = c.status
			want := x.RIP
			if c.wakes {
				want++
			}
			var page vcpu.APICPage
			var eoi [4]uint64
			if n := testing.AllocsPerRun(1, func() { r.v.Lend(&page, &eoi) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
			if r.e.R.RIP != want {
				t.Errorf("RIP %#x, want %#x", r.e.R.RIP, want)
			}
		})
	}
}
