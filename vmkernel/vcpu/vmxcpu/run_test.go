package vmxcpu

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

func TestFirstEntryPreparesEverything(t *testing.T) {
	m := newMachine(t, nil)
	x := m.run(exit(vmx.Exit_CPUID, func(m *machine) { m.e.frame.RIP = 0x1234 }))
	if x.Kind != vcpu.KindCPUID || x.InstLen != 2 || x.RIP != 0x1234 || x.Event.Valid {
		t.Errorf("%+v", x)
	}
	for _, want := range []string{"vmxon", "vmclear", "vmptrld", "invept", "invvpid", "load", "enter", "save"} {
		if !m.has(want) {
			t.Errorf("no %s in %q", want, m.log)
		}
	}
	for _, tc := range []struct {
		f    vmx.Field
		want uint64
	}{
		{vmx.HOST_CR3, 0x5000}, {vmx.HOST_TR_BASE, 0xffff800012345678}, {vmx.HOST_TR_SELECTOR, 0x18},
		{vmx.HOST_RIP, 0xe417}, {vmx.EPTP, m.tab.Root()}, {vmx.VPID, 1}, {vmx.VMCS_LINK_POINTER, ^uint64(0)},
		{vmx.EXCEPTION_BITMAP, 1<<1 | 1<<17 | 1<<18}, {vmx.GUEST_CR0, 0x30}, {vmx.CR0_READ_SHADOW, 0x10},
		{vmx.GUEST_CR4, 0x2000}, {vmx.CR4_READ_SHADOW, 0},
	} {
		if got := m.get(tc.f); got != tc.want {
			t.Errorf("%v = %#x, want %#x", tc.f, got, tc.want)
		}
	}
	m.run(exit(vmx.Exit_CPUID))
	for _, never := range []string{"vmxon", "vmclear", "vmptrld", "invept", "invvpid"} {
		if m.has(never) {
			t.Errorf("second run: %s", never)
		}
	}
}

func TestFastExitStaysInside(t *testing.T) {
	m := newMachine(t, nil)
	n := 0
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if n++; n < 3 {
			m.e.frame.RIP += 2
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.run(exit(vmx.Exit_CPUID), exit(vmx.Exit_CPUID), exit(vmx.Exit_CPUID))
	if m.count("load") != 1 || m.count("save") != 1 {
		t.Errorf("extended state moved on fast exits: %q", m.log)
	}
}

// TestQuietExitsAskNothing: after a CPUID nothing can have become pending, except
// by a Kick, and a preemption timer that runs keeps running.
func TestQuietExitsAskNothing(t *testing.T) {
	m := newMachine(t, nil)
	m.e.frame.RFLAGS |= reg.RFLAGS_IF
	m.fast.deadline = 6400
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		m.fast.vector = 0x41
		m.tsc += 320
		m.e.frame.RIP += 2
		if x.Kind == vcpu.KindKick {
			m.fast.answer = nil
		}
		return vcpu.Resume
	}
	m.run(exit(vmx.Exit_CPUID), exit(vmx.Exit_CPUID, func(m *machine) { m.e.Kick() }), exit(vmx.Exit_HLT))
	if m.entry[0].timer != 201 || m.entry[1].timer != 191 || m.entry[1].info.Valid() {
		t.Errorf("%+v", m.entry[:2])
	}
	if m.entry[2].info.Vector() != 0x41 {
		t.Errorf("after the kick: %+v", m.entry[2])
	}
}

func TestHostInterruptIsTaken(t *testing.T) {
	m := newMachine(t, nil)
	m.e.msrs.LSTAR = 0x9e57
	m.e.pending = false
	m.run(exit(vmx.Exit_EXTERNAL_INTERRUPT), exit(vmx.Exit_HLT))
	if m.count("interrupts") != 1 || m.fast.kinds[0] != vcpu.KindInterrupt {
		t.Errorf("%q %v", m.log, m.fast.kinds)
	}
	if m.msrs[uint32(reg.LSTAR)] != 0x1057 {
		t.Error("the host's LSTAR is not back after Run")
	}
}

func TestInterruptSeesHostMSRs(t *testing.T) {
	m := newMachine(t, nil)
	saw := uint64(0)
	m.f.ops.takeInterrupts = func() { saw = m.msrs[uint32(reg.LSTAR)] }
	m.run(exit(vmx.Exit_EXTERNAL_INTERRUPT), exit(vmx.Exit_HLT))
	if saw != 0x1057 {
		t.Errorf("LSTAR %#x while the host takes an interrupt", saw)
	}
}

