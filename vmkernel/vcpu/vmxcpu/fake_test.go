package vmxcpu

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// machine is a host of Go memory whose VMCS is a table and whose guest is a script.
type machine struct {
	entered int // calls of EnterGuest
	t       *testing.T
	host    hostcpu.Host
	f       *Factory
	tab     vcpu.NestedTable
	e       *Engine
	x       vcpu.Exit
	fast    fakeFast
	mem     []byte
	base    uintptr
	used    int
	freed   int
	cpu     int
	tsc     uint64
	vmcs    map[uint64]*[1 << 15]uint64 // by physical address
	now     uint64                      // the current one
	script  []func(*machine)
	step    int
	log     []string
	entry   []entryView
	armed   []uint64
	kicks   []int
	onPark  func(*machine)
	parks   []uint64
	msrs    map[uint32]uint64
	writes  int // VMWRITEs
	fail    vmx.Flags
	quiet   bool // no log, no views: for counting allocations
}

// entryView is what a test looks at in a VMCS that goes in.
type entryView struct {
	info             vmx.InterruptionInfo
	code             uint32
	proc             uint32
	timer, threshold uint64
	rip, rflags      uint64
	interruptible    uint64
	mitigate         uint64
}

type fakeFast struct {
	kinds    []vcpu.Kind
	last     vcpu.Exit
	answer   func(x *vcpu.Exit) vcpu.Verdict
	vector   int // -1: none
	acked    []uint8
	onAck    func()
	deadline uint64
	tpr      uint8
	quiet    bool
	steal    bool // the guest wants to know when it is away
	gone     bool // it is
	wish     bool // a flush is asked for meanwhile
}

func (f *fakeFast) Away() bool {
	f.gone = f.steal
	return f.steal
}

func (f *fakeFast) Back() bool {
	wish := f.wish
	f.gone, f.wish = false, false
	return wish
}

func (f *fakeFast) FastExit(x *vcpu.Exit) vcpu.Verdict {
	if !f.quiet {
		f.kinds = append(f.kinds, x.Kind)
		f.last = *x
	}
	if x.Kind == vcpu.KindInterrupt {
		return vcpu.Resume
	}
	if f.answer != nil {
		return f.answer(x)
	}
	return vcpu.Return
}
func (f *fakeFast) PendingInterrupt() (uint8, bool) { return uint8(f.vector), f.vector >= 0 }
func (f *fakeFast) AckInterrupt(v uint8) {
	f.acked = append(f.acked, v)
	f.vector = -1
	if f.onAck != nil {
		f.onAck()
	}
}
func (f *fakeFast) Deadline() uint64        { return f.deadline }
func (f *fakeFast) TaskPriority() uint8     { return f.tpr }
func (f *fakeFast) SetTaskPriority(v uint8) { f.tpr = v }

// plainFast hides TaskPriority.
type plainFast struct{ vcpu.Fast }

const testFrames = 64

// fullCaps has everything; tests take things away.
func fullCaps() *vmx.Caps {
	c := &vmx.Caps{
		Revision: 7, CR0Fixed0: 0x80000021, CR0Fixed1: 0xffffffff, CR4Fixed0: 0x2000, CR4Fixed1: 0x3fffff,
		PreemptionShift: 5, SavesLMA: true, EPT1G: true, EPTAccessedDirty: true,
		INVEPTSingle: true, INVEPTAll: true, INVVPID: true, INVVPIDSingle: true, INVVPIDAll: true,
		Pin: vmx.ControlCap{Must: 0x16, May: 0x7f}, Proc: vmx.ControlCap{Must: 0x4006172, May: 0xfff9fffe},
		Proc2: vmx.ControlCap{May: 0x7fff}, Exit: vmx.ControlCap{Must: 0x36dfb, May: 0x7fffff},
		Entry: vmx.ControlCap{Must: 0x11fb, May: 0xffff},
	}
	var err error
	if c.Controls, err = c.Choose(); err != nil {
		panic(err)
	}
	return c
}

