package vm

import (
	"crypto/rand"
	"fmt"

	"basalt/vmkernel/vdev/virtio/rng"
)

// addEntropy gives the machine a source of random bytes for its life.
func (b *board) addEntropy(p *Platform) error {
	dev, err := rng.New(rng.Config{Name: "entropy", Memory: b.mem, Source: rand.Reader, Clock: b.clock, PortDoorbell: true, NewBell: p.NewBell})
	if err != nil {
		return fmt.Errorf("entropy: %w", err)
	}
	return b.plug(&plugged{kind: "entropy", slot: onBus0, bell: true, f: dev})
}
