package vcpu_test

import (
	"testing"

	"basalt/vmkernel/vcpu"
)

func TestControlRegisters(t *testing.T) {
	const long = vcpu.CR0PG | vcpu.CR0PE | vcpu.CR0ET | vcpu.CR0WP
	for _, c := range []struct {
		name string
		n    uint8
		val  uint64
		gp   bool
		prep func(*rig)
	}{
		{"cr0 ts", 0, long | vcpu.CR0TS, false, nil},
		{"cr0 pg without pe", 0, vcpu.CR0PG, true, nil},
		{"cr0 nw without cd", 0, long | vcpu.CR0NW, true, nil},
		{"cr0 high", 0, long | 1<<32, true, nil},
		{"cr0 leave paging in 64-bit code", 0, vcpu.CR0PE, true, nil},
		{"cr0 leave long mode", 0, vcpu.CR0PE, false, func(r *rig) { r.e.S.CS.Attr = 0xc09b }},
		{"cr4 pge", 4, vcpu.CR4PAE | vcpu.CR4PGE, false, nil},
		{"cr4 without pae", 4, vcpu.CR4PGE, true, nil},
		{"cr4 vmxe", 4, vcpu.CR4PAE | 1<<13, true, nil},
		{"cr4 la57", 4, vcpu.CR4PAE | 1<<12, true, nil},
		{"cr4 pcide", 4, vcpu.CR4PAE | vcpu.CR4PCIDE, false, nil},
		{"cr4 pcide with pcid", 4, vcpu.CR4PAE | vcpu.CR4PCIDE, true, func(r *rig) { r.e.S.CR3 |= 1 }},
		{"cr3", 3, 0x5000, false, nil},
		{"cr3 reserved", 3, 1 << 60, true, nil},
		{"cr8", 8, 9, false, nil},
		{"cr8 large", 8, 16, true, nil},
		{"user", 0, long, true, func(r *rig) { r.e.S.SS.Attr |= 3 << 5 }},
	} {
		r := newRig(t)
		if c.prep != nil {
			c.prep(r)
		}
		r.e.R.GPR[vcpu.RBX] = c.val
		code := []byte{0x0f, 0x22, 0xc3 | c.n<<3}
		if c.n == 8 {
			code = []byte{0x44, 0x0f, 0x22, 0xc3}
		}
		before := r.e.S
		r.run(t, vcpu.Exit{Kind: vcpu.KindCR}, code...)
		gp := last(t, r).Vector == 13
		if gp != c.gp {
			t.Errorf("%s: gp %v", c.name, gp)
			continue
		}
		if gp && (r.e.S != before || r.e.R.RIP != 0x100000) {
			t.Errorf("%s: state changed", c.name)
		}
		if !gp && r.e.R.RIP == 0x100000 {
			t.Errorf("%s: rip", c.name)
		}
	}
	// Entering long mode sets LMA, CLTS and LMSW change what they may.
	r := newRig(t)
	r.e.S.CR0, r.e.S.EFER, r.e.S.CS.Attr = vcpu.CR0PE|vcpu.CR0ET|vcpu.CR0TS, vcpu.EFERLME, 0xc09b
	r.e.R.GPR[vcpu.RAX] = vcpu.CR0PE | vcpu.CR0PG
	r.run(t, vcpu.Exit{Kind: vcpu.KindCR, InstLen: 3, CR: vcpu.CRAccess{Known: true, Number: 0}})
	if r.e.S.EFER&vcpu.EFERLMA == 0 || r.e.S.CR0 != vcpu.CR0PE|vcpu.CR0PG|vcpu.CR0ET {
		t.Errorf("efer %x cr0 %x", r.e.S.EFER, r.e.S.CR0)
	}
	r.run(t, vcpu.Exit{Kind: vcpu.KindCR, InstLen: 3, CR: vcpu.CRAccess{Known: true, Op: vcpu.OpLMSW, Value: 0xa}})
	if r.e.S.CR0 != vcpu.CR0PE|vcpu.CR0PG|vcpu.CR0ET|vcpu.CR0TS|vcpu.CR0MP {
		t.Errorf("lmsw: %x", r.e.S.CR0)
	}
	r.run(t, vcpu.Exit{Kind: vcpu.KindCR, InstLen: 2, CR: vcpu.CRAccess{Known: true, Op: vcpu.OpCLTS}})
	if r.e.S.CR0&vcpu.CR0TS != 0 {
		t.Error("clts")
	}
}

