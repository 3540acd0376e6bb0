package svmcpu

import (
	"runtime"
	"testing"
	"unsafe"

	"basalt/arch/x86/reg"
	"basalt/arch/x86/svm"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu"
)

// machine is a host of Go memory whose guest is a script.
type machine struct {
	entered int // calls of EnterGuest
	t       *testing.T
	host    hostcpu.Host
	f       *Factory
	e       *Engine
	x       vcpu.Exit
	fast    fakeFast
	mem     []byte
	base    uintptr
	used    int
	freed   int
	cpu     int
	script  []func(v *svm.VMCB)
	step    int
	log     []string
	entry   []entryView // the VMCB at each VMRUN
	armed   []uint64
	kicks   []int
	onPark  func()
	parks   []uint64
	msrs    map[uint32]uint64
}

// entryView is what a test looks at in a VMCB that goes in.
type entryView struct {
	inj      svm.EventInfo
	irq      bool
	vintr    bool
	cr8      bool
	iret     bool
	tlb      uint8
	asid     uint32
	rip      uint64
	rflags   uint64
	clean    uint32
	mitigate uint64
}

type fakeFast struct {
	exits    []vcpu.Exit
	answer   func(x *vcpu.Exit) vcpu.Verdict
	vector   int // -1: none
	acked    []uint8
	onAck    func()
	deadline uint64
	tpr      uint8
	tprSets  int
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
	f.exits = append(f.exits, *x)
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
func (f *fakeFast) SetTaskPriority(v uint8) { f.tpr = v; f.tprSets++ }

const testFrames = 256

func newMachine(t *testing.T, edit func(*Config)) *machine {
	t.Helper()
	m := &machine{t: t, mem: make([]byte, (testFrames+1)<<12), msrs: map[uint32]uint64{}}
	m.base = (uintptr(unsafe.Pointer(&m.mem[0])) + 4095) &^ 4095
	m.fast.vector = -1
	m.host = hostcpu.Host{
		NumCPU:      2,
		CPU:         func() int { return m.cpu },
		RDTSC:       func() uint64 { return 0 },
		SetDeadline: func(d uint64) { m.armed = append(m.armed, d) },
		Kick:        func(c int) { m.kicks = append(m.kicks, c) },
		Park: func(w *uint32, val uint32, d uint64) {
			if m.e.inside != hostcpu.InGuest {
				t.Error("parked as ordinary Go")
			}
			m.parks = append(m.parks, d)
			m.log = append(m.log, "park")
			m.onPark()
		},
		Unpark: func(*uint32) { m.log = append(m.log, "unpark") },
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
	c := Config{
		Host:  &m.host,
		Caps:  svm.Caps{Revision: 1, ASIDs: 16, Features: reg.SVM_NP, Page1G: true, XSAVE: true, TSCAUX: true},
		Leaks: svm.Leaks{IBPB: true},
		XCR0:  7, XSAVESize: 832,
	}
	if edit != nil {
		edit(&c)
	}
	var err error
	if m.f, err = NewFactory(c); err != nil {
		t.Fatal(err)
	}
	m.f.ops = &ops{
		enter:          m.enter,
		saveHost:       func(uint64) {},
		takeInterrupts: func() { m.log = append(m.log, "interrupts") },
		loadExtended:   func(*svm.ExtendedState, *svm.Frame) { m.log = append(m.log, "load") },
		saveExtended:   func(*svm.ExtendedState, *svm.Frame) { m.log = append(m.log, "save") },
		hostXCR0:       func(*svm.ExtendedState) {},
		guestXCR0:      func(*svm.ExtendedState) {},
		loadDR:         func(*[4]uint64) { m.log = append(m.log, "loadDR") },
		saveDR:         func(*[4]uint64) { m.log = append(m.log, "saveDR") },
		rdmsr:          func(i uint32) uint64 { return m.msrs[i] },
		wrmsr:          func(i uint32, v uint64) { m.msrs[i] = v },
		cli:            func() {},
		sti:            func() {},
		fillRSB:        func() {},
	}
	tab, err := m.f.NewTable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.f.NewEngine(0, tab, &m.fast)
	if err != nil {
		t.Fatal(err)
	}
	m.e = e.(*Engine)
	return m
}

func (m *machine) enter(_ *[16]uint64, f *svm.Frame) {
	v := m.f.vmcb(f.VMCB)
	c := &v.Control
	m.entry = append(m.entry, entryView{
		inj: c.EventInj, irq: c.VIRQ&svm.VIRQPending != 0, vintr: c.Intercept1&svm.Intercept1VINTR != 0,
		cr8: c.InterceptCRWrite&crWriteCR8 != 0, iret: c.Intercept1&svm.Intercept1IRET != 0,
		tlb: c.TLBControl, asid: c.ASID, rip: v.Save.RIP, rflags: v.Save.RFLAGS, clean: c.Clean, mitigate: f.Mitigate,
	})
	if m.step >= len(m.script) {
		m.t.Fatalf("entry %d: the script is over", m.step)
	}
	c.ExitInfo1, c.ExitInfo2, c.ExitIntInfo = 0, 0, 0
	f.Mitigate &^= svm.MitigateIBPB
	m.step++
	m.script[m.step-1](v)
}

// run plays the script until the loop ends.
func (m *machine) run(script ...func(v *svm.VMCB)) {
	m.t.Helper()
	m.script, m.step, m.entry = script, 0, nil
	m.e.loop(&m.x)
	if m.step != len(script) {
		m.t.Errorf("%d of %d entries", m.step, len(script))
	}
}

// exit ends the guest with a code.
func exit(code svm.ExitCode) func(*svm.VMCB) {
	return func(v *svm.VMCB) { v.Control.ExitCode = code }
}

// cut ends it in the middle of an event's delivery.
func cut(code svm.ExitCode, e svm.EventInfo) func(*svm.VMCB) {
	return func(v *svm.VMCB) { v.Control.ExitCode, v.Control.ExitIntInfo = code, e }
}