func newMachine(t *testing.T, edit func(*Config)) *machine {
	t.Helper()
	m := &machine{t: t, mem: make([]byte, (testFrames+1)<<12), msrs: map[uint32]uint64{}, vmcs: map[uint64]*[1 << 15]uint64{}}
	m.base = (uintptr(unsafe.Pointer(&m.mem[0])) + 4095) &^ 4095
	m.fast.vector = -1
	m.host = hostcpu.Host{
		NumCPU:      2,
		CPU:         func() int { return m.cpu },
		RDTSC:       func() uint64 { return m.tsc },
		SetDeadline: func(d uint64) { m.armed = append(m.armed, d) },
		Kick:        func(c int) { m.kicks = append(m.kicks, c) },
		Park: func(w *uint32, val uint32, d uint64) {
			if m.e.inside != hostcpu.InGuest {
				t.Error("parked as ordinary Go")
			}
			m.parks = append(m.parks, d)
			m.note("park")
			m.onPark(m)
		},
		Unpark: func(*uint32) { m.note("unpark") },
		EnterGuest: func() {
			if m.e.inside != hostcpu.MustEnter {
				t.Error("EnterGuest without need")
			}
			m.entered++
		},
		Alloc: func(n, align int) (uint64, bool) {
			if m.used+n > testFrames {
				return 0, false
			}
			m.used += n
			return 0x10_0000 + uint64(m.used-n)<<12, true
		},
		Free: func(pa uint64, n int) { m.freed += n },
		Virt: func(pa uint64) uintptr { return m.base + uintptr(pa-0x10_0000) },
	}
	t.Cleanup(func() {
		runtime.KeepAlive(m.mem)
		if m.e != nil && m.e.inside == hostcpu.InGuest {
			t.Error("the run loop ended and the thread still belongs to the guest")
		}
	})
	c := Config{Host: &m.host, Caps: fullCaps(), XCR0: 7, XSAVESize: 832, RDTSCP: true, INVPCID: true, Leaks: vmx.Leaks{IBRS: true}}
	if edit != nil {
		edit(&c)
	}
	var err error
	if m.f, err = newFactory(c, m.ops()); err != nil {
		t.Fatal(err)
	}
	if m.tab, err = m.f.NewTable(); err != nil {
		t.Fatal(err)
	}
	m.e = m.engine(&m.fast)
	return m
}

func (m *machine) engine(f vcpu.Fast) *Engine {
	m.t.Helper()
	e, err := m.f.NewEngine(0, m.tab, f)
	if err != nil {
		m.t.Fatal(err)
	}
	return e.(*Engine)
}

func (m *machine) note(s string) {
	if !m.quiet {
		m.log = append(m.log, s)
	}
}

func (m *machine) get(f vmx.Field) uint64    { return m.vmcs[m.now][f] }
func (m *machine) set(f vmx.Field, v uint64) { m.vmcs[m.now][f] = v }

