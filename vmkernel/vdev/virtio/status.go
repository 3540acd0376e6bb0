package virtio

import (
	"errors"
	"fmt"

	spec "basalt/drivers/spec/virtio"
)

// ErrDriver is wrapped by what Err says of a driver that broke a rule.
var ErrDriver = errors.New("the driver broke a rule of virtio")

// fail is an error state from which only a reset leads out, 2.1.2. Not with d.mu
// held.
func (d *Device) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.breach(err)
}

// breach is fail with d.mu held.
func (d *Device) breach(err error) {
	if d.resetting || d.broken.Load() {
		return
	}
	d.err = fmt.Errorf("virtio: %s: %w", d.cfg.Name, err)
	d.broken.Store(true)
	d.status |= spec.StatusNeedsReset
	d.configInterrupt()
}

func (d *Device) breachf(format string, args ...any) {
	d.breach(fmt.Errorf("%w: %s", ErrDriver, fmt.Sprintf(format, args...)))
}

// setStatus is a write of device_status, 2.1 and 3.1.1. d.mu is held.
func (d *Device) setStatus(v uint8) {
	if d.resetting { // the driver has to wait until it reads 0
		return
	}
	if v == 0 {
		d.reset()
		return
	}
	const known = spec.StatusAcknowledge | spec.StatusDriver | spec.StatusDriverOK | spec.StatusFeaturesOK | spec.StatusFailed
	v &= known // NEEDS_RESET is the device's own
	if lost := d.status &^ v & known; lost != 0 {
		d.breachf("it took status bits %#x back", lost)
	}
	set := v &^ d.status
	if set&spec.StatusFeaturesOK != 0 && !d.negotiate(d.status|v) {
		set &^= spec.StatusFeaturesOK
	}
	if set&spec.StatusDriverOK != 0 && (d.status|set)&spec.StatusFeaturesOK == 0 {
		set &^= spec.StatusDriverOK
		d.breachf("DRIVER_OK without FEATURES_OK")
	}
	d.status |= set
	if set&spec.StatusDriverOK != 0 {
		for _, q := range d.queues {
			if q.enabled {
				d.start(q)
			}
		}
	}
}

// negotiate says whether FEATURES_OK sticks, and takes the features if so.
func (d *Device) negotiate(status uint8) bool {
	const before = spec.StatusAcknowledge | spec.StatusDriver
	f := d.driverFeatures
	if status&before != before || f&^d.offered != 0 || f>>spec.FVersion1&1 == 0 || !d.cfg.Model.Accept(f) {
		return false
	}
	d.features = f
	return true
}

// reset begins a reset and ends it too if nothing is in flight. d.mu is held.
func (d *Device) reset() {
	d.resetting = true
	running := false
	for _, q := range d.queues {
		running = !q.stop() || running
	}
	if !running {
		d.clear()
	}
}

// stopped is told that a queue has ended. d.mu is held.
func (d *Device) stopped(q *Queue) {
	switch {
	case d.resetting:
		for _, q := range d.queues {
			if q.state.Load() != stopped {
				return
			}
		}
		d.clear()
	case q.resetting && q.state.Load() == stopped:
		q.clear()
	}
	d.settled.Broadcast()
}
