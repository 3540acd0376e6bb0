package svmcpu

import "basalt/arch/x86/svm"

// asidSpace gives out address space identifiers on one processor (APM Vol. 2,
// 15.16). An identifier belongs to an engine as long as the generation lasts; when
// the numbers run out a new generation starts with a flush of all. W1.
type asidSpace struct {
	max         uint32 // number of identifiers, 0 is the host's
	next        uint32
	gen         uint64
	flushByASID bool
}

// asid is an engine's identifier on the processor where it ran last.
type asid struct {
	n   uint32
	cpu int
	gen uint64
}

// assign makes a valid for this processor and says what TLB_CONTROL must do.
// flush drops everything that the guest has in the TLB.
func (s *asidSpace) assign(a *asid, cpu int, flush bool) (tlb uint8) {
	if a.n != 0 && a.cpu == cpu && a.gen == s.gen {
		if !flush {
			return svm.TLBNothing
		}
		if s.flushByASID {
			return svm.TLBFlushASID
		}
	}
	if s.next == 0 || s.next >= s.max {
		s.gen++
		s.next = 1
		tlb = svm.TLBFlushAll
	}
	a.n, a.cpu, a.gen = s.next, cpu, s.gen
	s.next++
	return tlb
}
