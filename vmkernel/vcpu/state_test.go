package vcpu_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/fakecpu"
)

var update = flag.Bool("update", false, "write the golden file of the newest version")

const area = 832 // of the XSAVE area with AVX

// busy is a processor in the middle of everything.
func busy(t testing.TB) *rig {
	r := newRig(t)
	w := func(i uint32, val uint64) {
		if !r.v.WriteMSR(i, val) {
			t.Fatalf("MSR %#x", i)
		}
	}
	w(0x10, 5_000_000)
	w(0x3b, 77)
	w(0x200, 0x6)
	w(0x201, 0xff8000800)
	w(0x250, 0x0606060606060606)
	w(0x268, 0x0505050505050505)
	w(0x2ff, 0xc06)
	w(0x17a, 4)
	w(0x12, 0x30001)
	w(0x11, 0x30100)
	w(0x4b564d03, 0x31001)
	w(0x4b564d04, 0x32001)
	w(0xc0000081, 0x23001000000000)
	w(0xc0000082, 0xffffffff81000000)
	w(0xc0000102, 0xffff888000000000)
	w(0xc0000103, 3)
	w(0x176, 0xffffffff82000000)
	r.clk.stolen = 12345
	r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2}) // the pages are written
	for i := range r.e.R.GPR {
		r.e.R.GPR[i] = uint64(i+1) * 0x1111111111111111
	}
	r.e.R.RFLAGS = 0x246
	r.e.S.CR2, r.e.S.DR7, r.e.S.DR = 0x1234, 0x402, [4]uint64{1, 2, 3, 4}
	r.e.S.FS.Base = 0x7fff00000000
	r.e.S.XCR0 = 7
	r.e.S.NMIBlocked = true
	r.e.Shadow = true
	x := r.e.XSAVE()
	binary.LittleEndian.PutUint64(x[512:], 7)
	for i := range 256 {
		x[160+i], x[576+i] = byte(i), byte(255-i)
	}
	r.e.Inject(vcpu.Event{Valid: true, Vector: 14, Type: vcpu.EventException, HasError: true, Error: 2})
	r.v.NMI()
	return r
}

func save(t testing.TB, r *rig) []byte {
	t.Helper()
	b, err := r.v.SaveState(9_000_000 - r.v.TSCOffset())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r *rig) load(b []byte) error { return r.v.LoadState(b, r.clk.tsc) }

func TestStateRoundTrip(t *testing.T) {
	a := busy(t)
	b := save(t, a)
	if again := save(t, a); !bytes.Equal(b, again) {
		t.Error("saving changes the state")
	}
	to := newRig(t)
	to.clk.tsc, to.clk.stolen = 1<<40, 999
	if err := to.load(b); err != nil {
		t.Fatal(err)
	}
	if got := to.v.TSC(); got != 9_000_000 {
		t.Errorf("TSC %d", got)
	}
	if again := save(t, to); !bytes.Equal(b, again) {
		t.Error("loaded and saved it is another state")
	}
	if to.e.R != a.e.R || to.e.Shadow != true || to.e.Pending != a.e.Pending || !bytes.Equal(to.e.XSAVE(), a.e.XSAVE()) {
		t.Errorf("engine\n%+v\n%+v", a.e, to.e)
	}
	sa, sb := a.e.S, to.e.S
	sa.InterruptShadow = true
	if sa != sb {
		t.Errorf("\n%+v\n%+v", sa, sb)
	}
	for _, i := range []uint32{0x3b, 0x200, 0x201, 0x250, 0x268, 0x2ff, 0x17a, 0x1a0, 0x12, 0x11, 0x4b564d03, 0x4b564d04, 0xc0000103} {
		x, _ := a.v.ReadMSR(i)
		if y, ok := to.v.ReadMSR(i); !ok || x != y {
			t.Errorf("MSR %#x: %#x, %#x", i, x, y)
		}
	}
}

