package main

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"basalt/drivers/blockio/nulldisk"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vm"
	"basalt/vmkernel/vswitch"
	"basalt/vmkernel/vswitch/nat"
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

// withNIC gives a machine an adapter on the NAT network.
func withNIC(c *host.Config, _ *host.Boot) error {
	c.NICs = []host.NICConfig{{Name: "nic", Network: host.NetworkNAT, MAC: "52:54:00:00:00:01"}}
	return nil
}

// network makes the NAT network, whose gateway answers pings; there is nothing
// behind it.
func network() (func(string) (*vswitch.Switch, error), error) {
	sw, err := vswitch.New(vswitch.Config{Name: host.NetworkNAT})
	if err != nil {
		return nil, err
	}
	link, err := sw.AddLink(vswitch.PortConfig{Name: "gateway", MAC: vswitch.MAC{0x52, 0x54, 0, 0, 0, 2}})
	if err != nil {
		return nil, err
	}
	_, err = nat.New(nat.Config{
		Prefix: netip.MustParsePrefix("192.168.99.0/24"), Gateway: netip.MustParseAddr("192.168.99.1"), DNS: netip.MustParseAddr("192.168.99.2"),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there is no network behind the gateway")
		},
		HostAddresses: func() []netip.Addr { return nil },
	}, link)
	return func(string) (*vswitch.Switch, error) { return sw, nil }, err
}

// diskAndNet times requests to a disk and packets.
func diskAndNet(m *vm.Manager) error {
	if err := rowsWith(m, "bench-blk", 1, withDisk); err != nil {
		return err
	}
	return rowsWith(m, "bench-net", 1, withNIC)
}
