package vm

import (
	"context"
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/virtio/blk"
)

const diskKind = "disk"

// addDisk makes a disk and plugs it in. The machine has d; the device only uses it.
func (b *board) addDisk(p *Platform, c host.DiskConfig, d host.Disk, at place) error {
	queues := b.queues(at)
	card := &plugged{name: c.Name, kind: diskKind, slot: at.Slot, bell: at.Bell, queues: queues}
	err := card.overhead.grow(p, blk.HeapBytes(queues, 0))
	if err == nil {
		var dev *blk.Device
		if dev, err = blk.New(blk.Config{Name: "disk " + c.Name, Serial: c.Name, Disk: d, Memory: b.mem, ReadOnly: c.ReadOnly,
			Queues: queues, PortDoorbell: at.Bell, NewBell: p.NewBell}); err == nil {
			card.f, card.resized, card.count = dev, dev.CapacityChanged, diskStats(c.Name, dev)
			if err = b.plug(card); err == nil {
				return nil
			}
			_ = dev.Close(context.Background()) // nothing is in flight
		}
	}
	card.overhead.release()
	return fmt.Errorf("disk %q: %w", c.Name, err)
}

// hot is the place of a device that comes while the machine runs. It has no doorbell
// in I/O space: a port without a card has no window for one.
func (b *board) hot() place { return place{Slot: b.freeSlot()} }

// diskStats gives a disk's counters to the machine's status.
func diskStats(name string, d *blk.Device) func(*host.Status) {
	return func(s *host.Status) {
		n := d.Stats()
		s.Disks = append(s.Disks, host.DiskStats{Name: name, Reads: n.Reads, Writes: n.Writes, ReadBytes: n.ReadBytes,
			WrittenBytes: n.WrittenBytes, Flushes: n.Flushes, Discards: n.Discards, Errors: n.Errors, InFlight: n.InFlight})
	}
}
