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

func (m *machine) FastReadMMIO(uint64, uint8) (uint64, bool) { return 0, false }

func (m *machine) FastWriteMMIO(uint64, uint8, uint64) (silent, ok bool) { return false, false }

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
	s = r.run(t, vcpu.Exit{Kind: vcpu.KindDescriptor}, 0xcc, 0x90)
	if s.Kind != vcpu.StopCrashed || !strings.Contains(s.Reason, "descriptor-table") || !strings.Contains(s.Reason, "cc 90") {
		t.Error(s)
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
