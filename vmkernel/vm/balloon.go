package vm

import (
	"context"
	"fmt"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/virtio/balloon"
)

// reclaimer gives frames that the guest does not need back to the host, while its
// processors run. The frame leaves the nested table first; one that the guest touches
// again is a first touch.
type reclaimer struct{ b *board }

// Reclaim implements balloon.Reclaimer.
func (r reclaimer) Reclaim(gpa uint64) (taken bool) {
	b := r.b
	b.maps.mu.Lock()
	defer b.maps.mu.Unlock()
	return b.mem.Reclaim(gpa, func() error { return b.table.Unmap(gpa, gmem.FrameSize) })
}

// addBalloon gives the machine its balloon, for its life.
func (b *board) addBalloon(p *Platform) error {
	dev, err := balloon.New(balloon.Config{Name: "balloon", Memory: b.mem, Reclaimer: reclaimer{b}, NewBell: p.NewBell})
	if err != nil {
		return fmt.Errorf("balloon: %w", err)
	}
	b.balloon = dev
	return b.plug(&plugged{kind: "balloon", slot: onBus0, f: dev})
}

// SetMemoryTarget implements host.VM.
func (m *Machine) SetMemoryTarget(ctx context.Context, bytes uint64) error {
	return m.alter(ctx, "set the memory of", func(on bool) error {
		if !on {
			return &host.StateError{Action: "set the memory of", State: host.StateOff}
		}
		size := m.b.mem.Size()
		if bytes < minMiB<<20 {
			return &host.ConfigError{Field: "memoryTarget", Err: fmt.Errorf("%d bytes, at least %d MiB are needed", bytes, minMiB)}
		}
		bytes = min(bytes, size)
		m.b.balloon.SetTarget(size - bytes)
		m.p.event(m.conf.ID, "info", fmt.Sprintf("the guest was asked to live with %d MiB of %d", bytes>>20, size>>20))
		return nil
	})
}

// balloonStatus fills what Status says of the balloon.
func (b *board) balloonStatus(s *host.Status) {
	st := b.balloon.Status()
	s.MemoryHuge = b.mem.Huge()
	s.MemoryTarget = b.mem.Size() - st.Target
	s.MemoryBalloon = st.Pages
	s.MemoryReclaimed = st.Reclaimed
}
