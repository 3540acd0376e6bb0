package e1000

import (
	"basalt/drivers/nic"
	spec "basalt/drivers/spec/e1000"
)

// causes decides which interrupt causes stand for receive, transmit and carrier.
func (c *controller) causes(vectors int) {
	c.regs.Write32(spec.ITR, 0)
	c.armRx, c.armTx, c.busy = rxCauses, txCauses, rxCauses|txCauses|spec.IntLSC
	if !c.msix {
		return
	}
	// Without MSI-X in the function the 82574 ignores IVAR; with one vector all
	// causes go to it.
	tx, other := uint32(0), uint32(0)
	if c.separate = vectors >= 3; c.separate {
		tx, other = 1, 2
		c.armRx, c.armTx = spec.IntRXQ0, spec.IntTXQ0
		c.busy = spec.IntRXQ0 | spec.IntTXQ0 | spec.IntOther | spec.IntLSC
		// These two clear themselves when their message is sent.
		c.regs.Write32(spec.EIAC, spec.IntRXQ0|spec.IntTXQ0)
		for i := range uintptr(3) {
			c.regs.Write32(spec.EITR+4*i, 0)
		}
	} else {
		c.armRx |= spec.IntRXQ0
		c.armTx |= spec.IntTXQ0
		c.busy |= spec.IntRXQ0 | spec.IntTXQ0 | spec.IntOther
		c.regs.Write32(spec.EIAC, 0)
	}
	c.regs.Write32(spec.IAM, 0)
	c.regs.Write32(spec.IVAR, spec.IVARTxEveryWB|
		spec.IVARValid<<spec.IVARRXQ0Shift|
		(spec.IVARValid|tx)<<spec.IVARTXQ0Shift|
		(spec.IVARValid|other)<<spec.IVAROtherShift)
	c.regs.Write32(spec.CTRLEXT, c.regs.Read32(spec.CTRLEXT)&^(spec.CtrlExtIAME|spec.CtrlExtEIAME)|spec.CtrlExtPBACLR)
}

// Interrupt implements nic.Chip.
func (c *controller) Interrupt(i int) (ev nic.Event, err error) {
	if c.separate && i == 0 {
		c.regs.Write32(spec.IMC, c.armRx)
		return nic.EventReceive, nil
	}
	if c.separate && i == 1 {
		c.regs.Write32(spec.IMC, c.armTx)
		return nic.EventTransmit, nil
	}
	icr := c.regs.Read32(spec.ICR)
	if icr == spec.IntAll {
		return nic.EventLink, c.alive()
	}
	if icr&spec.IntLSC != 0 {
		ev |= nic.EventLink
	}
	if c.separate {
		return ev, nil
	}
	var mask uint32
	if icr&c.armRx != 0 {
		ev |= nic.EventReceive
		mask |= c.armRx
	}
	if icr&c.armTx != 0 {
		ev |= nic.EventTransmit
		mask |= c.armTx
	}
	if mask != 0 {
		c.regs.Write32(spec.IMC, mask)
	}
	return ev, nil
}
