package vcpu

import "fmt"

// waits says that a processor other than the boot processor stands in the
// wait-for-SIPI state (SDM Vol. 3A, 9.4.4, 11.4.7.3): after power-on and after INIT.
// Its thread sleeps in the run loop; FastExit blocks until an event comes.
//
// What reaches it there but INIT and a start-up IPI is lost. A start-up IPI that
// comes at any other time is ignored, so the second of the two that operating
// systems send does nothing.

// takeEvents does what came through the APIC besides vectors.
func (v *VCPU) takeEvents() Stop {
	e := v.APIC.TakeEvents()
	if e.INIT {
		if v.Index == 0 {
			// The boot processor begins at the reset vector (SDM Vol. 3A,
			// 9.4.2), where firmware restarts the machine.
			return Stop{StopInit, fmt.Sprintf("CPU %d: INIT", v.Index)}
		}
		if err := v.init(); err != nil {
			return Stop{StopCrashed, fmt.Sprintf("vcpu: CPU %d: state after INIT: %v", v.Index, err)}
		}
	}
	if !v.waiting {
		if e.NMI {
			v.nmi.Store(true)
			v.nmiAgain = e.NMIAgain
		}
		return Stop{}
	}
	v.nmi.Store(false)
	v.nmiAgain = false
	if !e.StartUp {
		return Stop{}
	}
	if err := v.startUp(e.Vector); err != nil {
		return Stop{StopCrashed, fmt.Sprintf("vcpu: CPU %d: state after a start-up IPI: %v", v.Index, err)}
	}
	return Stop{}
}

// init is INIT (SDM Vol. 3A, Table 10-1; EFER as in APM Vol. 2, Table 14-1): the
// extended state, the counter, the MTRRs and most MSRs stay. So do CD and NW of CR0.
// The paravirtual pages go, as with KVM: their owner is about to start again.
func (v *VCPU) init() error {
	old := *v.System()
	v.waiting = true
	v.queued, v.halted, v.dirty = Event{}, false, false
	v.pv = paravirt{}
	v.lengths = lengthCache{}
	v.APIC.Init()
	v.eng.DropEvents()
	s := &v.sys
	ResetState(v.regs, s, v.CPUID.Signature())
	s.CR0 = CR0ET | old.CR0&(CR0CD|CR0NW)
	s.PAT, s.TSCAUX, s.XCR0, s.XSS = old.PAT, old.TSCAUX, old.XCR0, old.XSS
	s.KernelGSBase, s.STAR, s.LSTAR, s.CSTAR, s.SFMASK = old.KernelGSBase, old.STAR, old.LSTAR, old.CSTAR, old.SFMASK
	s.SysenterCS, s.SysenterESP, s.SysenterEIP = old.SysenterCS, old.SysenterESP, old.SysenterEIP
	return v.begin()
}

// startUp is a start-up IPI: real mode at vector<<12 (SDM Vol. 3A, 9.4.4.1).
func (v *VCPU) startUp(vector uint8) error {
	s := v.System()
	s.CS.Selector, s.CS.Base = uint16(vector)<<8, uint64(vector)<<12
	v.regs.RIP = 0
	v.waiting = false
	return v.begin()
}

// begin gives the engine a state that was made new.
func (v *VCPU) begin() error {
	v.osxsave, v.xcr0 = v.sys.CR4&CR4OSXSAVE != 0, v.sys.XCR0
	v.mode, v.full, v.dirty = false, false, false
	v.eng.FlushTLB()
	return v.eng.StoreSystem(&v.sys)
}