func (m *machine) ops() *ops {
	return &ops{
		enter:   m.enter,
		exitPC:  func() uint64 { return 0xe417 },
		fillRSB: func() {},
		read:    func(f vmx.Field) (uint64, vmx.Flags) { return m.get(f), vmx.Succeed },
		readMany: func(f []vmx.Field, v []uint64) {
			for i := range f {
				v[i] = m.get(f[i])
			}
		},
		write: func(f vmx.Field, v uint64) vmx.Flags {
			m.writes++
			if f.Bits() < 64 && v>>f.Bits() != 0 {
				m.t.Errorf("VMWRITE %v %#x does not fit", f, v)
			}
			m.set(f, v)
			return vmx.Succeed
		},
		vmxon: func(uint64) vmx.Flags { m.note("vmxon"); return m.fail },
		vmclear: func(pa uint64) vmx.Flags {
			m.note("vmclear")
			if m.vmcs[pa] == nil {
				m.vmcs[pa] = new([1 << 15]uint64)
			}
			return vmx.Succeed
		},
		vmptrld: func(pa uint64) vmx.Flags { m.note("vmptrld"); m.now = pa; return vmx.Succeed },
		invept:  func(uint64, uint64) vmx.Flags { m.note("invept"); return vmx.Succeed },
		invvpid: func(uint64, uint64, uint64) vmx.Flags {
			m.note("invvpid")
			return vmx.Succeed
		},
		takeInterrupts: func() { m.note("interrupts") },
		takeNMI:        func() { m.note("nmi") },
		loadExtended:   func(*vmx.ExtendedState, *vmx.Frame) { m.note("load") },
		saveExtended:   func(*vmx.ExtendedState, *vmx.Frame) { m.note("save") },
		hostXCR0:       func(*vmx.ExtendedState) {},
		guestXCR0:      func(*vmx.ExtendedState) {},
		loadDR:         func(*vmx.DebugRegisters) { m.note("loadDR") },
		saveDR:         func(*vmx.DebugRegisters) { m.note("saveDR") },
		readMSRs:       func(h *vmx.MSRs, _ bool) { h.LSTAR = 0x1057 },
		swapMSRs: func(from, to *vmx.MSRs, _ bool) {
			m.msrs[uint32(reg.LSTAR)] = to.LSTAR
		},
		rdmsr:     func(i uint32) uint64 { return m.msrs[i] },
		wrmsr:     func(i uint32, v uint64) { m.msrs[i] = v },
		readCR0:   func() uint64 { return 0x80050033 },
		readCR2:   func() uint64 { return 0 },
		setCR2:    func(uint64) {},
		readCR3:   func() uint64 { return 0x5000 },
		readCR4:   func() uint64 { return 0x406e0 },
		writeCR4:  func(uint64) {},
		selectors: func() (a, b, c, d, e, f, g uint16) { return 8, 16, 16, 16, 0, 0, 0x18 },
		tables:    func() (uint64, uint64) { return 0x100, 0x200 },
		word: func(va uint64) uint64 {
			if va == 0x118 {
				return 0x12_00_8b_345678_0067&0xffffff_ffffffff | 0x12<<56
			}
			return 0xffff8000
		},
		cli: func() {}, sti: func() {},
	}
}

var errScript = errors.New("the script is over")

// enter plays one step of the script on the guest's state, as the processor would.
func (m *machine) enter(f *vmx.Frame) vmx.Flags {
	if !m.quiet {
		m.entry = append(m.entry, entryView{
			info: vmx.InterruptionInfo(m.get(vmx.ENTRY_INTERRUPTION_INFO)), code: uint32(m.get(vmx.ENTRY_EXCEPTION_ERROR_CODE)),
			proc: uint32(m.get(vmx.PROC_BASED_CTLS)), timer: m.get(vmx.PREEMPTION_TIMER_VALUE), threshold: m.get(vmx.TPR_THRESHOLD),
			rip: f.RIP, rflags: f.RFLAGS, interruptible: m.get(vmx.GUEST_INTERRUPTIBILITY),
			mitigate: f.Mitigate,
		})
		m.note("enter")
	}
	if m.step >= len(m.script) {
		m.t.Fatal(errScript)
	}
	m.set(vmx.ENTRY_INTERRUPTION_INFO, m.get(vmx.ENTRY_INTERRUPTION_INFO)&0x7fffffff)
	f.IDTVectoring, f.Qualification, f.InstLen = 0, 0, 0
	m.fail = vmx.Succeed
	m.script[m.step](m)
	m.step++
	f.Interruptible = m.get(vmx.GUEST_INTERRUPTIBILITY)
	return m.fail
}

// exit is a step that ends with a reason.
func exit(r vmx.ExitReason, edit ...func(*machine)) func(*machine) {
	return func(m *machine) {
		m.e.frame.Reason = uint64(r)
		if r.HasInstructionLength() {
			m.e.frame.InstLen = 2
		}
		for _, f := range edit {
			f(m)
		}
	}
}

func (m *machine) run(steps ...func(*machine)) *vcpu.Exit {
	m.t.Helper()
	m.script, m.step, m.entry, m.log = steps, 0, nil, nil
	if err := m.loop(); err != nil {
		m.t.Fatal(err)
	}
	if m.step != len(steps) {
		m.t.Errorf("%d of %d steps ran", m.step, len(steps))
	}
	return &m.x
}

func (m *machine) has(what string) bool { return m.count(what) > 0 }

func (m *machine) count(what string) (n int) {
	for _, l := range m.log {
		if l == what {
			n++
		}
	}
	return n
}

// loop is Run without the system stack, on which the fakes could not allocate.
func (m *machine) loop() error {
	m.e.loop(&m.x)
	return m.e.result(&m.x)
}
