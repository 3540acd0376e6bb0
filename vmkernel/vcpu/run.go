package vcpu

import (
	"fmt"
)

// StopKind says why Run returned.
type StopKind uint8

// The reasons to return.
const (
	StopNone      StopKind = iota
	StopRequested          // RequestStop
	StopReset              // the guest asked for a reset, or tripped over itself
	StopCrashed            // the machine cannot go on
	StopInit               // the boot processor got an INIT: a reset, as from the pin
)

// Stop is why Run returned, with a reason for the machine's owner.
type Stop struct {
	Kind   StopKind
	Reason string
}

// Run executes the guest until something needs the owner. The caller's goroutine
// is locked to its thread and owns the processor.
func (v *VCPU) Run() Stop {
	for {
		if v.stop.Load() {
			return Stop{Kind: StopRequested}
		}
		if s := v.enter(); s.Kind != StopNone {
			return s
		}
		if err := v.eng.Run(&v.x); err != nil {
			return Stop{StopCrashed, fmt.Sprintf("vcpu: CPU %d: %v", v.Index, err)}
		}
		if v.handle() == leave {
			s := v.stopped
			v.stopped = Stop{}
			return s
		}
	}
}

// enter brings everything that ordinary Go left behind into the engine. The guest
// may run if the kind is StopNone.
func (v *VCPU) enter() Stop {
	if v.dirty {
		v.dirty = false
		if err := v.eng.StoreSystem(&v.sys); err != nil {
			return Stop{StopCrashed, fmt.Sprintf("vcpu: CPU %d: state: %v", v.Index, err)}
		}
	}
	v.mode, v.full = false, false
	if v.queued.Valid {
		v.eng.Inject(v.queued)
		v.queued.Valid = false
	}
	if v.APIC.HasEvents() {
		if s := v.takeEvents(); s.Kind != StopNone {
			return s
		}
	}
	if v.waiting {
		v.nmi.Store(false)
		v.nmiAgain = false
		v.eng.Kick() // the run loop begins with FastExit, which blocks
		return Stop{}
	}
	if v.nmi.Load() && v.nmi.Swap(false) {
		v.wake()
		v.eng.SetNMIPending()
		if v.nmiAgain {
			v.nmiAgain = false
			v.eng.SetNMIPending()
		}
	}
	if v.pv.work {
		v.pvEnter()
	}
	return Stop{}
}

// handle runs the row of the exit. It never leaves an interrupted event behind.
func (v *VCPU) handle() outcome {
	k := v.x.Kind
	if k >= NumKinds {
		k = KindUnknown
	}
	v.stats.inGo[k].Add(1)
	v.mode, v.full = false, false
	v.queued.Valid = false
	if v.x.Event.Valid && k != KindException && k != KindTaskSwitch {
		return v.handleCut(k)
	}
	return table[k].handler(v)
}

// handleCut is handle for an exit that cut the delivery of an event short.
func (v *VCPU) handleCut(k Kind) outcome {
	cut := v.x.Event
	out := table[k].handler(v)
	if !v.queued.Valid {
		v.queued = cut
	} else if v.queued.Type == EventException {
		return v.combine(cut, out)
	}
	return out
}

// crash ends the machine with everything that is known.
func (v *VCPU) crash(why string) outcome {
	var code [15]byte
	n := 0
	if v.Emul != nil {
		n = v.Emul.Code(v, code[:])
	}
	v.stopped = Stop{StopCrashed, fmt.Sprintf(
		"CPU %d: %s (exit %v code %#x info %#x %#x); code % x; %s", v.Index, why, v.x.Kind,
		v.x.Raw.Code, v.x.Raw.Info1, v.x.Raw.Info2, code[:n], Dump(v.Regs(), v.System()))}
	return leave
}

// skip moves RIP past the instruction of n bytes and ends what ends with it: the
// interrupt shadow, and a single step (SDM Vol. 3B, 18.3.1.4).
func (v *VCPU) skip(n uint8) {
	r := v.regs
	next := r.RIP + uint64(n)
	if next>>32 != r.RIP>>32 && v.Mode().Bits() != 64 {
		next &= 0xffffffff
	}
	r.RIP = next
	v.retired(r)
}

// retired is the end of an instruction that was completed for the guest.
func (v *VCPU) retired(r *Regs) {
	v.eng.SetInterruptShadow(false)
	r.RFLAGS &^= FlagRF
	if r.RFLAGS&FlagTF != 0 {
		v.change().DR6 |= dr6BS
		v.inject(Event{Vector: vectorDB, Type: EventException})
	}
}

// length is the length of the instruction of this exit; 0 when it could not be
// fetched, and then a fault is queued.
func (v *VCPU) length() uint8 {
	if v.x.InstLen != 0 {
		return v.x.InstLen
	}
	n, ev := v.Emul.Length(v)
	if n == 0 {
		v.inject(ev)
		return 0
	}
	v.lengths.put(v.x.Kind, v.x.RIP, n)
	return n
}

// done skips the instruction of this exit.
func (v *VCPU) done() outcome {
	if n := v.length(); n != 0 {
		v.skip(n)
	}
	return carryOn
}