func TestBlockAndKick(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindHLT {
			return vcpu.Block
		}
		return vcpu.Return
	}
	m.fast.deadline = 77
	m.onPark = func(m *machine) { m.e.Kick() }
	x := m.run(exit(vmx.Exit_HLT, func(m *machine) { m.e.frame.RFLAGS |= reg.RFLAGS_IF }))
	if x.Kind != vcpu.KindKick || m.parks[0] != 77 || !m.has("unpark") {
		t.Errorf("%v %v %q", x.Kind, m.parks, m.log)
	}
	if len(m.kicks) != 0 {
		t.Error("an interrupt was sent to a processor that runs no guest")
	}
	m.fast.answer = nil
	m.run(exit(vmx.Exit_HLT, func(m *machine) { m.e.Kick() }))
	if len(m.kicks) != 1 {
		t.Error("no interrupt for the running guest")
	}
}

func TestDeadline(t *testing.T) {
	m := newMachine(t, nil)
	m.tsc, m.fast.deadline = 1000, 1000+64
	m.run(exit(vmx.Exit_PREEMPTION_TIMER, func(m *machine) { m.tsc = 5000 }),
		exit(vmx.Exit_PREEMPTION_TIMER, func(m *machine) { m.fast.deadline = 0 }), exit(vmx.Exit_HLT))
	if m.entry[0].timer != 3 || m.entry[1].timer != 0 || m.entry[2].timer != m.e.guard {
		t.Errorf("%+v", m.entry)
	}
	m = newMachine(t, func(c *Config) {
		c.Caps.Pin.May &^= vmx.PinPreemptionTimer
		c.Caps.Controls.Pin &^= vmx.PinPreemptionTimer
	})
	// After an interrupt of the host its timer is set for the host's own next time:
	// the guest's deadline would be lost.
	m.fast.deadline = 99
	m.run(exit(vmx.Exit_EXTERNAL_INTERRUPT), exit(vmx.Exit_HLT))
	if len(m.armed) != 2 || m.armed[0] != 99 || m.armed[1] != 99 {
		t.Errorf("fallback: %v", m.armed)
	}
}

// TestDeadlineOutlivesTheHostsTimer: one timer serves the host and every engine, so
// an interrupt may be the end of a setting that stood for the guest's deadline too.
func TestDeadlineOutlivesTheHostsTimer(t *testing.T) {
	m := newMachine(t, func(c *Config) {
		c.Caps.Pin.May &^= vmx.PinPreemptionTimer
		c.Caps.Controls.Pin &^= vmx.PinPreemptionTimer
	})
	m.fast.deadline = 99
	m.run(exit(vmx.Exit_EXTERNAL_INTERRUPT), exit(vmx.Exit_HLT))
	m.run(exit(vmx.Exit_HLT))
	if len(m.armed) != 3 || m.armed[1] != 99 || m.armed[2] != 99 {
		t.Errorf("set %v: want 99 at the start, after the interrupt and after ordinary Go", m.armed)
	}
}

// TestExitsLeaveTheHostItsInterrupts: no external-interrupt exit ever comes here,
// whoever handles what comes instead.
func TestExitsLeaveTheHostItsInterrupts(t *testing.T) {
	for _, c := range []struct {
		name string
		step func(*machine)
		want int
	}{
		{"resumed", exit(vmx.Exit_CPUID), 2},
		{"yielded", exit(vmx.Exit_PAUSE), 2 * guardTurns / pauseTurns},
		{"own MSR", exit(vmx.Exit_WRMSR, func(m *machine) { m.e.frame.GPR[vcpu.RCX] = uint64(reg.SFMASK) }), 2},
		{"threshold", exit(vmx.Exit_TPR_BELOW_THRESHOLD), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, nil)
			m.host.Contended = func() bool { return false }
			m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
				switch x.Kind {
				case vcpu.KindCPUID:
					return vcpu.Resume
				case vcpu.KindPause:
					m.e.frame.RIP += 2
					return vcpu.Yield
				}
				return vcpu.Return
			}
			steps := make([]func(*machine), 2*guardTurns+1)
			for i := range steps {
				steps[i] = c.step
			}
			if x := m.run(append(steps, exit(vmx.Exit_HLT))...); x.Kind != vcpu.KindHLT {
				t.Fatalf("%v", x.Kind)
			}
			if n := m.count("interrupts"); n != c.want {
				t.Errorf("%d times in %d exits, want %d", n, len(steps)+1, c.want)
			}
		})
	}
}

