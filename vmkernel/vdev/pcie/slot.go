package pcie

import (
	spec "basalt/drivers/spec/pci"
)

// slotEvents are the events that raise the hot-plug interrupt: bits in Slot
// Status, and their enables in Slot Control.
var slotEvents = []struct{ status, enable uint16 }{
	{spec.SlotAttentionPressed, spec.SlotAttentionEnable},
	{spec.SlotPowerFault, spec.SlotFaultEnable},
	{spec.SlotPresenceChanged, spec.SlotPresenceEnable},
	{spec.SlotLinkChanged, spec.SlotLinkEnable},
}

// describeSlot puts the slot's registers.
func (p *port) describeSlot() {
	s, at := &p.regs, p.exp
	s.linkRegisters(at, spec.ExpLinkReporting|uint32(p.n+1)<<spec.ExpLinkPortShift)
	s.put16(at+spec.ExpLinkStatus, 0)
	s.put32(at+spec.ExpSlotCap, spec.SlotAttentionButton|spec.SlotPowerController|spec.SlotAttentionIndicator|
		spec.SlotPowerIndicator|spec.SlotSurprise|spec.SlotHotPlug|spec.SlotNoCommandCompleted|uint32(p.n+1)<<spec.SlotNumberShift)
	s.allow16(at+spec.ExpSlotControl, spec.SlotAttentionEnable|spec.SlotFaultEnable|spec.SlotPresenceEnable|spec.SlotInterruptEnable|
		spec.SlotAttentionLEDMask|spec.SlotPowerLEDMask|spec.SlotPowerOff|spec.SlotLinkEnable)
	s.clears16(at+spec.ExpSlotStatus, spec.SlotAttentionPressed|spec.SlotPowerFault|spec.SlotPresenceChanged|spec.SlotLinkChanged)
	s.allow16(at+spec.ExpRootControl, 0x000f) // error reporting and PME interrupt enables
}

func (p *port) control() uint16 { return p.regs.u16(p.exp + spec.ExpSlotControl) }
func (p *port) status() uint16  { return p.regs.u16(p.exp + spec.ExpSlotStatus) }

// linked: a card is there and has power.
func (p *port) linked() bool { return p.regs.u16(p.exp+spec.ExpLinkStatus)&spec.ExpLinkActive != 0 }

func (p *port) setLink(up bool) {
	p.regs.put16(p.exp+spec.ExpLinkStatus, 0)
	if up {
		p.regs.put16(p.exp+spec.ExpLinkStatus, spec.ExpLink8GT|spec.ExpLinkX1|spec.ExpLinkActive)
	}
}

// rest is the state of a slot that software has not touched: power for a card,
// none for an empty slot, no events.
func (p *port) rest() {
	control := uint16(spec.SlotAttentionLEDOff | spec.SlotPowerLEDOff | spec.SlotPowerOff)
	if p.card != nil {
		control = spec.SlotAttentionLEDOff | spec.SlotPowerLEDOn
	}
	p.regs.put16(p.exp+spec.ExpSlotControl, control)
	p.regs.put16(p.exp+spec.ExpSlotStatus, 0)
	p.regs.set16(p.exp+spec.ExpSlotStatus, spec.SlotPresence, p.card != nil)
	p.setLink(p.card != nil)
	p.active = false
}

// powered follows the power controller and the card: the link comes up or goes
// down. A card that lost its link is reset; if it was to leave, it leaves.
func (p *port) powered() (reset Function) {
	up := p.card != nil && p.control()&spec.SlotPowerOff == 0
	if up != p.linked() {
		p.setLink(up)
		p.event(spec.SlotLinkChanged)
		if p.card != nil {
			if !up {
				reset = p.card.f
			}
			p.card.resetLocked()
		}
	}
	if p.leaving && p.control()&spec.SlotPowerOff != 0 {
		p.takeOut()
	}
	return reset
}

// event records that something happened in the slot.
func (p *port) event(bits uint16) { p.regs.set16(p.exp+spec.ExpSlotStatus, bits, true) }

// notify raises the hot-plug interrupt: INTx while an enabled event waits, one
// message each time that this becomes true (6.7.3.4).
func (p *port) notify() {
	due := p.due()
	p.irq.setLevel(due)
	if due && !p.active {
		p.irq.signal(0)
	}
	p.active = due
}

// due: an enabled event waits for software.
func (p *port) due() bool {
	control, status := p.control(), p.status()
	if control&spec.SlotInterruptEnable == 0 {
		return false
	}
	for _, e := range slotEvents {
		if status&e.status != 0 && control&e.enable != 0 {
			return true
		}
	}
	return false
}

// listens: software has asked for attention-button events.
func (p *port) listens() bool {
	const both = spec.SlotInterruptEnable | spec.SlotAttentionEnable
	return p.control()&both == both
}

// insert puts a card in and presses the button, see doc.go.
func (p *port) insert(e *Endpoint) {
	p.card = e
	p.regs.set16(p.exp+spec.ExpSlotStatus, spec.SlotPresence, true)
	p.event(spec.SlotPresenceChanged | spec.SlotAttentionPressed)
	p.powered()
	p.settle()
}

// takeOut is the end of a card's stay.
func (p *port) takeOut() {
	e := p.card
	p.leaving = false
	if e == nil {
		return
	}
	e.resetLocked()
	p.card = nil
	p.regs.set16(p.exp+spec.ExpSlotStatus, spec.SlotPresence, false)
	p.event(spec.SlotPresenceChanged)
	if p.linked() {
		p.setLink(false)
		p.event(spec.SlotLinkChanged)
	}
	e.detach()
}

const slotButton = spec.SlotAttentionPressed

func (p *port) blinks() bool { return p.control()&spec.SlotPowerLEDMask == spec.SlotPowerLEDBlink }