func TestOSXSAVEShowsInCPUID(t *testing.T) {
	r := newRig(t)
	r.e.R.GPR[vcpu.RBX] = vcpu.CR4PAE | vcpu.CR4OSXSAVE
	r.run(t, vcpu.Exit{Kind: vcpu.KindCR}, 0x0f, 0x22, 0xe3)
	r.e.R.GPR[vcpu.RAX] = 1
	r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
	if r.e.R.GPR[vcpu.RCX]>>27&1 != 1 {
		t.Error("OSXSAVE")
	}
	for _, c := range []struct {
		val uint64
		gp  bool
	}{{7, false}, {5, true}, {0, true}, {0xf, true}, {3, false}} {
		r.e.Delivered = nil
		r.e.R.GPR[vcpu.RAX], r.e.R.GPR[vcpu.RDX], r.e.R.GPR[vcpu.RCX] = c.val, 0, 0
		r.run(t, vcpu.Exit{Kind: vcpu.KindXSETBV, InstLen: 3})
		if gp := last(t, r).Vector == 13; gp != c.gp || !gp && r.e.S.XCR0 != c.val {
			t.Errorf("xsetbv %x: gp %v xcr0 %x", c.val, gp, r.e.S.XCR0)
		}
	}
	r.e.R.GPR[vcpu.RAX], r.e.R.GPR[vcpu.RCX] = 0xd, 0
	r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
	if r.e.R.GPR[vcpu.RBX] != 576 || r.e.R.GPR[vcpu.RCX] != 832 {
		t.Errorf("xsave sizes %d %d", r.e.R.GPR[vcpu.RBX], r.e.R.GPR[vcpu.RCX])
	}
}

func TestSingleStepOverAnExit(t *testing.T) {
	r := newRig(t)
	r.e.R.RFLAGS |= vcpu.FlagTF
	r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
	if e := last(t, r); e.Vector != 1 || r.e.S.DR6>>14&1 != 1 || r.e.R.RIP != 0x100002 {
		t.Errorf("%+v dr6 %x rip %x", e, r.e.S.DR6, r.e.R.RIP)
	}
}

func TestDebugRegisters(t *testing.T) {
	r := newRig(t)
	r.e.R.GPR[vcpu.RAX] = 0x1234
	r.run(t, vcpu.Exit{Kind: vcpu.KindDR}, 0x0f, 0x23, 0xd8) // mov dr3, rax
	if r.e.S.DR[3] != 0x1234 {
		t.Errorf("dr3 %x", r.e.S.DR[3])
	}
	r.e.R.GPR[vcpu.RAX] = 1 << 32
	r.run(t, vcpu.Exit{Kind: vcpu.KindDR}, 0x0f, 0x23, 0xf8)
	if last(t, r).Vector != 13 {
		t.Error("high half of dr7")
	}
	r.e.S.DR7 |= 1 << 13
	r.run(t, vcpu.Exit{Kind: vcpu.KindDR}, 0x0f, 0x21, 0xf0) // mov rax, dr6
	if last(t, r).Vector != 1 || r.e.S.DR6>>13&1 != 1 {
		t.Error("general detect")
	}
}

// TestPAEPointers: reserved bits are #GP on Intel, where the processor would refuse
// the entry.
func TestPAEPointers(t *testing.T) {
	intel := func(l, sub uint32) (a, b, c, d uint32) {
		if a, b, c, d = amdHost(l, sub); l == 0 {
			b, d, c = 0x756e6547, 0x49656e69, 0x6c65746e
		}
		return a, b, c, d
	}
	for entry, want := range map[uint64]uint8{0x3001: 0, 0x3019: 0, 0x3000 | 0x1e6: 0, 0x3003: 13, 1<<62 | 1: 13} {
		r := newRig(t)
		r.v.CPUID = newCPUID(intel, vcpu.Caps{XCR0: 7}, 1, 2_000_000, 1_000_000)
		r.e.S.EFER, r.e.S.CR0 = 0, vcpu.CR0PE|vcpu.CR0ET
		r.e.S.CS.Attr = 0xc09b
		r.ram.PutUint64(0x1008, entry)
		r.ram.PutUint64(0x1000, 0)
		r.e.R.GPR[vcpu.RBX] = vcpu.CR0PE | vcpu.CR0PG | vcpu.CR0ET
		r.run(t, vcpu.Exit{Kind: vcpu.KindCR, InstLen: 3, CR: vcpu.CRAccess{GPR: vcpu.RBX, Known: true}})
		if e := last(t, r); e.Vector != want || (r.e.S.CR0&vcpu.CR0PG != 0) != (want == 0) {
			t.Errorf("%#x: %+v cr0 %x", entry, e, r.e.S.CR0)
		}
	}
}