// TestTimerThatIsAlwaysDueLeavesTheHostItsInterrupts: the preemption timer exits
// before an external interrupt does.
func TestTimerThatIsAlwaysDueLeavesTheHostItsInterrupts(t *testing.T) {
	m := newMachine(t, nil)
	m.tsc, m.fast.deadline = 1000, 1
	m.run(exit(vmx.Exit_PREEMPTION_TIMER), exit(vmx.Exit_PREEMPTION_TIMER), exit(vmx.Exit_HLT))
	if n := m.count("interrupts"); n != 2 {
		t.Errorf("the host took interrupts %d times at 2 exits", n)
	}
}

// TestBreakpointInTheShadow: with TF set the processor refuses an entry in the shadow
// of MOV SS unless a single step is pending.
func TestBreakpointInTheShadow(t *testing.T) {
	for _, c := range []struct{ tf, want uint64 }{{reg.RFLAGS_TF, reg.DR6_BS}, {0, 0}} {
		m := newMachine(t, nil)
		m.run(exit(vmx.Exit_EXCEPTION_OR_NMI, func(m *machine) {
			m.set(vmx.EXIT_INTERRUPTION_INFO, uint64(vmx.MakeInfo(1, vmx.HardwareException, false)))
			m.set(vmx.GUEST_INTERRUPTIBILITY, uint64(vmx.BlockingByMOVSS))
			m.e.frame.RFLAGS = reg.RFLAGS_1 | c.tf
		}))
		if v := m.get(vmx.GUEST_PENDING_DEBUG_EXCEPTIONS); v != c.want {
			t.Errorf("TF %#x: pending %#x", c.tf, v)
		}
	}
}

func TestHypercallHasItsLevel(t *testing.T) {
	m := newMachine(t, nil)
	x := m.run(exit(vmx.Exit_VMCALL, func(m *machine) { m.set(vmx.GUEST_SS_ACCESS_RIGHTS, 0xc0f3) }))
	if x.Kind != vcpu.KindHypercall || x.CPL != 3 {
		t.Errorf("%+v", x)
	}
}

func TestTaskPriority(t *testing.T) {
	m := newMachine(t, nil)
	m.fast.tpr = 5
	m.run(exit(vmx.Exit_TPR_BELOW_THRESHOLD, func(m *machine) { *m.e.vtpr = 2 << 4 }), exit(vmx.Exit_HLT))
	if m.entry[0].threshold != 5 || m.fast.tpr != 2 || m.entry[1].threshold != 2 {
		t.Errorf("%+v, tpr %d", m.entry, m.fast.tpr)
	}
	e := m.engine(plainFast{&m.fast})
	if e.controls.Proc&(vmx.ProcCR8LoadExiting|vmx.ProcCR8StoreExiting|vmx.ProcUseTPRShadow) != vmx.ProcCR8LoadExiting|vmx.ProcCR8StoreExiting {
		t.Error("a Fast without TaskPriority needs CR8 exits")
	}
}

func TestDebugRegistersAreGivenOnFirstUse(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(vmx.Exit_MOV_DR, func(m *machine) { m.set(vmx.GUEST_DR7, 0x401) }), exit(vmx.Exit_HLT))
	if !m.has("loadDR") || m.entry[1].proc&vmx.ProcMOVDRExiting != 0 {
		t.Errorf("%q", m.log)
	}
	m.run(exit(vmx.Exit_HLT, func(m *machine) { m.set(vmx.GUEST_DR7, 0x400) }))
	if m.entry[0].proc&vmx.ProcMOVDRExiting != 0 || !m.has("saveDR") {
		t.Error("an armed breakpoint lost its registers")
	}
	m.run(exit(vmx.Exit_HLT))
	if m.entry[0].proc&vmx.ProcMOVDRExiting == 0 || m.has("loadDR") {
		t.Error("unused registers are still switched")
	}
}

