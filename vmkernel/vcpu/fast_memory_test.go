package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

// quickEmulator ends Quick as its field says.
type quickEmulator struct {
	vcpu.Emulator
	end   vcpu.Quick
	tries int
}

func (e *quickEmulator) Quick(vcpu.CPU, *vcpu.Exit, vcpu.FastIO) vcpu.Quick {
	e.tries++
	return e.end
}

func TestFastMemory(t *testing.T) {
	r := newRig(t)
	e := &quickEmulator{}
	r.v.Emul = e
	access := func(gpa uint64, write bool) vcpu.Verdict {
		return r.v.FastExit(&vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: gpa, Write: write}})
	}
	for _, c := range []struct {
		name  string
		gpa   uint64
		write bool
		end   vcpu.Quick
		want  vcpu.Verdict
		tries int
	}{
		{"silent", 0xfe000000, true, vcpu.QuickSilent, vcpu.ResumeQuiet, 1},
		{"done", 0xfe000000, true, vcpu.QuickDone, vcpu.Resume, 1},
		{"not known", 0xfe000000, true, vcpu.QuickUnknown, vcpu.Return, 1},
		{"not known before", 0xfe000000, true, vcpu.QuickRefused, vcpu.Return, 1},
		{"refused before", 0xfe000ff8, true, vcpu.QuickSilent, vcpu.Return, 0},
		{"a read there", 0xfe000000, false, vcpu.QuickSilent, vcpu.ResumeQuiet, 1},
		{"another page", 0xfe001000, true, vcpu.QuickSilent, vcpu.ResumeQuiet, 1},
		{"a page in the same place", 0xfe008000, true, vcpu.QuickRefused, vcpu.Return, 1},
		{"forgotten by that", 0xfe000000, true, vcpu.QuickSilent, vcpu.ResumeQuiet, 1},
	} {
		e.tries, e.end = 0, c.end
		if v := access(c.gpa, c.write); v != c.want || e.tries != c.tries {
			t.Errorf("%s: verdict %d after %d tries, want %d after %d", c.name, v, e.tries, c.want, c.tries)
		}
	}
	e.end = vcpu.QuickSilent
	for _, x := range []vcpu.Exit{
		{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000000, Fetch: true}},
		{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000000, PageWalk: true}},
		{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000000, Write: true}, Event: vcpu.Event{Valid: true}},
	} {
		if v := r.v.FastExit(&x); v != vcpu.Return {
			t.Errorf("%+v: verdict %d", x, v)
		}
	}
	x := &vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000000, Write: true}}
	if n := testing.AllocsPerRun(100, func() { r.v.FastExit(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFastMemoryKicksItself: an NMI or INIT that the write has sent to its own processor
// is taken at once.
func TestFastMemoryKicksItself(t *testing.T) {
	r := newRig(t)
	r.v.Emul = &quickEmulator{end: vcpu.QuickDone}
	x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfee00300, Write: true}}
	if r.v.FastExit(&x); r.e.Kicked() {
		t.Fatal("kicked for nothing")
	}
	r.apic.nmi = true
	if r.v.FastExit(&x); !r.e.Kicked() {
		t.Error("not kicked")
	}
}
