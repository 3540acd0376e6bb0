package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

func TestParavirtClock(t *testing.T) {
	r := newRig(t)
	r.clk.now = 5_000_000_000
	if !r.v.WriteMSR(0x4b564d01, 0x5001) || !r.v.WriteMSR(0x4b564d00, 0x6000) {
		t.Fatal("refused")
	}
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	ver, _ := r.ram.Uint32(0x5000)
	tsc, _ := r.ram.Uint64(0x5008)
	sys, _ := r.ram.Uint64(0x5010)
	mul, _ := r.ram.Uint32(0x5018)
	shift, _ := r.ram.Uint8(0x501c)
	// 2 GHz: one tick is half a nanosecond.
	dt := uint64(1 << 20)
	var scaled uint64
	if s := int8(shift); s < 0 {
		scaled = dt >> -s
	} else {
		scaled = dt << s
	}
	if ns := scaled * uint64(mul) >> 32; ver == 0 || ver&1 != 0 || tsc != 0 || sys != 5_000_000_000 || ns != dt/2 {
		t.Errorf("version %d tsc %d system %d mul %x shift %d: %d ns", ver, tsc, sys, mul, int8(shift), scaled*uint64(mul)>>32)
	}
	sec, _ := r.ram.Uint32(0x6004)
	if sec != 1_000_000_000 {
		t.Errorf("wall clock %d", sec)
	}
}

func TestStealTime(t *testing.T) {
	r := newRig(t)
	r.clk.stolen = 100
	if r.v.WriteMSR(0x4b564d03, 0x7000|3) {
		t.Error("reserved bits")
	}
	r.v.WriteMSR(0x4b564d03, 0x7001)
	r.clk.stolen = 350
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	s, _ := r.ram.Uint64(0x7000)
	ver, _ := r.ram.Uint32(0x7008)
	if s != 250 || ver&1 != 0 || ver == 0 {
		t.Errorf("steal %d version %d", s, ver)
	}
}

// TestPVTLBFlush: a processor that is away is marked, and what another one has put
// there meanwhile is its order.
func TestPVTLBFlush(t *testing.T) {
	r := newRig(t)
	if r.v.Away() {
		t.Error("nobody asked for it")
	}
	r.v.WriteMSR(0x4b564d03, 0x7001)
	r.ram.PutUint32(0x7010, 0xaabbcc00) // what lies behind the byte is not ours
	preempted := func(want uint32) {
		t.Helper()
		if w, _ := r.ram.Uint32(0x7010); w != 0xaabbcc00|want {
			t.Errorf("preempted is %#x, want %#x", w, 0xaabbcc00|want)
		}
	}
	for _, flush := range []bool{false, true} {
		if !r.v.Away() {
			t.Fatal("not told")
		}
		preempted(1)
		if flush {
			r.ram.PutUint8(0x7010, 3)
		}
		if r.v.Back() != flush {
			t.Errorf("flush asked for: %v", flush)
		}
		preempted(0)
	}
	if n := testing.AllocsPerRun(10, func() { r.v.Away(); r.v.Back() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	// An address that is no memory is nobody's business.
	r.v.WriteMSR(0x4b564d03, 0x7fff_ffff_ffc0|1)
	if r.v.Away() {
		t.Error("there is no memory")
	}
}

func TestPVEOI(t *testing.T) {
	r := newRig(t)
	r.e.R.RFLAGS |= vcpu.FlagIF
	r.v.WriteMSR(0x4b564d04, 0x7001)
	r.apic.raise(0x50)
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	if f, _ := r.ram.Uint32(0x7000); f != 1 {
		t.Fatal("not offered")
	}
	r.ram.PutUint32(0x7000, 0) // the guest's EOI
	r.apic.raise(0x40)
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	if r.apic.eois != 1 || last(t, r).Vector != 0x40 {
		t.Fatalf("eois %d", r.apic.eois)
	}
	// Another request takes the offer back, and the guest ends it by MSR.
	r.apic.raise(0x30)
	r.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	if f, _ := r.ram.Uint32(0x7000); f != 0 {
		t.Fatal("offer stands")
	}
	r.run(t, vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x80b}})
	if r.apic.eois != 2 || last(t, r).Vector != 0x30 {
		t.Fatalf("eois %d, %v", r.apic.eois, last(t, r))
	}
}

func TestHypercallNeedsTheKernel(t *testing.T) {
	for _, n := range []uint8{3, 0} { // on the fast path, and where the length is not told
		for cpl, want := range map[uint8]uint64{0: ^uint64(999), 3: ^uint64(0)} {
			r := newRig(t)
			r.run(t, vcpu.Exit{Kind: vcpu.KindHypercall, InstLen: n, CPL: cpl}, 0x0f, 0x01, 0xd9)
			if r.e.R.GPR[vcpu.RAX] != want || r.e.R.RIP != 0x100003 {
				t.Errorf("CPL %d: rax %x rip %x", cpl, r.e.R.GPR[vcpu.RAX], r.e.R.RIP)
			}
		}
	}
}
