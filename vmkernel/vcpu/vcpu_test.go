package vcpu_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/emul"
	"basalt/vmkernel/vcpu/fakecpu"
)

// apic is a local APIC with nothing but what vcpu asks for.
type apic struct {
	irr, isr [4]uint64
	regs     map[uint32]uint64
	deadline uint64
	v        *vcpu.VCPU
	tpr      uint8
	eois     int
	level    bool
	nmi      bool
	init     bool
	sipi     bool
	page     uint8
	inits    int
	onInit   func()
}

func (a *apic) raise(v uint8) { a.irr[v>>6] |= 1 << (v & 63) }

func top(s *[4]uint64) (uint8, bool) {
	for v := 255; v >= 0; v-- {
		if s[v>>6]>>(v&63)&1 != 0 {
			return uint8(v), true
		}
	}
	return 0, false
}

func (a *apic) ReadMSR(i uint32) (uint64, bool) {
	if i == 0x8ff {
		return 0, false
	}
	return a.regs[i], true
}

func (a *apic) WriteMSR(i uint32, v uint64) bool {
	switch i {
	case 0x8ff:
		return false
	case 0x80b:
		a.EOI()
	case 0x6e0:
		a.deadline = v
	case 0x83f:
		a.raise(uint8(v))
	}
	return true
}

func (a *apic) WriteEOI() (quiet, ok bool) {
	a.EOI()
	_, any := top(&a.irr)
	return !any, true
}

func (a *apic) Pending() (uint8, bool) {
	if a.deadline != 0 && a.v.TSC() >= a.deadline {
		a.deadline = 0
		a.raise(0xec)
	}
	v, ok := top(&a.irr)
	if s, busy := top(&a.isr); busy && v>>4 <= s>>4 {
		return 0, false
	}
	return v, ok
}

func (a *apic) Accept(v uint8) {
	a.irr[v>>6] &^= 1 << (v & 63)
	a.isr[v>>6] |= 1 << (v & 63)
}

func (a *apic) EOI() {
	a.eois++
	if v, ok := top(&a.isr); ok {
		a.isr[v>>6] &^= 1 << (v & 63)
	}
}

func (a *apic) CanSkipEOI(uint8) bool {
	_, more := top(&a.irr)
	return !more && !a.level
}
func (a *apic) TPR() uint8          { return a.tpr }
func (a *apic) SetTPR(v uint8)      { a.tpr = v }
func (a *apic) DeadlineTSC() uint64 { return a.deadline }
func (a *apic) HasEvents() bool     { return a.nmi || a.init || a.sipi }
func (a *apic) TakeEvents() vcpu.Events {
	e := vcpu.Events{NMI: a.nmi, INIT: a.init, StartUp: a.sipi, Vector: a.page}
	a.nmi, a.init, a.sipi = false, false, false
	return e
}
func (a *apic) Init() {
	a.inits++
	if a.onInit != nil {
		a.onInit()
	}
}

func (a *apic) Reset() { *a = apic{regs: map[uint32]uint64{}} }

// machine is IO that records, with device memory at 0xfe000000.
type machine struct {
	log  []string
	ram  *gmem.Memory
	next uint64
}

func (m *machine) ReadPort(p uint16, b []byte) {
	for i := range b {
		b[i] = 0xff
	}
	if p == 0x60 {
		b[0] = 0x5a
	}
}

func (m *machine) WritePort(p uint16, b []byte) {
	m.log = append(m.log, "out "+hex(uint64(p))+" "+hexBytes(b))
}

func (m *machine) ReadMMIO(gpa uint64, b []byte) {
	var v [8]byte
	binary.LittleEndian.PutUint64(v[:], m.next)
	copy(b, v[:])
}

func (m *machine) WriteMMIO(gpa uint64, b []byte) {
	m.log = append(m.log, "write "+hex(gpa)+" "+hexBytes(b))
}

func (m *machine) Backed(gpa uint64, _ bool) (bool, error) { return m.ram.Contains(gpa, 1), nil }

