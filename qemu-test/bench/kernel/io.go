package main

import (
	"basalt/drivers/blockio/nulldisk"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vswitch"
)

// null is the disk of the benchmark: what it reads is zeros, at once.
type null struct{ *nulldisk.Disk }

func (null) Resize(int64, bool) error { return host.ErrUnsupported }

// withDisk gives a machine a null disk.
func withDisk(c *host.Config, b *host.Boot) error {
	d, err := nulldisk.New("null", 1<<30, 512)
	if err != nil {
		return err
	}
	c.Disks = []host.DiskConfig{{Name: "null", Kind: host.DiskNull, SizeMiB: 1 << 10}}
	b.Disks = []host.Disk{null{d}}
	return nil
}

// withNIC gives a machine an adapter on that switch.
func withNIC(c *host.Config, _ *host.Boot) error {
	c.NICs = []host.NICConfig{{Name: "nic", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}}
	return nil
}

// network is a switch with a port on it that answers as a host does (echo.go).
func network() (func(string) (*vswitch.Switch, error), error) {
	sw, err := vswitch.New(vswitch.Config{Name: host.NetworkNAT})
	if err != nil {
		return nil, err
	}
	link, err := sw.AddLink(vswitch.PortConfig{Name: "peer", MAC: peer})
	if err != nil {
		return nil, err
	}
	go answer(link)
	return func(string) (*vswitch.Switch, error) { return sw, nil }, nil
}

// diskAndNet times requests to a disk and packets.
func diskAndNet(m *vm.Manager) error {
	if err := rowsWith(m, "bench-blk", 1, withDisk); err != nil {
		return err
	}
	return rowsWith(m, "bench-net", 1, withNIC)
}
