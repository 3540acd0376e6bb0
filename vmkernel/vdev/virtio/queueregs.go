package virtio

import spec "basalt/drivers/spec/virtio"

// storeQueue writes a register of the selected queue, 4.1.4.3. d.mu is held.
func (d *Device) storeQueue(q *Queue, off uint64, v uint32) {
	switch off {
	case spec.QueueMSIXVector:
		q.vector.Store(uint32(d.vector(v)))
	case spec.QueueEnable:
		d.enable(q, v)
	case spec.QueueReset:
		d.resetQueue(q, v)
	default:
		if q.enabled || q.resetting {
			d.breachf("it wrote register %#x of queue %d, which is enabled", off, q.index)
		} else if off == spec.QueueSize {
			if v == 0 || v > uint32(q.max) {
				d.breachf("it gave queue %d, of at most %d, the size %d", q.index, q.max, v)
				return
			}
			q.size = uint16(v)
		} else if a, i := q.area(off); a != nil {
			shift := 32 * i
			*a = *a&^(0xffffffff<<shift) | uint64(v)<<shift
		}
	}
}

func (d *Device) enable(q *Queue, v uint32) {
	switch {
	case v == 0 && !q.enabled || v == 1 && q.enabled:
	case v == 0: // 4.1.4.3.2
		d.breachf("it disabled queue %d", q.index)
	case v != 1 || q.resetting:
		d.breachf("it enabled queue %d with %d while its reset goes on: %v", q.index, v, q.resetting)
	case d.status&spec.StatusFeaturesOK == 0: // the layout is not known yet
		d.breachf("it enabled queue %d before FEATURES_OK", q.index)
	case q.size&(q.size-1) != 0 && d.features>>spec.FRingPacked&1 == 0:
		d.breachf("it gave the split queue %d the size %d", q.index, q.size)
	default:
		q.enabled = true
		if d.status&spec.StatusDriverOK != 0 {
			d.start(q)
		}
	}
}

// resetQueue is a write of queue_reset, 2.6.1 and 4.1.4.3.1.
func (d *Device) resetQueue(q *Queue, v uint32) {
	switch {
	case v == 0 || q.resetting:
	case v != 1 || d.features>>spec.FRingReset&1 == 0:
		d.breachf("it wrote %d to queue_reset of queue %d", v, q.index)
	default:
		q.resetting = true
		if q.stop() {
			q.clear()
		}
	}
}