func TestOwnMSRWrites(t *testing.T) {
	m := newMachine(t, nil)
	write := func(i reg.MSR, v uint64) func(*machine) {
		return exit(vmx.Exit_WRMSR, func(m *machine) {
			m.e.frame.GPR[1], m.e.frame.GPR[0], m.e.frame.GPR[2] = uint64(i), v&0xffffffff, v>>32
		})
	}
	m.run(write(reg.LSTAR, 0xffffffff81000000), write(reg.STAR, 1<<32), exit(vmx.Exit_HLT))
	var s vcpu.System
	m.e.LoadSystem(&s)
	if s.LSTAR != 0xffffffff81000000 || s.STAR != 1<<32 || len(m.fast.kinds) != 1 {
		t.Errorf("%#x %#x %v", s.LSTAR, s.STAR, m.fast.kinds)
	}
	if x := m.run(write(reg.LSTAR, 1<<50)); x.Kind != vcpu.KindWRMSR || x.MSR.Value != 1<<50 {
		t.Errorf("a value that is not canonical: %+v", x)
	}
	if x := m.run(write(reg.EFER, 1)); x.Kind != vcpu.KindWRMSR || x.MSR.Index != uint32(reg.EFER) {
		t.Errorf("%+v", x)
	}
}

func TestNMIOfTheHost(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(vmx.Exit_EXCEPTION_OR_NMI, func(m *machine) {
		m.set(vmx.EXIT_INTERRUPTION_INFO, uint64(vmx.MakeInfo(2, vmx.NMI, false)))
	}), exit(vmx.Exit_HLT))
	if !m.has("nmi") {
		t.Errorf("%q", m.log)
	}
}

func TestTwoEnginesOnOneProcessor(t *testing.T) {
	m := newMachine(t, nil)
	first := m.e
	second := m.engine(&m.fast)
	m.run(exit(vmx.Exit_HLT))
	m.e = second
	m.run(exit(vmx.Exit_HLT))
	m.e = first
	m.run(exit(vmx.Exit_HLT))
	if !m.has("vmptrld") || m.has("vmclear") || m.now != first.vmcsPA {
		t.Errorf("%q", m.log)
	}
	if first.vpid == second.vpid || first.vpid == 0 {
		t.Error("VPIDs", first.vpid, second.vpid)
	}
}

func TestMovingNeedsDetach(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(vmx.Exit_HLT))
	m.cpu = 1
	if err := m.loop(); !errors.Is(err, ErrMoved) {
		t.Fatal(err)
	}
	m.cpu = 0
	if err := m.e.Detach(); err != nil {
		t.Fatal(err)
	}
	m.cpu = 1
	m.run(exit(vmx.Exit_HLT))
	if !m.has("vmclear") || !m.has("vmptrld") {
		t.Errorf("%q", m.log)
	}
}

func TestCloseElsewhereKeepsTheFrame(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(vmx.Exit_HLT))
	m.cpu = 1
	before := m.freed
	if err := m.e.Close(); err != nil {
		t.Fatal(err)
	}
	if m.freed != before+2 {
		t.Errorf("%d frames freed, want the APIC page and the XSAVE area", m.freed-before)
	}
	if err := m.e.Run(&m.x); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	m.cpu = 0
	m.e = m.engine(&m.fast)
	m.run(exit(vmx.Exit_HLT))
	if m.freed != before+3 {
		t.Error("the VMCS was not freed after VMCLEAR")
	}
}

func TestShootdown(t *testing.T) {
	m := newMachine(t, nil)
	if err := m.tab.Map(0, 0, 2<<20, vcpu.ProtRead); err != nil {
		t.Fatal(err)
	}
	m.run(exit(vmx.Exit_HLT))
	if err := m.tab.Unmap(0, 0x1000); err != nil {
		t.Fatal(err)
	}
	m.run(exit(vmx.Exit_HLT))
	if m.count("invept") != 1 {
		t.Errorf("%q", m.log)
	}
	m.e.FlushTLB()
	m.run(exit(vmx.Exit_HLT))
	if m.has("invept") || m.count("invvpid") != 1 {
		t.Errorf("%q", m.log)
	}
}

