package vmxcpu

import (
	"fmt"
	"strings"

	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// entryFailed notes that the processor did not run the guest; Run reports it. W1.
func (e *Engine) entryFailed(x *vcpu.Exit, fl vmx.Flags) {
	e.explain = true
	e.failFlags = fl
	x.Kind, x.InstLen, x.RIP, x.Event.Valid = vcpu.KindEntryFailed, 0, e.frame.RIP, false
	x.Raw.Code, x.Raw.Info1, x.Raw.Info2 = 0, 0, 0
	if fl == vmx.Succeed {
		x.Raw.Code, x.Raw.Info1 = e.frame.Reason, e.frame.Qualification
	}
	if fl == vmx.FailValid {
		x.Raw.Info2 = e.rd(vmx.VM_INSTRUCTION_ERROR)
	}
	if e.lent.status != 0 {
		e.reclaim()
	}
	// The entry that failed has not consumed its event.
	e.wr(vmx.ENTRY_INTERRUPTION_INFO, 0)
}

// report logs everything about a failed entry, once an engine, with names. A
// guest state that the processor refuses is an exit; controls or host state that
// it refuses are our own fault, so an error.
func (e *Engine) report(x *vcpu.Exit) error {
	e.explain = false
	values := e.snapshot()
	read := func(f vmx.Field) uint64 { return values[f] }
	why := ""
	switch {
	case e.failFlags == vmx.FailInvalid:
		why = "no current VMCS"
	case e.failFlags == vmx.FailValid:
		why = vmx.InstructionError(x.Raw.Info2).String()
	default:
		why = vmx.ExitReason(x.Raw.Code).String()
	}
	if !e.reported && e.f.cfg.Log != nil {
		e.reported = true
		var b strings.Builder
		fmt.Fprintf(&b, "vmxcpu: VM entry failed: %s (qualification %#x)\n", why, x.Raw.Info1)
		for _, bad := range e.f.caps.CheckGuest(read) {
			fmt.Fprintf(&b, "  %s\n", bad)
		}
		for _, f := range vmx.Fields() {
			if v, ok := values[f]; ok {
				fmt.Fprintf(&b, "  %-32v %#x\n", f, v)
			}
		}
		e.f.cfg.Log(b.String())
	}
	if e.failFlags != vmx.Succeed {
		return fmt.Errorf("%w: %s", ErrVMCS, why)
	}
	return nil
}

// snapshot reads every field that the processor has. The reading is done with
// interrupts off, the map is filled after.
func (e *Engine) snapshot() map[vmx.Field]uint64 {
	fields := vmx.Fields()
	values := make([]uint64, len(fields))
	ok := make([]bool, len(fields))
	e.with(func() {
		for i, f := range fields {
			v, fl := e.ops.read(f)
			values[i], ok[i] = v, fl == vmx.Succeed
		}
	})
	m := make(map[vmx.Field]uint64, len(fields))
	for i, f := range fields {
		if ok[i] {
			m[f] = values[i]
		}
	}
	return m
}