// TestEveryMSRIsSaved: whatever WRMSR accepts is there after a load.
func TestEveryMSRIsSaved(t *testing.T) {
	for i := uint32(0); ; i++ {
		switch i {
		case 0x2000:
			i = 0x4b564d00
		case 0x4b564d10:
			i = 0xc0000080
		case 0xc0000200:
			i = 0xc0010000
		case 0xc0010200:
			i = 0xc0011000
		case 0xc0011100:
			return
		}
		if _, p := vcpu.MSRPolicy(i); p != vcpu.Passed && p != vcpu.Emulated {
			continue
		}
		if i == 0x10 || i == 0x1b || i == 0x6e0 || i >= 0x800 && i < 0x900 {
			continue // the counter moves; the APIC has its own section
		}
		r, to := newRig(t), newRig(t)
		old, _ := r.v.ReadMSR(i)
		for _, val := range []uint64{0x5000, 1, 0x0506050605060506, 0x6, old ^ 1} {
			if !r.v.WriteMSR(i, val) {
				continue
			}
			r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
			want, _ := r.v.ReadMSR(i)
			b, err := r.v.SaveState(0)
			if err != nil {
				if i != 0xc0000080 { // EFER without what belongs to it
					t.Errorf("MSR %#x: %v", i, err)
				}
				break
			}
			if err := to.load(b); err != nil {
				t.Errorf("MSR %#x: %v", i, err)
			}
			if got, _ := to.v.ReadMSR(i); got != want {
				t.Errorf("MSR %#x: %#x, want %#x", i, got, want)
			}
		}
	}
}

// TestHaltIsKept: a processor that sleeps in HLT wakes up behind it.
func TestHaltIsKept(t *testing.T) {
	r := newRig(t)
	r.e.R.RFLAGS |= vcpu.FlagIF
	r.e.Push(fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindHLT, InstLen: 1}, Do: func(*fakecpu.Engine) { r.v.RequestStop() }})
	r.v.Run()
	b := save(t, r)
	to := newRig(t)
	if err := to.load(b); err != nil {
		t.Fatal(err)
	}
	to.apic.raise(0x40)
	to.e.Push(to.end())
	to.v.Run()
	if len(to.e.Delivered) != 1 || to.e.Delivered[0].Vector != 0x40 || to.e.R.RIP != 0x100001 {
		t.Errorf("%+v, RIP %#x", to.e.Delivered, to.e.R.RIP)
	}
}

// TestEventsAreDelivered: what was injected and not delivered comes once.
func TestEventsAreDelivered(t *testing.T) {
	r := busy(t)
	to := newRig(t)
	if err := to.load(save(t, r)); err != nil {
		t.Fatal(err)
	}
	to.e.Push(fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}}, fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}}, to.end())
	to.v.Run()
	if d := to.e.Delivered; len(d) != 2 || d[0].Vector != 14 || d[0].Error != 2 || d[1].Type != vcpu.EventNMI {
		t.Errorf("%+v", d)
	}
}

// TestClockPageFollows: the page of the PV clock is written again at the first entry.
func TestClockPageFollows(t *testing.T) {
	r := busy(t)
	to := newRig(t)
	to.clk.tsc, to.clk.now, to.clk.stolen = 1<<50, 777, 5
	if err := to.load(save(t, r)); err != nil {
		t.Fatal(err)
	}
	version, _ := r.ram.Uint32(0x30000)
	to.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	v, _ := to.ram.Uint32(0x30000)
	tsc, _ := to.ram.Uint64(0x30008)
	now, _ := to.ram.Uint64(0x30010)
	if v != version+2 || tsc != 9_000_000 || now != 777 {
		t.Errorf("version %d after %d, TSC %d, time %d", v, version, tsc, now)
	}
	// Steal time goes on from what the guest was told.
	told, _ := r.ram.Uint64(0x31000)
	to.clk.stolen += 100
	to.run(t, vcpu.Exit{Kind: vcpu.KindInterrupt})
	to.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
	if got, _ := to.ram.Uint64(0x31000); got != told+100 {
		t.Errorf("steal time %d after %d", got, told)
	}
}

