package e1000test

import spec "basalt/drivers/spec/e1000"

// cause records interrupt causes; mu is held.
func (c *Chip) cause(bits uint32) {
	c.regs[spec.ICR/4] |= bits
	c.fire()
}

func (c *Chip) separate() bool { return c.pcie && len(c.vectors) >= 3 }

// pin drives the wire, if there is one.
func (c *Chip) pin() {
	if v := c.vectors[0]; v.Wire {
		v.Set(c.regs[spec.ICR/4]&c.regs[spec.IMS/4] != 0 && !c.gone)
	}
}

// fire sends what is pending and unmasked.
func (c *Chip) fire() {
	if c.gone {
		return
	}
	if c.vectors[0].Wire {
		c.pin()
		return
	}
	hit := c.regs[spec.ICR/4] & c.regs[spec.IMS/4]
	if !c.separate() {
		if hit != 0 {
			c.vectors[0].Raise()
		}
		return
	}
	ivar := c.regs[spec.IVAR/4]
	for _, r := range [...]struct {
		bit   uint32
		shift uint
	}{{spec.IntRXQ0, spec.IVARRXQ0Shift}, {spec.IntTXQ0, spec.IVARTXQ0Shift}, {spec.IntOther, spec.IVAROtherShift}} {
		field := ivar >> r.shift & 15
		if hit&r.bit == 0 || field&spec.IVARValid == 0 {
			continue
		}
		c.regs[spec.ICR/4] &^= r.bit & c.regs[spec.EIAC/4]
		c.vectors[field&7].Raise()
	}
}
