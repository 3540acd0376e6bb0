package vmxcpu

import (
	"basalt/arch/x86/vmx"
	"basalt/vmkernel/vcpu"
)

// lending is what an engine needs to let the processor deliver virtual interrupts (SDM
// Vol. 3C, 30.2). Between two exits the requests are lent to the virtual-APIC page; at
// any other time they are the APIC's, and the VMCS has what was lent last.
type lending struct {
	from   vcpu.Lender // nil: interrupts are injected
	page   *vcpu.APICPage
	status uint16    // GUEST_INTERRUPT_STATUS
	eoi    [4]uint64 // EOI_EXIT_BITMAP_0 to 3
	wanted [4]uint64
	first  bool // lendFirst is due
	check  bool // wanted may be new though nothing is requested
	x2     bool // the EOI of x2APIC mode does not exit
}

// lend gives the processor what is requested. A vector that Fast offers besides, the
// PIC's, is to be injected. W1.
func (e *Engine) lend() (vector uint8, offered bool) {
	l := &e.lent
	status, vector, offered := l.from.Lend(l.page, &l.wanted)
	if status != l.status {
		l.status = status
		e.wr(vmx.GUEST_INTERRUPT_STATUS, uint64(status))
	}
	if uint8(status) != 0 || l.check {
		l.check = false
		e.setEOIExits()
	}
	return vector, offered
}

// setEOIExits writes what has changed of the EOI-exit bitmap. W1.
func (e *Engine) setEOIExits() {
	l := &e.lent
	for i := range l.eoi {
		if l.eoi[i] != l.wanted[i] {
			l.eoi[i] = l.wanted[i]
			e.wr(vmx.EOI_EXIT_BITMAP_0+vmx.Field(2*i), l.eoi[i])
		}
	}
}

// lendFirst is for what only StoreSystem or a write of the APIC's base changes. W1.
func (e *Engine) lendFirst() {
	l := &e.lent
	l.first, l.check = false, true
	if x2 := l.from.X2APIC(); x2 != l.x2 {
		l.x2 = x2
		e.setX2APIC()
	}
}

// setX2APIC lets the guest's EOI go to the virtual-APIC page in x2APIC mode. Without the
// control the register would be the host's: the bitmap changes with it. W1.
func (e *Engine) setX2APIC() {
	proc2, msrs := e.controls.Proc2, e.f.msrs
	if e.lent.x2 {
		proc2, msrs = proc2|vmx.Proc2VirtualizeX2APIC, e.f.msrsEOI
	}
	e.wr(vmx.PROC_BASED_CTLS2, uint64(proc2))
	e.wr(vmx.MSR_BITMAP, msrs)
}

// reclaim takes back what the processor has left of it. Nothing has changed if the status
// is the same and nothing is requested: a delivery takes a request away, an EOI what is in
// service, and a SELF IPI exits. W1.
func (e *Engine) reclaim() {
	l := &e.lent
	status := uint16(e.rd(vmx.GUEST_INTERRUPT_STATUS))
	if status == l.status && uint8(status) == 0 {
		return
	}
	l.status = status
	l.from.Reclaim(l.page, status)
	e.ask = true
}