func (m *machine) FastWritePort(p uint16, _ uint8, _ uint32) bool { return p == 0x80 }

func (m *machine) FastReadPort(p uint16, _ uint8) (uint32, bool) { return 0xfb, p == 0x21 }

func hex(v uint64) string {
	const d = "0123456789abcdef"
	s := ""
	for {
		s = string(d[v&15]) + s
		if v >>= 4; v == 0 {
			return s
		}
	}
}

func hexBytes(b []byte) (s string) {
	for _, c := range b {
		s += hex(uint64(c>>4)) + hex(uint64(c&15))
	}
	return s
}

type clock struct {
	tsc    uint64
	now    int64
	stolen uint64
}

func (c *clock) TSC() uint64            { return c.tsc }
func (c *clock) KHz() uint64            { return 2_000_000 }
func (c *clock) Now() int64             { return c.now }
func (c *clock) Wall() int64            { return 1_000_000_000_000_000_000 + c.now }
func (c *clock) Epoch() (uint64, int64) { return c.TSC(), c.Now() }
func (c *clock) Stolen(int) uint64      { return c.stolen }

// amdHost is a processor with everything.
func amdHost(l, sub uint32) (a, b, c, d uint32) {
	switch l {
	case 0:
		return 0xd, 0x68747541, 0x444d4163, 0x69746e65
	case 1:
		return 0x800f12, 0x10800, 0xffffffff, 0xffffffff
	case 7:
		return 0, 0xffffffff, 0xffffffff, 0xffffffff
	case 0xd:
		if sub == 2 {
			return 256, 576, 0, 0
		}
		return 0xf, 0, 0, 0
	case 0x80000000:
		return 0x8000001f, 0x68747541, 0x444d4163, 0x69746e65
	case 0x80000001:
		return 0x800f12, 0, 0xffffffff, 0xffffffff
	case 0x80000008:
		return 0x3030, 0xffffffff, 0, 0
	}
	return 0, 0, 0, 0
}

// newCPUID is the policy of level host.
func newCPUID(h vcpu.HostCPUID, caps vcpu.Caps, cpus int, tscKHz, busKHz uint32) *vcpu.CPUID {
	c, err := vcpu.NewCPUID(vcpu.Host{CPUID: h, Caps: caps}, vcpu.Level{}, cpus, tscKHz, busKHz)
	if err != nil {
		panic(err)
	}
	return c
}

type rig struct {
	v    *vcpu.VCPU
	e    *fakecpu.Engine
	apic *apic
	m    *machine
	ram  *gmem.Memory
	clk  *clock
}

