package virtio

import spec "basalt/drivers/spec/virtio"

// Interrupts is what the transport sees of its PCI endpoint. Any goroutine; none
// blocks or calls back into the device.
type Interrupts interface {
	// Signal sends the message of an MSI-X vector.
	Signal(vector uint16)
	MSIXEnabled() bool
	// SetINTx is the level of the function's pin.
	SetINTx(high bool)
	// BusMaster says whether the function may reach memory.
	BusMaster() bool
}

// unconnected is a device in no slot: no interrupts and no memory.
type unconnected struct{}

func (unconnected) Signal(uint16)     {}
func (unconnected) MSIXEnabled() bool { return false }
func (unconnected) SetINTx(bool)      {}
func (unconnected) BusMaster() bool   { return false }

// setISR changes the ISR status and the pin, which is its OR unless MSI-X is on
// (4.1.4.5.1). It gives the status from before.
func (d *Device) setISR(keep, set uint8) (old uint8) {
	d.isrMu.Lock()
	defer d.isrMu.Unlock()
	old = d.isr
	d.isr = old&keep | set
	d.intr.SetINTx(d.isr != 0 && !d.intr.MSIXEnabled())
	return old
}

// usedInterrupt is a used buffer notification, 4.1.5.3.
func (d *Device) usedInterrupt(q *Queue) {
	if !d.intr.MSIXEnabled() {
		d.setISR(0xff, spec.ISRQueue)
	} else if v := uint16(q.vector.Load()); v != spec.NoVector {
		d.intr.Signal(v)
	}
}

// configInterrupt is a configuration change notification, 4.1.5.4, if the driver
// is ready for one. The ISR bit is set with MSI-X too (4.1.4.5.1). d.mu is held.
func (d *Device) configInterrupt() {
	if d.status&spec.StatusDriverOK == 0 || d.resetting {
		return
	}
	d.setISR(0xff, spec.ISRConfig)
	if v := d.configVector; v != spec.NoVector && d.intr.MSIXEnabled() {
		d.intr.Signal(v)
	}
}

// ConfigChanged says that the device configuration has other values now. Not from
// inside a Model's ReadConfig, WriteConfig, Accept or Reset.
func (d *Device) ConfigChanged() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.configDirty = true
	d.configInterrupt()
}
