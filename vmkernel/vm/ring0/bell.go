package ring0

import (
	"basalt/vmkernel/irq"
	"basalt/vmkernel/vdev/virtio"
)

// newBell makes a doorbell that run loops can ring.
func newBell(name string) (virtio.Bell, error) {
	b, err := irq.NewBell(name)
	if err != nil {
		return nil, err
	}
	return b, nil
}

var _ virtio.FastBell = (*irq.Bell)(nil)
