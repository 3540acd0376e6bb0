// Package nicprobe knows which driver fits which network device, and opens them as
// vmnic0, vmnic1, ... in bus order. World W2, set-up only.
package nicprobe

import (
	"fmt"

	"basalt/drivers/bus"
	"basalt/drivers/e1000"
	"basalt/drivers/netio"
	"basalt/drivers/virtio/net"
)

// drivers is the match table; the first that matches opens the device.
var drivers = []struct {
	name  string
	match func(vendor, device uint16) bool
	open  func(name string, d bus.Device) (netio.Link, error)
}{
	{"virtio-net", net.Match, net.Open},
	{"e1000", e1000.Match, e1000.Open},
}

// NIC is one device that a driver knows: a running link, or why there is none.
type NIC struct {
	Device string // bus address
	Driver string
	Link   netio.Link
	Err    error
}

// String is a line for the log.
func (n NIC) String() string {
	if n.Err != nil {
		return fmt.Sprintf("%s %s: %v", n.Device, n.Driver, n.Err)
	}
	m := n.Link.MAC()
	return fmt.Sprintf("%s %s: %s %02x:%02x:%02x:%02x:%02x:%02x MTU %d link %v", n.Device, n.Driver, n.Link.Name(),
		m[0], m[1], m[2], m[3], m[4], m[5], n.Link.MTU(), n.Link.LinkUp())
}

// Open opens every network device that a driver knows. A device that fails is
// reported and keeps its number, so that names do not move.
func Open[D bus.Device](devices []D) (nics []NIC) {
	for _, d := range devices {
		vendor, device := d.ID()
		for _, drv := range drivers {
			if !drv.match(vendor, device) {
				continue
			}
			n := NIC{Device: d.Name(), Driver: drv.name}
			n.Link, n.Err = drv.open(fmt.Sprintf("vmnic%d", len(nics)), d)
			nics = append(nics, n)
			break
		}
	}
	return nics
}