// newRig is a processor in flat 64-bit mode without paging's help: identity
// tables at 0x1000 map the first 4 GiB; RIP is 0x100000.
func newRig(t testing.TB, steps ...fakecpu.Step) *rig {
	t.Helper()
	ram := gmemtest.New(8 << 20)
	r := &rig{ram: ram, m: &machine{ram: ram}, apic: &apic{regs: map[uint32]uint64{}}, clk: &clock{tsc: 1000}}
	ram.PutUint64(0x1000, 0x2000|7)
	for i := range uint64(4) {
		ram.PutUint64(0x2000+8*i, i<<30|0x87)
	}
	f := &fakecpu.Factory{Scripts: map[int][]fakecpu.Step{0: steps}}
	id := newCPUID(amdHost, f.Caps(), 1, 2_000_000, 1_000_000)
	r.v = vcpu.New(vcpu.Config{CPUID: id, APIC: r.apic, IO: r.m, Fast: r.m,
		Emul: emul.New(ram, r.m, 40), Mem: ram, Time: r.clk})
	r.apic.v = r.v
	tab, _ := f.NewTable()
	if err := r.v.Attach(f, tab); err != nil {
		t.Fatal(err)
	}
	r.e = f.Engines()[0]
	if err := r.v.Reset(func(g *vcpu.Regs, s *vcpu.System) {
		g.RIP = 0x100000
		g.RFLAGS = 2
		s.CR0 = vcpu.CR0PG | vcpu.CR0PE | vcpu.CR0ET | vcpu.CR0WP
		s.CR3 = 0x1000
		s.CR4 = vcpu.CR4PAE
		s.EFER = vcpu.EFERLMA | vcpu.EFERLME
		s.CS = vcpu.Segment{Limit: 0xffffffff, Attr: 0xa09b, Selector: 8}
		s.SS = vcpu.Segment{Limit: 0xffffffff, Attr: 0xc093, Selector: 16}
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// end is the step that makes Run return.
func (r *rig) end() fakecpu.Step {
	return fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}, Do: func(*fakecpu.Engine) { r.v.RequestStop() }}
}

// run executes code at RIP with one exit of it, then stops.
func (r *rig) run(t testing.TB, x vcpu.Exit, code ...byte) vcpu.Stop {
	t.Helper()
	if len(code) > 0 {
		if err := r.ram.Write(r.e.R.RIP, code); err != nil {
			t.Fatal(err)
		}
	}
	x.RIP = r.e.R.RIP
	r.e.Push(fakecpu.Step{Exit: x}, r.end())
	s := r.v.Run()
	r.v.ClearStop()
	return s
}

// TestUnknownInstructionAtADevice: a kernel's crashes the machine, a process's is #UD.
func TestUnknownInstructionAtADevice(t *testing.T) {
	x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000000}}
	r := newRig(t)
	if s := r.run(t, x, 0xd9, 0x03); s.Kind != vcpu.StopCrashed || !strings.Contains(s.Reason, "does not know") {
		t.Errorf("kernel: %+v", s)
	}
	r = newRig(t)
	r.e.S.SS.Attr |= 3 << 5
	if s := r.run(t, x, 0xd9, 0x03); s.Kind == vcpu.StopCrashed || len(r.e.Delivered) != 1 || r.e.Delivered[0].Vector != 6 {
		t.Errorf("process: %+v %+v", s, r.e.Delivered)
	}
}

func TestEveryKindHasARow(t *testing.T) {
	seen := map[string]bool{}
	for k := vcpu.Kind(0); k < vcpu.NumKinds; k++ {
		if n := k.String(); n == "" || seen[n] {
			t.Errorf("kind %d: %q", k, n)
		} else {
			seen[n] = true
		}
	}
	// And each row ends without a panic, whatever the guest's state is.
	for k := vcpu.Kind(0); k < vcpu.NumKinds+3; k++ {
		r := newRig(t)
		r.run(t, vcpu.Exit{Kind: k, PIO: vcpu.PIO{Port: 0x80, Size: 1}, Mem: vcpu.Memory{GPA: 0xfe000000}}, 0x90)
	}
}

func TestPIO(t *testing.T) {
	r := newRig(t)
	r.e.R.GPR[vcpu.RAX] = 0x1122334455667788
	r.run(t, vcpu.Exit{Kind: vcpu.KindPIO, PIO: vcpu.PIO{Port: 0x80, Size: 2}}, 0x66, 0xe7, 0x80)
	if r.e.R.RIP != 0x100003 || len(r.m.log) != 1 || r.m.log[0] != "out 80 8877" {
		t.Errorf("%x %v", r.e.R.RIP, r.m.log)
	}
	r.run(t, vcpu.Exit{Kind: vcpu.KindPIO, InstLen: 2, PIO: vcpu.PIO{Port: 0x60, Size: 1, In: true}}, 0xe4, 0x60)
	if got := r.e.R.GPR[vcpu.RAX]; got != 0x112233445566775a {
		t.Errorf("in 8: %x", got)
	}
	r.run(t, vcpu.Exit{Kind: vcpu.KindPIO, InstLen: 1, PIO: vcpu.PIO{Port: 0x7777, Size: 4, In: true}})
	if got := r.e.R.GPR[vcpu.RAX]; got != 0xffffffff {
		t.Errorf("hole: %x", got)
	}
	if r.v.Stats().Count(vcpu.KindPIO) != 3 {
		t.Error("count")
	}
}

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

func last(t *testing.T, r *rig) vcpu.Event {
	t.Helper()
	if len(r.e.Delivered) == 0 {
		return vcpu.Event{}
	}
	return r.e.Delivered[len(r.e.Delivered)-1]
}

