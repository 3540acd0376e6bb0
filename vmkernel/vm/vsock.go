package vm

import (
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/virtio/vsock"
)

// addVsock gives the machine sockets to the host for its life, if it is to have them.
func (b *board) addVsock(p *Platform, c host.Config) error {
	if c.VsockCID == 0 {
		return nil
	}
	dev, err := vsock.New(vsock.Config{Name: "vsock", Memory: b.mem, CID: c.VsockCID, Services: p.VsockServices,
		PortDoorbell: true, NewBell: p.NewBell})
	if err != nil {
		return fmt.Errorf("vsock: %w", err)
	}
	return b.plug(&plugged{kind: "vsock", slot: onBus0, bell: true, f: dev})
}
