package virtio

import (
	"encoding/binary"
	"fmt"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vbus"
)

var errDoorbell = fmt.Errorf("%w: a doorbell with the number of another queue", ErrDriver)

// width is the size of the register at off of the common configuration; 0: none.
// 64-bit fields are two of 32 bits (4.1.3.1).
func width(off uint64) int {
	switch off {
	case spec.DeviceStatus, spec.ConfigGeneration:
		return 1
	case spec.ConfigMSIXVector, spec.NumQueues, spec.QueueSelect, spec.QueueSize, spec.QueueMSIXVector,
		spec.QueueEnable, spec.QueueNotifyOff, spec.QueueNotifyData, spec.QueueReset:
		return 2
	case spec.DeviceFeatureSelect, spec.DeviceFeature, spec.DriverFeatureSelect, spec.DriverFeature,
		spec.QueueDesc, spec.QueueDesc + 4, spec.QueueDriver, spec.QueueDriver + 4, spec.QueueDevice, spec.QueueDevice + 4:
		return 4
	}
	return 0
}

func access(off uint64, data []byte) vbus.Access {
	switch n := width(off); {
	case off >= spec.CommonCfgFullSize:
		return vbus.NoRegister
	case n != len(data):
		return vbus.BadSize
	}
	return vbus.OK
}

// half is 32 of 64 feature bits; what there is above is 0 (4.1.4.3.1).
func half(v uint64, i uint32) uint32 {
	if i > 1 {
		return 0
	}
	return uint32(v >> (32 * i))
}

func flag(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// selected is the queue that queue_select names, nil if there is none.
func (d *Device) selected() *Queue {
	if int(d.queueSelect) >= len(d.queues) {
		return nil
	}
	return d.queues[d.queueSelect]
}

func (d *Device) readCommon(off uint64, data []byte) vbus.Access {
	if a := access(off, data); a != vbus.OK {
		return a
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], d.loadCommon(off))
	copy(data, b[:])
	return vbus.OK
}

func (d *Device) loadCommon(off uint64) uint32 {
	switch off {
	case spec.DeviceFeatureSelect:
		return d.featuresSelect
	case spec.DeviceFeature:
		return half(d.offered, d.featuresSelect)
	case spec.DriverFeatureSelect:
		return d.driverSelect
	case spec.DriverFeature:
		return half(d.driverFeatures, d.driverSelect)
	case spec.ConfigMSIXVector:
		return uint32(d.configVector)
	case spec.NumQueues:
		return uint32(len(d.queues))
	case spec.DeviceStatus:
		return uint32(d.status)
	case spec.ConfigGeneration:
		return uint32(d.generation)
	case spec.QueueSelect:
		return uint32(d.queueSelect)
	}
	if q := d.selected(); q != nil {
		return q.load(off)
	}
	return 0 // queue_size 0: not available
}

func (q *Queue) load(off uint64) uint32 {
	switch off {
	case spec.QueueSize:
		return uint32(q.size)
	case spec.QueueMSIXVector:
		return q.vector.Load()
	case spec.QueueEnable:
		return flag(q.enabled)
	case spec.QueueNotifyOff:
		return uint32(q.index)
	case spec.QueueReset:
		return flag(q.resetting)
	}
	if a, i := q.area(off); a != nil {
		return half(*a, i)
	}
	return 0
}

// area is the address register at off, and which half of it.
func (q *Queue) area(off uint64) (*uint64, uint32) {
	i := uint32(off>>2) & 1
	switch off &^ 4 {
	case spec.QueueDesc:
		return &q.desc, i
	case spec.QueueDriver:
		return &q.driver, i
	case spec.QueueDevice:
		return &q.device, i
	}
	return nil, 0
}

func (d *Device) writeCommon(off uint64, data []byte) vbus.Access {
	if a := access(off, data); a != vbus.OK {
		return a
	}
	var b [4]byte
	copy(b[:], data)
	if v := binary.LittleEndian.Uint32(b[:]); off == spec.DeviceStatus {
		d.setStatus(uint8(v))
	} else if !d.resetting {
		d.storeCommon(off, v)
	}
	return vbus.OK
}

func (d *Device) storeCommon(off uint64, v uint32) {
	switch off {
	case spec.DeviceFeatureSelect:
		d.featuresSelect = v
	case spec.DriverFeatureSelect:
		d.driverSelect = v
	case spec.DriverFeature:
		d.storeFeatures(v)
	case spec.ConfigMSIXVector:
		d.configVector = d.vector(v)
	case spec.QueueSelect:
		d.queueSelect = uint16(v)
	case spec.DeviceFeature, spec.NumQueues, spec.ConfigGeneration, spec.QueueNotifyOff, spec.QueueNotifyData:
		d.breachf("it wrote the read-only register %#x", off) // 4.1.4.3.2
	default:
		if q := d.selected(); q != nil {
			d.storeQueue(q, off, v)
		}
	}
}

func (d *Device) storeFeatures(v uint32) {
	if d.driverSelect > 1 {
		if v != 0 && d.status&spec.StatusFeaturesOK == 0 {
			d.breachf("it accepted features %#x of word %d", v, d.driverSelect)
		}
		return
	}
	shift := 32 * d.driverSelect
	f := d.driverFeatures&^(0xffffffff<<shift) | uint64(v)<<shift
	if d.status&spec.StatusFeaturesOK != 0 { // 3.1.1
		if f != d.driverFeatures {
			d.breachf("it changed features after FEATURES_OK")
		}
		return
	}
	d.driverFeatures = f
}

// vector is what a vector register keeps, 4.1.5.1.2.1.
func (d *Device) vector(v uint32) uint16 {
	if v >= uint32(d.vectors) {
		return spec.NoVector
	}
	return uint16(v)
}