func TestUndefinedAndProtected(t *testing.T) {
	for _, c := range []struct {
		x   vcpu.Exit
		vec uint8
	}{
		{vcpu.Exit{Kind: vcpu.KindVirtInst}, 6},
		{vcpu.Exit{Kind: vcpu.KindMWAIT}, 6},
		{vcpu.Exit{Kind: vcpu.KindSMI}, 6},
		{vcpu.Exit{Kind: vcpu.KindRDPMC}, 13},
		{vcpu.Exit{Kind: vcpu.KindRDMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x480}}, 13},
		{vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0xdead}}, 13},
		{vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x8ff}}, 13},
		{vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0xc0000080, Value: 1 << 12}}, 13},
		{vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x277, Value: 2}}, 13},
		{vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000000, Fetch: true}}, 6},
	} {
		r := newRig(t)
		r.run(t, c.x, 0x90)
		if e := last(t, r); e.Vector != c.vec || e.HasError != (c.vec == 13) || r.e.R.RIP != 0x100000 {
			t.Errorf("%v %+v: %+v rip %x", c.x.Kind, c.x.MSR, e, r.e.R.RIP)
		}
	}
	r := newRig(t)
	r.e.S.CR0 &^= vcpu.CR0PE | vcpu.CR0PG
	r.e.S.EFER = 0
	r.e.S.CS.Attr = 0x9b
	r.run(t, vcpu.Exit{Kind: vcpu.KindRDPMC}, 0x90)
	if e := last(t, r); e.Vector != 13 || e.HasError {
		t.Errorf("real mode has no error codes: %+v", e)
	}
}

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

func TestCPUIDPolicy(t *testing.T) {
	f := &fakecpu.Factory{}
	for _, cpus := range []int{1, 2, 6} {
		r := newRig(t)
		r.v.CPUID = newCPUID(amdHost, f.Caps(), cpus, 2_000_000, 1_000_000)
		ask := func(l, sub uint32) (a, b, c, d uint32) {
			r.e.R.GPR[vcpu.RAX], r.e.R.GPR[vcpu.RCX] = uint64(l), uint64(sub)
			r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
			g := &r.e.R.GPR
			return uint32(g[vcpu.RAX]), uint32(g[vcpu.RBX]), uint32(g[vcpu.RCX]), uint32(g[vcpu.RDX])
		}
		_, _, c, _ := ask(1, 0)
		if c>>5&1 != 0 || c>>21&1 != 1 || c>>24&1 != 1 || c>>31 != 1 || c>>3&1 != 0 {
			t.Errorf("leaf 1 ecx %x", c)
		}
		_, b7, c7, _ := ask(7, 0)
		if b7>>16&1 != 0 || c7>>16&1 != 0 || c7>>3&1 != 0 {
			t.Errorf("AVX-512, LA57 or PKU shown: %x %x", b7, c7)
		}
		_, _, ce, _ := ask(0x80000001, 0)
		if ce>>2&1 != 0 {
			t.Error("SVM shown")
		}
		a, b, c, d := ask(0x40000000, 0)
		if a != 0x40000010 || b != 0x4b4d564b || c != 0x564b4d56 || d != 0x4d {
			t.Error("hypervisor leaf")
		}
		if a, b, _, _ := ask(0x40000010, 0); a != 2_000_000 || b != 1_000_000 {
			t.Error("timing leaf")
		}
		if a, b, c, _ := ask(0xb, 1); b != uint32(cpus) || 1<<a < cpus || c != 0x201 {
			t.Errorf("topology %x %x %x", a, b, c)
		}
		if _, b, c, _ := ask(0xb, 2); b != 0 || c != 2 {
			t.Errorf("topology end %x %x", b, c)
		}
		if a, b, c, d := ask(0x8fffffff, 0); a|b|c|d != 0 {
			t.Error("beyond the last leaf")
		}
	}
}