func TestStateRefusals(t *testing.T) {
	b := save(t, busy(t))
	type edit = func(r *vcpu.Regs, s *vcpu.System, ev *[3]vcpu.Event, x []byte)
	const wild = 1 << 63
	for name, f := range map[string]edit{
		"CR0":                  func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CR0 |= 1 << 40 },
		"CR0.PG":               func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CR0 &^= vcpu.CR0PE },
		"CR0.NW":               func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CR0 |= vcpu.CR0NW },
		"CR3":                  func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CR3 = wild },
		"CR4":                  func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CR4 |= 1 << 13 },
		"CR4.PAE":              func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CR4 &^= vcpu.CR4PAE },
		"EFER":                 func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.EFER |= 1 << 12 },
		"EFER.LMA":             func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.EFER &^= vcpu.EFERLMA },
		"PAT":                  func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.PAT = 2 },
		"DR6":                  func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.DR6 |= 1 << 32 },
		"DR7":                  func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.DR7 |= 1 << 32 },
		"CS":                   func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CS.Attr |= vcpu.AttrDB },
		"DS":                   func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.DS.Base = 1 << 40 },
		"FS":                   func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.FS.Base = wild },
		"GS":                   func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.GS.Attr = 1 << 20 },
		"TR":                   func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.TR.Base = wild },
		"GDTR":                 func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.GDTR.Base = wild },
		"IDTR":                 func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.IDTR.Base = wild },
		"KERNEL_GS_BASE":       func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.KernelGSBase = wild },
		"LSTAR":                func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.LSTAR = wild },
		"CSTAR":                func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.CSTAR = wild },
		"FMASK":                func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.SFMASK = wild },
		"SYSENTER_CS":          func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.SysenterCS = wild },
		"SYSENTER_ESP":         func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.SysenterESP = wild },
		"SYSENTER_EIP":         func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.SysenterEIP = wild },
		"TSC_AUX":              func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.TSCAUX = wild },
		"XSS":                  func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.XSS = 1 },
		"XCR0":                 func(_ *vcpu.Regs, s *vcpu.System, _ *[3]vcpu.Event, _ []byte) { s.XCR0 = 5 },
		"RFLAGS":               func(r *vcpu.Regs, _ *vcpu.System, _ *[3]vcpu.Event, _ []byte) { r.RFLAGS = 0 },
		"RIP":                  func(r *vcpu.Regs, _ *vcpu.System, _ *[3]vcpu.Event, _ []byte) { r.RIP = wild },
		"XSAVE area (MXCSR)":   func(_ *vcpu.Regs, _ *vcpu.System, _ *[3]vcpu.Event, x []byte) { x[27] = 1 },
		"XSAVE area (BV)":      func(_ *vcpu.Regs, _ *vcpu.System, _ *[3]vcpu.Event, x []byte) { x[513] = 1 },
		"XSAVE area (compact)": func(_ *vcpu.Regs, _ *vcpu.System, _ *[3]vcpu.Event, x []byte) { x[527] = 0x80 },
		"XSAVE area (header)":  func(_ *vcpu.Regs, _ *vcpu.System, _ *[3]vcpu.Event, x []byte) { x[575] = 1 },
		"pending event (vector)": func(_ *vcpu.Regs, _ *vcpu.System, ev *[3]vcpu.Event, _ []byte) {
			ev[1] = vcpu.Event{Valid: true, Vector: 99, Type: vcpu.EventException}
		},
		"pending event (type)": func(_ *vcpu.Regs, _ *vcpu.System, ev *[3]vcpu.Event, _ []byte) {
			ev[0] = vcpu.Event{Valid: true, Type: 9}
		},
		"pending event (behind)": func(_ *vcpu.Regs, _ *vcpu.System, ev *[3]vcpu.Event, _ []byte) { ev[2] = ev[1] },
	} {
		bad, err := vcpu.EditState(b, area, f)
		if err != nil {
			t.Fatal(err)
		}
		to := newRig(t)
		before := save(t, to)
		err = to.load(bad)
		field, _, _ := strings.Cut(name, " (")
		if !errors.Is(err, checkpoint.ErrInvalid) || !strings.Contains(err.Error(), ": "+field+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(before, save(t, to)) {
			t.Errorf("%s: a load that failed has changed something", name)
		}
	}
	for _, name := range []string{"MTRRs", "MCG_STATUS", "MISC_ENABLE", "MSR_KVM_STEAL_TIME", "MSR_KVM_PV_EOI_EN"} {
		bad, err := vcpu.EditMSRs(b, area, func(m map[string]*uint64) { *m[name] = ^uint64(0) })
		if err != nil {
			t.Fatal(err)
		}
		if err := newRig(t).load(bad); !errors.Is(err, checkpoint.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	to := newRig(t)
	for n := range b {
		if err := to.load(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
	}
	// A state that nobody would load is refused while the machine is still here.
	r := busy(t)
	r.e.S.XCR0 = 0xff
	if _, err := r.v.SaveState(0); err == nil || !strings.Contains(err.Error(), "XCR0") {
		t.Error(err)
	}
}

func TestStateGolden(t *testing.T) {
	name := filepath.Join("testdata", "cpu1.state")
	if *update {
		if err := os.WriteFile(name, save(t, busy(t)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob("testdata/cpu*.state")
	if len(files) != 1 {
		t.Fatalf("%v: one for every version", files)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		to := newRig(t)
		if err := to.load(b); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if !bytes.Equal(save(t, to), save(t, busy(t))) {
			t.Errorf("%s: another state", f)
		}
	}
}

func FuzzCPUState(f *testing.F) {
	b := save(f, busy(f))
	f.Add(b)
	f.Add(b[:len(b)-area])
	f.Add(save(f, newRig(f)))
	r := newRig(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		r.e.DropEvents()
		if r.load(in) != nil {
			return
		}
		tsc := r.v.TSC()
		out, err := r.v.SaveState(tsc - r.v.TSCOffset())
		if err != nil {
			t.Fatalf("it was loaded and cannot be saved: %v", err)
		}
		if err := r.load(out); err != nil {
			t.Fatalf("saved again: %v", err)
		}
		x := r.e.XSAVE()
		if binary.LittleEndian.Uint64(x[512:])&^7 != 0 || binary.LittleEndian.Uint64(x[520:]) != 0 || binary.LittleEndian.Uint32(x[24:])&^0x2ffff != 0 {
			t.Fatal("XRSTOR would fault in the host")
		}
	})
}

func TestFingerprint(t *testing.T) {
	caps := vcpu.Caps{RDTSCP: true, INVPCID: true, XCR0: 7}
	mk := func(edit func(l, sub uint32, v *[4]uint32)) *vcpu.CPUID {
		return newCPUID(func(l, sub uint32) (uint32, uint32, uint32, uint32) {
			a, b, c, d := amdHost(l, sub)
			v := [4]uint32{a, b, c, d}
			edit(l, sub, &v)
			return v[0], v[1], v[2], v[3]
		}, caps, 1, 2_000_000, 1_000_000)
	}
	same := func(uint32, uint32, *[4]uint32) {}
	base := mk(same)
	if err := mk(same).Compare(base.Fingerprint()); err != nil {
		t.Error(err)
	}
	if err := newCPUID(amdHost, caps, 1, 2_000_100, 1_000_000).Compare(base.Fingerprint()); err != nil {
		t.Errorf("another frequency: %v", err)
	}
	noAVX2 := mk(func(l, _ uint32, v *[4]uint32) {
		if l == 7 {
			v[1] &^= 1 << 5
		}
	})
	if err := noAVX2.Compare(base.Fingerprint()); err == nil || !strings.Contains(err.Error(), "lacks") || !strings.Contains(err.Error(), "leaf 0x7.0 EBX, bits 0x20") {
		t.Error(err)
	}
	if err := base.Compare(noAVX2.Fingerprint()); err == nil || !strings.Contains(err.Error(), "did not have") {
		t.Error(err)
	}
	model := mk(func(l, _ uint32, v *[4]uint32) {
		if l == 1 {
			v[0] = 0x900000
		}
	})
	if err := model.Compare(base.Fingerprint()); err == nil || !strings.Contains(err.Error(), "differs") {
		t.Error(err)
	}
	for _, bad := range [][]byte{nil, {1, 0}, {9, 0}, base.Fingerprint()[:26], append(base.Fingerprint(), 0)} {
		if base.Compare(bad) == nil {
			t.Errorf("%d bytes of a fingerprint", len(bad))
		}
	}
}