func TestEntryFailures(t *testing.T) {
	var reports []string
	m := newMachine(t, func(c *Config) { c.Log = func(s string) { reports = append(reports, s) } })
	bad := func(m *machine) {
		m.e.frame.Reason = vmx.ExitEntryFailure | uint64(vmx.Exit_ENTRY_FAILURE_GUEST_STATE)
		m.set(vmx.GUEST_TR_ACCESS_RIGHTS, vmx.AccessUnusable)
	}
	for range 2 {
		if x := m.run(bad); x.Kind != vcpu.KindEntryFailed || vmx.ExitReason(x.Raw.Code) != vmx.Exit_ENTRY_FAILURE_GUEST_STATE {
			t.Errorf("%+v", x)
		}
	}
	if len(reports) != 1 || !strings.Contains(reports[0], "TR unusable") || !strings.Contains(reports[0], "GUEST_RIP") {
		t.Errorf("%q", reports)
	}
	m.script, m.step = []func(*machine){func(m *machine) {
		m.fail = vmx.FailValid
		m.set(vmx.VM_INSTRUCTION_ERROR, 8)
	}}, 0
	if err := m.loop(); !errors.Is(err, ErrVMCS) || !strings.Contains(err.Error(), "host-state") {
		t.Error(err)
	}
	m = newMachine(t, nil)
	m.fail = vmx.FailInvalid
	if err := m.loop(); !errors.Is(err, ErrVMXON) {
		t.Error(err)
	}
}

func TestNoExitAllocates(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(vmx.Exit_HLT))
	m.quiet, m.fast.quiet = true, true
	m.fast.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindCPUID {
			m.e.frame.RIP += 2
			return vcpu.Resume
		}
		return vcpu.Return
	}
	m.script = []func(*machine){exit(vmx.Exit_CPUID), exit(vmx.Exit_EPT_VIOLATION), exit(vmx.Exit_IO_INSTRUCTION)}
	m.script[1] = exit(vmx.Exit_CPUID)
	if n := testing.AllocsPerRun(100, func() {
		m.step = 0
		if err := m.loop(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
}

func TestSizes(t *testing.T) {
	if unsafe.Sizeof(Engine{}.kicked) != 4 {
		t.Error("kicked is not one word")
	}
}

func TestFactoryRefuses(t *testing.T) {
	m := newMachine(t, nil)
	c := m.f.cfg
	c.PassMSRs = []uint32{uint32(reg.EFER)}
	if _, err := newFactory(c, m.ops()); err == nil || !strings.Contains(err.Error(), "0xc0000080") {
		t.Error(err)
	}
	c.PassMSRs = vcpu.PassedMSRs()
	f, err := newFactory(c, m.ops())
	if err != nil {
		t.Fatal(err)
	}
	b := f.msrBitmap(f.msrs)
	for _, tc := range []struct {
		i      reg.MSR
		rd, wr bool
	}{{reg.KernelGSBase, false, false}, {reg.LSTAR, false, true}, {reg.EFER, true, true}} {
		if rd, wr := b.Intercepts(uint32(tc.i)); rd != tc.rd || wr != tc.wr {
			t.Errorf("%#x: %v %v", tc.i, rd, wr)
		}
	}
	if _, err := m.f.NewEngine(0, nil, &m.fast); !errors.Is(err, ErrOtherTable) {
		t.Error(err)
	}
	m.used = testFrames
	if _, err := m.f.NewEngine(0, m.tab, &m.fast); !errors.Is(err, ErrNoMemory) {
		t.Error(err)
	}
	if _, err := newFactory(c, m.ops()); !errors.Is(err, ErrNoMemory) {
		t.Error(err)
	}
}

// TestTimerExitsAreCounted: what the guard takes from a guest that never leaves by
// itself shows in its statistics.
func TestTimerExitsAreCounted(t *testing.T) {
	m := newMachine(t, nil)
	m.run(exit(vmx.Exit_PREEMPTION_TIMER), exit(vmx.Exit_HLT))
	if len(m.fast.kinds) == 0 || m.fast.kinds[0] != vcpu.KindInterrupt {
		t.Errorf("%v", m.fast.kinds)
	}
}

// A thread that belongs to the host asks before its guest runs, once.
func TestEntersWhenToldTo(t *testing.T) {
	m := newMachine(t, nil)
	m.e.inside = hostcpu.MustEnter
	m.fast.answer = func(*vcpu.Exit) vcpu.Verdict {
		if m.e.inside != hostcpu.InGuest {
			t.Error("the guest runs in the host's time")
		}
		return vcpu.Return
	}
	m.run(exit(vmx.Exit_CPUID))
	m.run(exit(vmx.Exit_CPUID))
	if m.entered != 1 || m.e.inside != hostcpu.InGo {
		t.Errorf("asked %d times, word %d", m.entered, m.e.inside)
	}
}