func TestMSRTableIsSortedAndPassedListed(t *testing.T) {
	if n, p := vcpu.MSRPolicy(0xc0000102); n != "IA32_KERNEL_GS_BASE" || p != vcpu.Passed {
		t.Error(n, p)
	}
	for i := range uint32(0x2000) {
		for _, base := range []uint32{0, 0xc0000000, 0xc0010000, 0x4b564d00} {
			vcpu.MSRPolicy(base + i)
		}
	}
	if len(vcpu.PassedMSRs()) != 10 {
		t.Errorf("%x", vcpu.PassedMSRs())
	}
	r := newRig(t)
	for _, i := range vcpu.PassedMSRs() {
		if !r.v.WriteMSR(i, 0x1234) {
			t.Errorf("%x", i)
		}
		if v, ok := r.v.ReadMSR(i); !ok || v != 0x1234 {
			t.Errorf("%x: %x", i, v)
		}
	}
}

func TestEventsThatWereCutShort(t *testing.T) {
	pf := vcpu.Event{Valid: true, Vector: 14, Type: vcpu.EventException, HasError: true, CR2: 5}
	irq := vcpu.Event{Valid: true, Vector: 0x30, Type: vcpu.EventExtInt}
	for _, c := range []struct {
		name string
		x    vcpu.Exit
		want uint8
		kind vcpu.StopKind
	}{
		{"interrupt again", vcpu.Exit{Kind: vcpu.KindMemory, Event: irq, Mem: vcpu.Memory{GPA: 0x3000}}, 0x30, vcpu.StopRequested},
		{"page fault again", vcpu.Exit{Kind: vcpu.KindMemory, Event: pf, Mem: vcpu.Memory{GPA: 0x3000}}, 14, vcpu.StopRequested},
		{"exception in interrupt", vcpu.Exit{Kind: vcpu.KindVirtInst, Event: irq}, 6, vcpu.StopRequested},
		{"gp in pf is df", vcpu.Exit{Kind: vcpu.KindRDPMC, Event: pf}, 8, vcpu.StopRequested},
		{"gp in df is the end", vcpu.Exit{Kind: vcpu.KindRDPMC, Event: vcpu.Event{Valid: true, Vector: 8, Type: vcpu.EventException}}, 0, vcpu.StopReset},
		{"table in a hole", vcpu.Exit{Kind: vcpu.KindMemory, Event: irq, Mem: vcpu.Memory{GPA: 0xfe000000, Read: true}}, 0, vcpu.StopReset},
		{"given back", vcpu.Exit{Kind: vcpu.KindException, Event: vcpu.Event{Valid: true, Vector: 1, Type: vcpu.EventException}}, 1, vcpu.StopRequested},
	} {
		r := newRig(t)
		s := r.run(t, c.x, 0x90)
		if s.Kind != c.kind || last(t, r).Vector != c.want {
			t.Errorf("%s: %v, vector %d", c.name, s, last(t, r).Vector)
		}
	}
}

func TestTripleFaultNamesRegisters(t *testing.T) {
	r := newRig(t)
	s := r.run(t, vcpu.Exit{Kind: vcpu.KindTripleFault})
	if s.Kind != vcpu.StopReset || !strings.Contains(s.Reason, "rip 100000") || !strings.Contains(s.Reason, "cr3 1000") {
		t.Error(s)
	}
	r = newRig(t)
	s = r.run(t, vcpu.Exit{Kind: vcpu.KindTaskSwitch}, 0xcc, 0x90)
	if s.Kind != vcpu.StopCrashed || !strings.Contains(s.Reason, "task switch") || !strings.Contains(s.Reason, "cc 90") {
		t.Error(s)
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

func TestMMIO(t *testing.T) {
	r := newRig(t)
	r.e.R.GPR[vcpu.RBX] = 0xfe000000
	r.e.R.GPR[vcpu.RCX] = 0x99
	r.run(t, vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000004, Write: true}}, 0x89, 0x4b, 0x04)
	if len(r.m.log) != 1 || r.m.log[0] != "write fe000004 99000000" || r.e.R.RIP != 0x100003 {
		t.Errorf("%v rip %x", r.m.log, r.e.R.RIP)
	}
	r.m.next = 0xdeadbeef
	x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000010, Read: true}}
	r.run(t, x, 0x8b, 0x43, 0x10)
	if r.e.R.GPR[vcpu.RAX] != 0xdeadbeef {
		t.Errorf("%x", r.e.R.GPR[vcpu.RAX])
	}
}

