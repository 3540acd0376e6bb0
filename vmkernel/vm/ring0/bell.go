package ring0

import (
	"basalt/vmkernel/irq"
	"basalt/vmkernel/vdev/virtio"
)

// bell is a doorbell that run loops can ring.
type bell struct{ *irq.Bell }

// RingFast implements virtio.FastBell. W1.
func (b bell) RingFast() { b.Bell.Ring() }

// Wait implements virtio.Bell. Nobody waits any more when the bell is closed.
func (b bell) Wait() { _ = b.Bell.Wait() }

// newBell falls back to a bell for ordinary Go when the host has no descriptor left.
func newBell(name string) virtio.Bell {
	b, err := irq.NewBell(name)
	if err != nil {
		return virtio.NewBell()
	}
	return bell{b}
}

var _ virtio.FastBell = bell{}
