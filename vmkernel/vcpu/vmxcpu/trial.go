package vmxcpu

import (
	"errors"
	"fmt"
	"runtime"

	"basalt/arch/x86/reg"
	"basalt/vmkernel/vcpu"
)

// Why Try takes virtual-interrupt delivery away.
var (
	// ErrNotVirtual says that the processor has no virtual-interrupt delivery, or that
	// it is not wanted.
	ErrNotVirtual = errors.New("vmxcpu: no virtual-interrupt delivery")
	// ErrEarly is what Bochs 2.7 does when an interrupt of the host's ends the guest's
	// stay: cpu/event.cc, InterruptAcknowledge, asks whether a virtual interrupt is
	// pending, not whether it is masked.
	ErrEarly = errors.New("vmxcpu: the processor delivers a virtual interrupt to a guest that has cleared IF")
	// ErrNever is a processor that loses one.
	ErrNever = errors.New("vmxcpu: the processor does not deliver a virtual interrupt")
)

// The guest of a trial: one page at address 0 in real mode, with the interrupt table at
// its start.
const (
	trialVector  = 0x40 // requested
	trialService = 0x50 // in service: its EOI makes way
	trialCode    = 0x500
	trialOpen    = 0x540
	trialHandler = 0x600
	// trialWait is how long the host's interrupt is away, in ticks of the TSC.
	trialWait = 1 << 16
	// trialRounds: the first entries are the slowest, and the interrupt may come before
	// the guest runs.
	trialRounds = 4
)

var (
	// CLI; EOI by WRMSR; JMP $
	trialClosed = []byte{0xfa, 0x66, 0xb9, 0x0b, 0x08, 0, 0, 0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x30, 0xeb, 0xfe}
	// STI; NOP; JMP $
	trialOpens = []byte{0xfb, 0x90, 0xeb, 0xfe}
	trialCall  = []byte{0x0f, 0x01, 0xc1} // VMCALL
)

// Try runs a guest of a few instructions to see whether virtual-interrupt delivery does
// what SDM Vol. 3C, 30.2.2 says, and does without it if not. The error says why
// interrupts are injected; with InterruptsVirtual they are not, and it is a warning.
// Before the first engine of a guest is made; it takes less than a millisecond.
func (f *Factory) Try() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f.tryWith((*Engine).Run)
}

func (f *Factory) tryWith(run func(*Engine, *vcpu.Exit) error) error {
	if !f.virtual {
		return ErrNotVirtual
	}
	err := f.try(run)
	if err != nil && f.cfg.Interrupts != InterruptsVirtual {
		f.virtual = false
	}
	return err
}

func (f *Factory) try(run func(*Engine, *vcpu.Exit) error) error {
	t, err := f.NewTable()
	if err != nil {
		return err
	}
	defer t.Close()
	pa, ok := f.host.Alloc(1, 1)
	if !ok {
		return fmt.Errorf("vmxcpu: trial of virtual interrupts: %w", ErrNoMemory)
	}
	defer f.host.Free(pa, 1)
	mem := f.bytes(pa, 4096)
	mem[trialVector*4], mem[trialVector*4+1] = trialHandler&0xff, trialHandler>>8
	copy(mem[trialCode:], trialClosed)
	copy(mem[trialOpen:], trialOpens)
	copy(mem[trialHandler:], trialCall)
	if err := t.Map(0, pa, 4096, vcpu.ProtRead|vcpu.ProtWrite|vcpu.ProtExec); err != nil {
		return err
	}
	g := &trial{f: f}
	eng, err := f.NewEngine(0, t, g)
	if err != nil {
		return err
	}
	defer eng.Close()
	g.e = eng.(*Engine)
	var s vcpu.System
	vcpu.ResetState(g.e.regs, &s, 0)
	s.CS.Base, s.CS.Selector = 0, 0
	g.e.regs.GPR[vcpu.RSP] = trialCode
	if err := g.e.StoreSystem(&s); err != nil {
		return err
	}
	g.start()
	var x vcpu.Exit
	if err := run(g.e, &x); err != nil {
		return err
	}
	switch {
	case g.early:
		return ErrEarly
	case x.Kind == vcpu.KindHypercall && g.status()>>8 == trialVector:
		return nil
	case x.Kind == vcpu.KindKick:
		return ErrNever
	}
	return fmt.Errorf("vmxcpu: trial of virtual interrupts: exit %v at %#x", x.Kind, x.RIP)
}

// trial is the Fast of the guest, and its APIC.
type trial struct {
	f      *Factory
	e      *Engine
	rounds int
	early  bool // the guest got its interrupt with IF cleared
}

// start makes the guest begin: one vector is in service, a lower one is requested, IF is
// set, and an interrupt of the host's is on its way. W1.
func (g *trial) start() {
	r := g.e.regs
	r.RIP, r.RFLAGS = trialCode, reg.RFLAGS_1|reg.RFLAGS_IF
	p := g.e.lent.page
	for w := range uint32(8) {
		p[apicISR+w*4], p[apicIRR+w*4] = 0, 0
	}
	p[apicISR+trialService>>5*4] = 1 << (trialService & 31)
	p[apicIRR+trialVector>>5*4] = 1 << (trialVector & 31)
	g.f.host.SetDeadline(g.f.host.RDTSC() + trialWait)
}

// Registers of the virtual-APIC page in units of four bytes (SDM Vol. 3C, 30.1.1).
const (
	apicISR = 0x100 / 4
	apicIRR = 0x200 / 4
)

// status is what is requested and in service by the page: one of trial's vectors or none.
func (g *trial) status() uint16 {
	high := func(from uint32) (v uint16) {
		for _, n := range [...]uint32{trialVector, trialService} {
			if g.e.lent.page[from+n>>5*4]>>(n&31)&1 != 0 {
				v = uint16(n)
			}
		}
		return v
	}
	return high(apicIRR) | high(apicISR)<<8
}

// FastExit implements vcpu.Fast: when the host's interrupt has come and the guest has not
// taken its own, it begins anew; after the last time it sets IF.
func (g *trial) FastExit(x *vcpu.Exit) vcpu.Verdict {
	if g.rounds < trialRounds && g.status()>>8 == trialVector {
		g.early = true // and maybe not at the VMCALL yet
	}
	if x.Kind != vcpu.KindInterrupt {
		return vcpu.Return
	}
	switch g.rounds++; {
	case g.early || g.rounds > trialRounds:
		g.e.Kick() // it is over
	case g.rounds < trialRounds:
		g.start()
	default:
		g.e.regs.RIP = trialOpen
	}
	return vcpu.Resume
}

// Lend implements vcpu.Lender.
func (g *trial) Lend(*vcpu.APICPage, *[4]uint64) (status uint16, vector uint8, offered bool) {
	return g.status(), 0, false
}

// The rest of vcpu.Lender, vcpu.Fast and vcpu.TaskPriority: there is nothing else.

func (g *trial) Lends() bool                     { return true }
func (g *trial) Reclaim(*vcpu.APICPage, uint16)  {}
func (g *trial) Ended(uint8)                     {}
func (g *trial) X2APIC() bool                    { return true }
func (g *trial) PendingInterrupt() (uint8, bool) { return 0, false }
func (g *trial) AckInterrupt(uint8)              {}
func (g *trial) Deadline() uint64                { return 0 }
func (g *trial) Away() bool                      { return false }
func (g *trial) Back() bool                      { return false }
func (g *trial) TaskPriority() uint8             { return 0 }
func (g *trial) SetTaskPriority(uint8)           {}
