package e1000

import (
	"fmt"
	"time"

	"basalt/drivers/bus"
	"basalt/drivers/netio"
	"basalt/drivers/nic"
	spec "basalt/drivers/spec/e1000"
)

const (
	ringLen = 256  // descriptors; a multiple of 8
	bufSize = 2048 // RCTL.BSIZE 00

	// A reset takes about a microsecond; the manual gives no upper bound.
	waitStep  = time.Millisecond
	waitSteps = 50

	rxCauses = spec.IntRXT0 | spec.IntRXDMT0 | spec.IntRXO
	txCauses = spec.IntTXDW | spec.IntTXQE
)

// controller is one chip. It implements nic.Chip.
type controller struct {
	*variant
	regs bus.Registers
	mac  [6]byte
	rx   receiver
	tx   transmitter
	// separate: vectors 0, 1, 2 are receive, transmit, other.
	separate           bool
	armRx, armTx, busy uint32 // causes to unmask; all causes in use
}

var _ nic.Chip = (*controller)(nil)

// Open resets a device, sets it up and starts it as a link with that name.
func Open(name string, d bus.Device) (netio.Link, error) {
	l, err := open(name, d)
	if err != nil {
		return nil, fmt.Errorf("e1000: %s at %s: %w", name, d.Name(), err)
	}
	return l, nil
}

func open(name string, d bus.Device) (_ *nic.Link, err error) {
	_, id := d.ID()
	c := &controller{variant: parts[id]}
	if c.variant == nil {
		return nil, fmt.Errorf("device %#04x is not one of ours", id)
	}
	if c.regs, err = d.BAR(0); err != nil {
		return nil, err
	}
	if c.regs.Size() < spec.Size {
		return nil, fmt.Errorf("BAR 0 has only %#x bytes", c.regs.Size())
	}
	if err := c.reset(); err != nil {
		return nil, err
	}
	if c.mac, err = c.readMAC(); err != nil {
		return nil, err
	}
	vectors, err := d.Interrupts(c.vectorsWanted())
	if err != nil {
		return nil, err
	}
	if err = c.rings(d); err == nil {
		d.EnableBusMaster()
		err = c.start(len(vectors))
	}
	if err != nil {
		c.Stop()
		for _, v := range vectors {
			v.Close()
		}
		return nil, err
	}
	return nic.Start(name, d, c, vectors), nil
}

func (c *controller) vectorsWanted() int {
	if c.msix {
		return 3
	}
	return 1
}

// reset brings the chip to its power-on state with all interrupts masked.
func (c *controller) reset() error {
	c.regs.Write32(spec.IMC, spec.IntAll)
	c.regs.Write32(spec.RCTL, 0)
	c.regs.Write32(spec.TCTL, spec.TctlPSP)
	if c.pcie {
		// Let transfers under way end; a time-out is no reason to give up, the
		// reset below ends them too.
		c.regs.Write32(spec.CTRL, c.regs.Read32(spec.CTRL)|spec.CtrlGIOMasterDisable)
		_ = c.wait(spec.STATUS, spec.StatusGIOMaster, 0)
	}
	c.regs.Write32(spec.CTRL, c.regs.Read32(spec.CTRL)|spec.CtrlRST)
	time.Sleep(waitStep)
	if err := c.wait(spec.CTRL, spec.CtrlRST, 0); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	c.regs.Write32(spec.IMC, spec.IntAll)
	c.regs.Read32(spec.ICR)
	return c.alive()
}

// wait polls a register until the masked bits have a value.
func (c *controller) wait(reg uintptr, mask, want uint32) error {
	for range waitSteps {
		v := c.regs.Read32(reg)
		if v&mask == want {
			return nil
		}
		if v == spec.IntAll {
			return netio.ErrGone
		}
		time.Sleep(waitStep)
	}
	return fmt.Errorf("register %#x does not become ready", reg)
}

// alive reads STATUS, which never has all bits set.
func (c *controller) alive() error {
	if c.regs.Read32(spec.STATUS) == spec.IntAll {
		return netio.ErrGone
	}
	return nil
}

// readMAC takes the address that the reset loaded, or asks the EEPROM.
func (c *controller) readMAC() (m [6]byte, err error) {
	lo, hi := c.regs.Read32(spec.RAL), c.regs.Read32(spec.RAH)
	if hi&spec.RAHAddressValid != 0 {
		for i := range m {
			m[i] = byte((uint64(hi)<<32 | uint64(lo)) >> (8 * i))
		}
		if m != [6]byte{} && m[0]&1 == 0 {
			return m, nil
		}
	}
	for i := range spec.EEPROMMACWords {
		c.regs.Write32(spec.EERD, uint32(spec.EEPROMFirstWord+i)<<c.eerdShift|spec.EERDStart)
		if err := c.wait(spec.EERD, c.eerdDone, c.eerdDone); err != nil {
			return m, fmt.Errorf("EEPROM: %w", err)
		}
		w := c.regs.Read32(spec.EERD) >> spec.EERDDataShift
		m[2*i], m[2*i+1] = byte(w), byte(w>>8)
	}
	if m == [6]byte{} || m[0]&1 != 0 {
		return m, fmt.Errorf("address %x is not unicast", m)
	}
	return m, nil
}

// start programs filters, rings and interrupts, in the order of the manual's
// chapter on initialisation.
func (c *controller) start(vectors int) error {
	ctrl := c.regs.Read32(spec.CTRL)
	ctrl &^= spec.CtrlLRST | spec.CtrlILOS | spec.CtrlPHYRST | spec.CtrlFRCSPD | spec.CtrlFRCDPX | spec.CtrlGIOMasterDisable
	c.regs.Write32(spec.CTRL, ctrl|spec.CtrlSLU|spec.CtrlASDE|spec.CtrlFD)
	for _, r := range []uintptr{spec.FCAL, spec.FCAH, spec.FCT, spec.FCTTV} {
		c.regs.Write32(r, 0)
	}
	for i := range uintptr(spec.MTALen) {
		c.regs.Write32(spec.MTA+4*i, 0)
	}
	m := c.mac
	c.regs.Write32(spec.RAL, uint32(m[0])|uint32(m[1])<<8|uint32(m[2])<<16|uint32(m[3])<<24)
	c.regs.Write32(spec.RAH, uint32(m[4])|uint32(m[5])<<8|spec.RAHAddressValid)
	c.regs.Write32(spec.RXCSUM, 0)

	c.tx.start(c)
	c.rx.start(c)
	c.causes(vectors)
	if err := c.alive(); err != nil {
		return err
	}
	c.regs.Write32(spec.IMS, c.busy&^c.armRx&^c.armTx) // carrier, always
	return nil
}

// MAC implements nic.Chip.
func (c *controller) MAC() [6]byte { return c.mac }

// MTU implements nic.Chip.
func (c *controller) MTU() int { return 1500 }

// Check implements nic.Chip.
func (c *controller) Check() (linkUp bool, err error) {
	s := c.regs.Read32(spec.STATUS)
	if s == spec.IntAll {
		return false, netio.ErrGone
	}
	return s&spec.StatusLU != 0, nil
}

// Stop implements nic.Chip. The memory is freed only when a reset has ended DMA
// for certain, or the device is gone; a chip that does neither keeps it.
func (c *controller) Stop() {
	if err := c.reset(); err != nil && c.alive() == nil {
		return
	}
	c.rx.free()
	c.tx.free()
}
