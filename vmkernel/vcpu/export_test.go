package vcpu

// Handle runs one exit as Run would and brings the result into the engine.
func (v *VCPU) Handle(x *Exit) {
	v.x = *x
	v.handle()
	if s := v.enter(); s.Kind != StopNone {
		panic(s.Reason)
	}
}

// EditState decodes a saved state, lets f change it and encodes it again, unchecked.
func EditState(b []byte, area int, f func(r *Regs, s *System, ev *[3]Event, xsave []byte)) ([]byte, error) {
	var s saved
	if err := s.decode(b, area); err != nil {
		return nil, err
	}
	f(&s.regs, &s.sys, &s.events, s.xsave)
	return s.encode(), nil
}

// EditMSRs is the same for the emulated registers.
func EditMSRs(b []byte, area int, f func(m map[string]*uint64)) ([]byte, error) {
	var s saved
	if err := s.decode(b, area); err != nil {
		return nil, err
	}
	f(map[string]*uint64{"MTRRs": &s.msr.mtrrFix[3], "MCG_STATUS": &s.msr.mcgStatus, "MISC_ENABLE": &s.msr.miscEnable,
		"MSR_KVM_STEAL_TIME": &s.pv.stealMSR, "MSR_KVM_PV_EOI_EN": &s.pv.eoiMSR})
	return s.encode(), nil
}

// SetLender puts another APIC behind what engines borrow.
func (v *VCPU) SetLender(l Lender) { v.lender = l }
