package virtio

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vbus"
)

// Layout of BAR 0: a page for each structure.
const (
	pageSize = 4096

	commonAt = 0 * pageSize
	isrAt    = 1 * pageSize
	configAt = 2 * pageSize
	notifyAt = 3 * pageSize
	barSize  = 4 * pageSize

	// NotifyMultiplier is notify_off_multiplier: the doorbells are that many bytes
	// apart, in the order of the queues.
	NotifyMultiplier = 4
)

// RegistersBAR is the number of the BAR with all structures, MSIXBAR that of the
// MSI-X table, which is the endpoint's, DoorbellBAR that of the doorbell in I/O space.
const (
	RegistersBAR = 0
	MSIXBAR      = 1
	DoorbellBAR  = 2
)

// doorbellSize is the size of DoorbellBAR in bytes. All queues have the same
// doorbell, because notify_off_multiplier is 0 there (4.1.4.4).
const doorbellSize = 4

// Doorbell is where in RegistersBAR the driver writes 16 bits, the number of
// queue i, to notify the device.
func Doorbell(i int) (off uint64) { return notifyAt + NotifyMultiplier*uint64(i) }

// ReadBAR answers a read of len(data) bytes, 1 to 8.
func (d *Device) ReadBAR(bar int, off uint64, data []byte) vbus.Access {
	if bar != RegistersBAR || off >= barSize {
		return vbus.NoRegister
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closing:
		return vbus.NoRegister
	case off < isrAt:
		return d.readCommon(off, data)
	case off == isrAt:
		if len(data) != 1 {
			return vbus.BadSize
		}
		data[0] = d.setISR(0, 0)
		return vbus.OK
	case off >= configAt && off < notifyAt:
		return d.readConfig(off-configAt, data)
	}
	return vbus.NoRegister
}

// WriteBAR answers a write of len(data) bytes, 1 to 8. It does not block.
func (d *Device) WriteBAR(bar int, off uint64, data []byte) vbus.Access {
	if bar == DoorbellBAR && d.cfg.PortDoorbell {
		return d.notifyPort(off, data)
	}
	if bar != RegistersBAR || off >= barSize {
		return vbus.NoRegister
	}
	if off >= notifyAt {
		return d.notify(off-notifyAt, data)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closing:
		return vbus.NoRegister
	case off < isrAt:
		return d.writeCommon(off, data)
	case off >= configAt:
		return d.writeConfig(off-configAt, data)
	}
	return vbus.NoRegister
}

// notify is a doorbell, 4.1.5.2. A queue that does not run hears nothing: it looks
// by itself when it starts.
func (d *Device) notify(off uint64, data []byte) vbus.Access {
	i := off / NotifyMultiplier
	switch {
	case i >= uint64(len(d.queues)):
		return vbus.NoRegister
	case off%NotifyMultiplier != 0 || len(data) != 2:
		return vbus.BadSize
	}
	q := d.queues[i]
	if v := binary.LittleEndian.Uint16(data); uint64(v) != i {
		d.fail(errDoorbell)
		return vbus.OK
	}
	if q.state.Load() == running {
		q.Ring()
	}
	return vbus.OK
}

// notifyPort is the doorbell in I/O space.
func (d *Device) notifyPort(off uint64, data []byte) vbus.Access {
	if off != 0 || len(data) != 2 {
		return vbus.BadSize
	}
	i := binary.LittleEndian.Uint16(data)
	if int(i) >= len(d.queues) {
		d.fail(errDoorbell)
	} else if q := d.queues[i]; q.state.Load() == running {
		q.Ring()
	}
	return vbus.OK
}

// FastWriteBAR implements pcie.FastFunction: the doorbells. W1.
func (d *Device) FastWriteBAR(bar int, off uint64, size uint8, value uint64) (ok bool) {
	i := value & 0xffff
	at := uint64(0)
	switch bar {
	case RegistersBAR:
		at = Doorbell(int(i))
	case DoorbellBAR:
	default:
		return false
	}
	if off != at || size != 2 || i >= uint64(len(d.queues)) {
		return false
	}
	q := d.queues[i]
	if q.fast == nil {
		return false
	}
	if q.state.Load() == running {
		q.fast.RingFast()
	}
	return true
}

func (d *Device) readConfig(off uint64, data []byte) vbus.Access {
	if off >= uint64(d.cfg.ConfigSize) || uint64(len(data)) > uint64(d.cfg.ConfigSize)-off {
		return vbus.NoRegister
	}
	if d.configDirty {
		d.configDirty = false
		d.generation++
	}
	d.cfg.Model.ReadConfig(int(off), data)
	return vbus.OK
}

func (d *Device) writeConfig(off uint64, data []byte) vbus.Access {
	if off >= uint64(d.cfg.ConfigSize) || uint64(len(data)) > uint64(d.cfg.ConfigSize)-off {
		return vbus.NoRegister
	}
	// The driver has no business here before it has negotiated, 3.1.1.
	early := d.status&spec.StatusFeaturesOK == 0 && !d.cfg.EarlyConfig
	if early || d.resetting || !d.cfg.Model.WriteConfig(int(off), data) {
		d.breachf("it wrote %d bytes at %#x of the device configuration", len(data), off)
	}
	return vbus.OK
}
