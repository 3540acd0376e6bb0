package vcpu

// Exception vectors (SDM Vol. 3A, Table 6-1).
const (
	vectorDE = 0
	vectorDB = 1
	vectorBP = 3
	vectorOF = 4
	vectorUD = 6
	vectorDF = 8
	vectorTS = 10
	vectorNP = 11
	vectorSS = 12
	vectorGP = 13
	vectorPF = 14
	vectorAC = 17
	vectorMC = 18
)

const dr6BS = 1 << 14

// inject queues an event for the next entry. Type, error code and the guest's RF are
// made right for the vector.
func (v *VCPU) inject(e Event) {
	e.Valid = true
	if e.Type == EventException {
		v.resumes(e.Vector)
		e.HasError = hasError(e.Vector)
		if e.Vector == vectorPF {
			v.change().CR2 = e.CR2
		}
		// Real mode pushes no error codes (SDM Vol. 3A, 21.1.4).
		if v.Mode().CR0&CR0PE == 0 {
			e.HasError, e.Error = false, 0
		}
	}
	v.queued = e
}

// resumes sets RF when the exception is a fault, as its delivery has it in the pushed
// flags: no breakpoint on the instruction that is tried again (SDM Vol. 3A, 18.3.1.1).
// An entry that injects leaves RF alone (Vol. 3C, 27.6.1.1). #DB is no fault here: where
// it is one, a breakpoint may come first.
func (v *VCPU) resumes(vector uint8) {
	if isFault(vector) {
		v.regs.RFLAGS |= FlagRF
	}
}

func isFault(vector uint8) bool {
	switch vector {
	case vectorDB, vectorBP, vectorOF, vectorDF, vectorMC:
		return false
	}
	return true
}

func hasError(vector uint8) bool {
	switch vector {
	case vectorDF, vectorTS, vectorNP, vectorSS, vectorGP, vectorPF, vectorAC:
		return true
	}
	return false
}

func (v *VCPU) injectUD() outcome {
	v.inject(Event{Vector: vectorUD, Type: EventException})
	return carryOn
}

func (v *VCPU) injectGP0() outcome {
	v.inject(Event{Vector: vectorGP, Type: EventException})
	return carryOn
}

// class is the column of SDM Vol. 3A, Table 7-5: 0 benign, 1 contributory, 2
// page fault, 3 double fault.
func class(e Event) int {
	if e.Type != EventException {
		return 0
	}
	switch e.Vector {
	case vectorDE, vectorTS, vectorNP, vectorSS, vectorGP:
		return 1
	case vectorPF:
		return 2
	case vectorDF:
		return 3
	}
	return 0
}

// combine joins the queued exception with the event whose delivery it cut short.
func (v *VCPU) combine(first Event, out outcome) outcome {
	second := v.queued
	switch a, b := class(first), class(second); {
	case a == 3 && b != 0:
		v.queued.Valid = false
		return v.exitTripleFault()
	case a == 1 && b == 1, a == 2 && (b == 1 || b == 2):
		v.inject(Event{Vector: vectorDF, Type: EventException})
	}
	// Otherwise the second one is taken, as on the processor.
	return out
}

// exitException gives an intercepted exception back to the guest: engines
// intercept #DB and #AC only so that their delivery cannot loop for ever.
func (v *VCPU) exitException() outcome {
	e := v.x.Event
	if !e.Valid {
		return v.crash("exception without a vector")
	}
	if e.Vector == vectorMC {
		return v.crash("machine check in the guest")
	}
	v.queued = e
	v.resumes(e.Vector)
	if e.Vector == vectorPF {
		v.change().CR2 = e.CR2
	}
	return carryOn
}
