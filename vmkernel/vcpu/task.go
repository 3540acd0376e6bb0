package vcpu

// exitTaskSwitch does a hardware task switch, which VT-x leaves to us (SDM Vol. 3C,
// 26.4.2; Vol. 3A, 8.3).
func (v *VCPU) exitTaskSwitch() outcome {
	if v.System().EFER&EFERLMA != 0 {
		return v.crash("task switch in IA-32e mode") // the processor has none
	}
	s := v.change()
	res, ev := v.Emul.TaskSwitch(v, s, &v.x)
	if v.x.Task.Source == TaskGate && v.x.Event.Type != EventSoftInt && ev.Vector != vectorPF {
		ev.Error |= 1 // EXT: no instruction of the guest's was it
	}
	switch {
	case res == Faulted && v.x.Task.Source == TaskGate && v.x.Event.Type != EventSoftInt:
		// The event did not arrive.
		v.inject(ev)
		return v.combine(v.x.Event, carryOn)
	case res == Faulted:
		v.inject(ev)
		return carryOn
	case res == Again: // the page tables would not hold still
		if v.x.Event.Valid {
			v.queued = v.x.Event
		}
		return carryOn
	case !v.pointersOK(s.CR0, s.CR4, s.EFER, s.CR3):
		return v.exitTripleFault() // the new task has no address space to fault in
	}
	v.eng.FlushTLB()
	switch {
	case v.x.Task.Source == TaskIRET:
		s.NMIBlocked = false
	case v.x.Event.Valid && v.x.Event.Type == EventNMI:
		s.NMIBlocked = true
	}
	if ev.Valid {
		v.inject(ev)
	}
	return carryOn
}