func TestMMIOWithoutAllocation(t *testing.T) {
	r := newRig(t)
	r.e.R.GPR[vcpu.RBX] = 0xfe000000
	_ = r.ram.Write(0x100000, []byte{0x8b, 0x43, 0x10})
	x := vcpu.Exit{Kind: vcpu.KindMemory, Mem: vcpu.Memory{GPA: 0xfe000010, Read: true}}
	em := r.v.Emul
	r.v.Handle(&x)
	if n := testing.AllocsPerRun(100, func() {
		r.e.R.RIP = 0x100000
		r.v.Handle(&x)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	_ = em
}

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

func TestTSC(t *testing.T) {
	r := newRig(t)
	r.clk.tsc = 5000
	if r.v.TSC() != 4000 {
		t.Errorf("%d", r.v.TSC())
	}
	r.v.WriteMSR(0x10, 10)
	if adj, _ := r.v.ReadMSR(0x3b); r.v.TSC() != 10 || int64(adj) != -3990 {
		t.Errorf("%d adjust %d", r.v.TSC(), int64(adj))
	}
	r.v.WriteMSR(0x3b, 0)
	if r.v.TSC() != 4000 || r.e.Offset != ^uint64(999) {
		t.Errorf("%d offset %x", r.v.TSC(), r.e.Offset)
	}
}

// TestResetForgetsEvents: a reset may come between an exception that was queued and
// the entry that would have delivered it.
func TestResetForgetsEvents(t *testing.T) {
	r := newRig(t)
	r.e.Pending = vcpu.Event{Valid: true, Type: vcpu.EventException, Vector: 13}
	r.e.NMI = true
	if err := r.v.Reset(nil); err != nil {
		t.Fatal(err)
	}
	r.e.Push(fakecpu.Step{Exit: vcpu.Exit{Kind: vcpu.KindInterrupt}}, r.end())
	r.v.Run()
	if len(r.e.Delivered) != 0 {
		t.Errorf("delivered after the reset: %+v", r.e.Delivered)
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

func TestEventsToOneself(t *testing.T) {
	r := newRig(t)
	r.apic.nmi = true // what the write of ICR made
	x := vcpu.Exit{Kind: vcpu.KindWRMSR, InstLen: 2, MSR: vcpu.MSRAccess{Index: 0x830}}
	if r.v.FastExit(&x) != vcpu.Resume || !r.e.Kicked() {
		t.Fatal("nobody looks at the NMI")
	}
	r.e.Push(r.end())
	r.v.Run()
	if last(t, r).Type != vcpu.EventNMI {
		t.Error("no NMI")
	}
	r = newRig(t)
	r.apic.init = true
	if s := r.v.Run(); s.Kind != vcpu.StopInit {
		t.Errorf("INIT: %v", s)
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

// TestPassedRegistersTakeWhatTheProcessorTakes: STAR is no address.
func TestPassedRegistersTakeWhatTheProcessorTakes(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		msr uint32
		val uint64
		ok  bool
	}{
		{0xc0000081, 0x0023001000000000, true},
		{0xc0000082, 0x0023001000000000, false},
		{0xc0000084, 1 << 32, false}, {0xc0000084, 0x47700, true},
		{0x174, 1 << 32, false}, {0x175, 1 << 47, false}, {0xc0000102, 0xffff800000000000, true},
		{0x17a, 8, false},
	} {
		if got := r.v.WriteMSR(c.msr, c.val); got != c.ok {
			t.Errorf("%#x <- %#x: %v", c.msr, c.val, got)
		}
	}
	if v, _ := r.v.ReadMSR(0x17a); v != 0 {
		t.Error("a refused write changed the register")
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
