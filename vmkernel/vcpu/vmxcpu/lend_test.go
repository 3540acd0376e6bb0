package vmxcpu

import (
	"slices"
	"testing"

	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// lendFast lends what its fields say.
type lendFast struct {
	fakeFast
	status    uint16
	eoi       [4]uint64
	pin       int // vector of the PIC, 0 none
	x2        bool
	reclaimed []uint16
	ended     []uint8
}

func (f *lendFast) Lends() bool { return true }
func (f *lendFast) Lend(_ *vcpu.APICPage, eoi *[4]uint64) (status uint16, vector uint8, offered bool) {
	*eoi = f.eoi
	return f.status, uint8(f.pin), f.pin != 0
}
func (f *lendFast) Reclaim(_ *vcpu.APICPage, status uint16) {
	f.reclaimed = append(f.reclaimed, status)
	f.status = status
}
func (f *lendFast) Ended(v uint8) { f.ended = append(f.ended, v) }
func (f *lendFast) X2APIC() bool  { return f.x2 }

func lendMachine(t *testing.T) (*machine, *lendFast) {
	m := newMachine(t, nil)
	f := &lendFast{}
	f.vector = -1
	f.answer = func(x *vcpu.Exit) vcpu.Verdict {
		if x.Kind == vcpu.KindCPUID {
			return vcpu.Return
		}
		return vcpu.Resume
	}
	m.e = m.engine(f)
	return m, f
}

// state is a step's view of what the processor would do with the APIC.
func state(to *[]uint64) func(*machine) {
	return func(m *machine) { *to = append(*to, m.get(vmx.GUEST_INTERRUPT_STATUS)) }
}

func after(status uint16) func(*machine) {
	return func(m *machine) { m.set(vmx.GUEST_INTERRUPT_STATUS, uint64(status)) }
}

// TestLentInterruptsNeedNoWindow: what the guest cannot take yet is the processor's.
func TestLentInterruptsNeedNoWindow(t *testing.T) {
	m, f := lendMachine(t)
	f.vector, f.status = 0x40, 0x40 // and IF is clear
	var seen []uint64
	m.run(
		exit(vmx.Exit_HLT, state(&seen)),                // still waits: taken back and lent anew
		exit(vmx.Exit_HLT, state(&seen), after(0x4000)), // the guest took it
		exit(vmx.Exit_HLT, state(&seen)),                // in its handler
		exit(vmx.Exit_HLT, state(&seen), after(0)),      // EOI
		exit(vmx.Exit_CPUID, state(&seen)),
	)
	if !slices.Equal(seen, []uint64{0x40, 0x40, 0x4000, 0x4000, 0}) {
		t.Errorf("status at the entries: %#x", seen)
	}
	if !slices.Equal(f.reclaimed, []uint16{0x40, 0x4000, 0}) {
		t.Errorf("reclaimed %#x", f.reclaimed)
	}
	for i, v := range m.entry {
		if v.proc&vmx.ProcInterruptWindowExiting != 0 || v.info.Valid() {
			t.Errorf("entry %d: window or injection: %+v", i, v)
		}
	}
	if f.acked != nil {
		t.Errorf("acknowledged %#x", f.acked)
	}
}

// TestThePICsVectorIsInjected though the APIC lends.
func TestThePICsVectorIsInjected(t *testing.T) {
	m, f := lendMachine(t)
	f.pin = 0x21
	f.onAck = func() { f.pin = 0 }
	m.run(
		exit(vmx.Exit_INTERRUPT_WINDOW, func(m *machine) { m.e.frame.RFLAGS |= 1 << 9 }),
		exit(vmx.Exit_CPUID))
	if m.entry[0].proc&vmx.ProcInterruptWindowExiting == 0 {
		t.Error("no window while IF is clear")
	}
	if i := m.entry[1].info; !i.Valid() || i.Vector() != 0x21 || i.Type() != vmx.ExternalInterrupt {
		t.Errorf("injected %#x", i)
	}
}

// TestEOIOfALevel exits, and its vector is told once.
func TestEOIOfALevel(t *testing.T) {
	m, f := lendMachine(t)
	f.status, f.eoi = 0x51, [4]uint64{1: 1 << 0x11}
	m.run(
		exit(vmx.Exit_HLT, after(0x5100), func(m *machine) {
			if m.get(vmx.EOI_EXIT_BITMAP_1) != 1<<0x11 || m.get(vmx.EOI_EXIT_BITMAP_0) != 0 {
				t.Errorf("EOI exits %#x", m.get(vmx.EOI_EXIT_BITMAP_1))
			}
		}),
		exit(vmx.Exit_VIRTUALIZED_EOI, after(0), func(m *machine) { m.e.frame.Qualification = 0x51 }),
		exit(vmx.Exit_CPUID))
	if !slices.Equal(f.ended, []uint8{0x51}) || f.status != 0 {
		t.Errorf("ended %#x, status %#x", f.ended, f.status)
	}
}

// TestOnlyX2APICModeHasItsEOI: in the other mode the register would be the host's.
func TestOnlyX2APICModeHasItsEOI(t *testing.T) {
	m, f := lendMachine(t)
	look := func(x2 bool) func(*machine) {
		return func(m *machine) {
			_, write := m.f.msrBitmap(m.get(vmx.MSR_BITMAP)).Intercepts(x2APICEOI)
			if on := m.get(vmx.PROC_BASED_CTLS2)&vmx.Proc2VirtualizeX2APIC != 0; on != x2 || write == x2 {
				t.Errorf("x2APIC mode %v: control %v, WRMSR exits %v", x2, on, write)
			}
		}
	}
	f.answer = func(x *vcpu.Exit) vcpu.Verdict { return vcpu.Return }
	m.run(exit(vmx.Exit_WRMSR, look(false)))
	f.x2 = true // what the WRMSR did
	m.run(exit(vmx.Exit_CPUID, look(true)))
	f.x2 = false // a reset
	var s vcpu.System
	m.e.LoadSystem(&s)
	if err := m.e.StoreSystem(&s); err != nil {
		t.Fatal(err)
	}
	m.run(exit(vmx.Exit_CPUID, look(false)))
	if read, write := m.f.msrBitmap(m.f.msrsEOI).Intercepts(x2APICEOI); !read || write {
		t.Errorf("the register: reads exit %v, writes %v", read, write)
	}
	for _, r := range []uint32{0x808, 0x830, 0x83f} { // TPR, ICR, SELF IPI
		if read, write := m.f.msrBitmap(m.f.msrsEOI).Intercepts(r); !read || !write {
			t.Errorf("register %#x does not exit", r)
		}
	}
}

// TestAFailedEntryGivesBackWhatWasLent.
func TestAFailedEntryGivesBackWhatWasLent(t *testing.T) {
	m, f := lendMachine(t)
	f.status = 0x40
	m.run(func(m *machine) {
		m.e.frame.Reason = uint64(vmx.Exit_ENTRY_FAILURE_GUEST_STATE) | 1<<31
	})
	if !slices.Equal(f.reclaimed, []uint16{0x40}) {
		t.Errorf("reclaimed %#x", f.reclaimed)
	}
}
