package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// TestFaultsSetRF: the flags that a fault pushes have RF, those of a trap do not (SDM
// Vol. 3A, 18.3.1.1): the processor pushes what it finds when an entry injects.
func TestFaultsSetRF(t *testing.T) {
	for _, c := range []struct {
		name   string
		flags  uint64
		x      vcpu.Exit
		code   []byte
		vector uint8
		rf     bool
	}{
		{"#GP of an MSR that is not there", 2, vcpu.Exit{Kind: vcpu.KindRDMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0xdead}}, []byte{0x0f, 0x32}, 13, true},
		{"#AC given back", 2, vcpu.Exit{Kind: vcpu.KindException, Event: vcpu.Event{Valid: true, Vector: 17, Type: vcpu.EventException, HasError: true}}, []byte{0x90}, 17, true},
		{"#DB after a step", 2 | vcpu.FlagTF, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2}, []byte{0x0f, 0xa2}, 1, false},
		{"#DB given back", 2, vcpu.Exit{Kind: vcpu.KindException, Event: vcpu.Event{Valid: true, Vector: 1, Type: vcpu.EventException}}, []byte{0x90}, 1, false},
	} {
		r := newRig(t)
		r.e.R.RFLAGS = c.flags
		r.run(t, c.x, c.code...)
		if len(r.e.Delivered) != 1 || r.e.Delivered[0].Vector != c.vector || (r.e.R.RFLAGS&vcpu.FlagRF != 0) != c.rf {
			t.Errorf("%s: %+v, flags %x", c.name, r.e.Delivered, r.e.R.RFLAGS)
		}
	}
}
