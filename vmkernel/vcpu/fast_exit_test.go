package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

func TestFastExitsNeedNoGo(t *testing.T) {
	r := newRig(t)
	r.apic.regs[0x802] = 7
	r.e.R.GPR[vcpu.RAX] = 0x40000000
	for _, x := range []vcpu.Exit{
		{Kind: vcpu.KindCPUID, InstLen: 2},
		{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x80b}},
		{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x6e0, Value: 500000}},
		{Kind: vcpu.KindRDMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x802}},
		{Kind: vcpu.KindPIO, InstLen: 2, PIO: vcpu.PIO{Port: 0x21, Size: 1, In: true}},
		{Kind: vcpu.KindPIO, InstLen: 2, PIO: vcpu.PIO{Port: 0x80, Size: 1}},
		{Kind: vcpu.KindHypercall, InstLen: 3},
	} {
		x.RIP = r.e.R.RIP
		want := r.e.R.RIP + uint64(x.InstLen)
		if n := testing.AllocsPerRun(100, func() {
			r.e.R.RIP, r.e.R.GPR[vcpu.RAX] = x.RIP, 0x40000000
			if v := r.v.FastExit(&x); v != vcpu.Resume && v != vcpu.ResumeQuiet {
				t.Fatalf("%v: verdict %d", x.Kind, v)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", x.Kind, n)
		}
		if r.e.R.RIP != want {
			t.Errorf("%v: rip %x", x.Kind, r.e.R.RIP)
		}
	}
	if r.v.Deadline() != 500000+1000 {
		t.Errorf("deadline %d", r.v.Deadline())
	}
	if r.e.R.GPR[vcpu.RAX] != ^uint64(999) {
		t.Errorf("hypercall: %x", r.e.R.GPR[vcpu.RAX])
	}
}

func TestUnknownLengthIsLearnt(t *testing.T) {
	r := newRig(t)
	_ = r.ram.Write(0x100000, []byte{0x0f, 0xa2})
	x := vcpu.Exit{Kind: vcpu.KindCPUID, RIP: 0x100000}
	if r.v.FastExit(&x) != vcpu.Return {
		t.Fatal("guessed")
	}
	r.run(t, x)
	if r.e.R.RIP != 0x100002 {
		t.Fatalf("rip %x", r.e.R.RIP)
	}
	r.e.R.RIP, r.e.R.GPR[vcpu.RAX] = 0x100000, 1
	if r.v.FastExit(&x) != vcpu.Resume || r.e.R.RIP != 0x100002 {
		t.Fatalf("not learnt, rip %x", r.e.R.RIP)
	}
	// Another instruction at the same place is not it.
	r.e.R.RIP, x.Kind = 0x100000, vcpu.KindHypercall
	if r.v.FastExit(&x) != vcpu.Return {
		t.Error("the length of a CPUID was taken for a VMMCALL")
	}
}

// TestOddLengthIsNotLearnt: one process of a guest must not be able to teach us a
// length with which we skip into the middle of another's code.
func TestOddLengthIsNotLearnt(t *testing.T) {
	r := newRig(t)
	_ = r.ram.Write(0x100000, []byte{0x66, 0x0f, 0xa2}) // with a useless prefix
	x := vcpu.Exit{Kind: vcpu.KindCPUID, RIP: 0x100000}
	r.run(t, x)
	if r.e.R.RIP != 0x100003 {
		t.Fatalf("rip %x", r.e.R.RIP)
	}
	r.e.R.RIP, r.e.R.GPR[vcpu.RAX] = 0x100000, 1
	if r.v.FastExit(&x) != vcpu.Return {
		t.Fatalf("learnt, rip %x", r.e.R.RIP)
	}
}

func TestHLT(t *testing.T) {
	r := newRig(t)
	x := vcpu.Exit{Kind: vcpu.KindHLT, InstLen: 1, RIP: 0x100000}
	r.e.Shadow = true
	if r.v.FastExit(&x) != vcpu.Block || r.e.R.RIP != 0x100000 || r.e.Shadow {
		t.Fatal("HLT with nothing to do")
	}
	k := vcpu.Exit{Kind: vcpu.KindKick}
	if r.v.FastExit(&k) != vcpu.Block {
		t.Fatal("a kick without a reason wakes")
	}
	r.apic.raise(0x41)
	if r.v.FastExit(&k) != vcpu.Block {
		t.Fatal("IF is clear")
	}
	r.e.R.RFLAGS |= vcpu.FlagIF
	if r.v.FastExit(&k) != vcpu.Resume {
		t.Fatal("not woken")
	}
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	if r.e.R.RIP != 0x100001 || len(r.e.Delivered) != 1 || r.e.Delivered[0].Vector != 0x41 {
		t.Fatalf("rip %x %v", r.e.R.RIP, r.e.Delivered)
	}
	r.e.R.RIP = 0x100000
	if r.v.FastExit(&x) != vcpu.Block {
		t.Fatal("second HLT")
	}
	r.v.NMI()
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	if r.e.R.RIP != 0x100001 || r.e.Delivered[1].Type != vcpu.EventNMI {
		t.Fatalf("NMI: rip %x %v", r.e.R.RIP, r.e.Delivered)
	}
}

// TestHLTOfUnknownLength: STI; HLT with an interrupt waiting. The first exit of a HLT
// whose length the processor does not tell goes to ordinary Go; the interrupt still
// comes behind the HLT, not between the two.
func TestHLTOfUnknownLength(t *testing.T) {
	r := newRig(t)
	r.ram.Write(0x100000, []byte{0xf4})
	r.e.Shadow = true
	r.e.R.RFLAGS |= vcpu.FlagIF
	r.apic.raise(0x41)
	r.run(t, vcpu.Exit{Kind: vcpu.KindHLT, RIP: 0x100000})
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	if r.e.R.RIP != 0x100001 || len(r.e.Delivered) != 1 || r.e.Delivered[0].Vector != 0x41 {
		t.Fatalf("rip %x %v", r.e.R.RIP, r.e.Delivered)
	}
}

// TestWindowBeforeHLT: STI; HLT, an interrupt waits, and the processor would take it
// between the two. It comes behind the HLT; before any other instruction it comes at once,
// also before one that jumps to itself.
func TestWindowBeforeHLT(t *testing.T) {
	for _, c := range []struct {
		code []byte
		rip  uint64
	}{{[]byte{0xf4}, 0x100001}, {[]byte{0xeb, 0xfe}, 0x100000}} {
		r := newRig(t)
		r.ram.Write(0x100000, c.code)
		r.e.Shadow = true
		r.e.R.RFLAGS |= vcpu.FlagIF
		r.apic.raise(0x41)
		r.run(t, vcpu.Exit{Kind: vcpu.KindIRQWindow, RIP: 0x100000})
		r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
		if r.e.R.RIP != c.rip || r.e.Shadow || len(r.e.Delivered) != 1 || r.e.Delivered[0].Vector != 0x41 {
			t.Errorf("% x: rip %x shadow %v %v", c.code, r.e.R.RIP, r.e.Shadow, r.e.Delivered)
		}
	}
}

// TestIdleCountsTheStayThatGoesOn: else the CPU time of a halted machine grows, and
// falls when it wakes up.
func TestIdleCountsTheStayThatGoesOn(t *testing.T) {
	r := newRig(t)
	halt := vcpu.Exit{Kind: vcpu.KindHLT, InstLen: 1, RIP: 0x100000}
	if v := r.v.FastExit(&halt); v != vcpu.Block {
		t.Fatal(v)
	}
	if n := r.v.Stats().Idle(r.clk.tsc + 500); n != 500 {
		t.Errorf("in the stay: %d", n)
	}
	r.clk.tsc += 700
	kick := vcpu.Exit{Kind: vcpu.KindKick}
	r.v.FastExit(&kick)
	if n := r.v.Stats().Idle(r.clk.tsc + 100); n != 800 {
		t.Errorf("in the next: %d", n)
	}
	r.apic.raise(0x40)
	r.v.AckInterrupt(0x40)
	r.clk.tsc += 1000
	if n := r.v.Stats().Idle(r.clk.tsc); n != 700 {
		t.Errorf("after it: %d", n)
	}
}

// TestDeadlineAtTheEndOfTime: a guest writes any value, and has set its counter to
// any value before.
func TestDeadlineAtTheEndOfTime(t *testing.T) {
	for _, c := range []struct{ host, guest, deadline, want uint64 }{
		{1 << 40, 0, 5000, 1<<40 + 5000},
		{1 << 40, 0, ^uint64(0), ^uint64(0)}, // not the past
		{1 << 40, 0, ^uint64(0) - 1<<40, ^uint64(0)},
		{1000, 1 << 50, 1<<50 + 70, 1070},
		{1000, 1 << 50, 70, 1},
		{1000, 1 << 50, 1<<50 - 1000, 1},
	} {
		r := newRig(t)
		r.clk.tsc = c.host
		r.v.SetTSC(c.guest)
		r.apic.deadline = c.deadline
		if got := r.v.Deadline(); got != c.want {
			t.Errorf("%+v: %#x", c, got)
		}
	}
}
