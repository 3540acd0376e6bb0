package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// TestTaskSwitchTakesTheEvent: what went through a task gate has arrived when the new
// task begins, and what the switch faults with comes instead of it.
func TestTaskSwitchTakesTheEvent(t *testing.T) {
	const gdt, old, next = 0x8000, 0x9000, 0xa000
	nmi := vcpu.Event{Valid: true, Vector: 2, Type: vcpu.EventNMI}
	df := vcpu.Event{Valid: true, Vector: 13, Type: vcpu.EventException, HasError: true}
	for _, c := range []struct {
		name    string
		sel     uint16
		ev      vcpu.Event
		vector  int // delivered; -1: nothing
		code    uint32
		blocked bool
	}{
		{"NMI", 0x10, nmi, -1, 0, true},
		{"interrupt", 0x10, vcpu.Event{Valid: true, Vector: 0x40}, -1, 0, false},
		{"interrupt, no such TSS", 0x40, vcpu.Event{Valid: true, Vector: 0x40}, 10, 0x41, false},
		{"fault, no such TSS", 0x40, df, 8, 0, false},
		{"INT n, no such TSS", 0x40, vcpu.Event{Valid: true, Vector: 0x40, Type: vcpu.EventSoftInt, InstLen: 2}, 10, 0x40, false},
	} {
		r := newRig(t)
		s := &r.e.S
		s.CR0, s.CR4, s.EFER = vcpu.CR0PE|vcpu.CR0ET, 0, 0
		s.CS.Attr, s.GDTR = 0xc09b, vcpu.Table{Base: gdt, Limit: 0x27}
		s.TR = vcpu.Segment{Selector: 8, Base: old, Limit: 0x67, Attr: 0x8b}
		for at, d := range map[uint64]uint64{8: 0x00008b0000000067 | old<<16, 16: 0x0000890000000067 | next<<16, 24: 0x00cf9b000000ffff, 32: 0x00cf93000000ffff} {
			r.ram.PutUint64(gdt+at, d)
		}
		for at, v := range map[uint64]uint32{0x20: 0x100000, 0x24: 2, 0x38: 0x7000, 0x4c: 24, 0x50: 32} {
			r.ram.PutUint32(next+at, v)
		}
		r.run(t, vcpu.Exit{Kind: vcpu.KindTaskSwitch, Event: c.ev, Task: vcpu.TaskSwitch{Selector: c.sel, Source: vcpu.TaskGate}})
		got := r.e.Delivered
		if c.vector < 0 && len(got) != 0 || c.vector >= 0 && (len(got) != 1 || int(got[0].Vector) != c.vector || got[0].Error != c.code) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if s.NMIBlocked != c.blocked || (s.TR.Selector == 16) != (c.vector < 0) {
			t.Errorf("%s: NMIs blocked %v, TR %v", c.name, s.NMIBlocked, s.TR)
		}
	}
}
