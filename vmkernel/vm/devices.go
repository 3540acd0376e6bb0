package vm

import (
	"context"
	"fmt"

	"basalt/vmkernel/host"
)

// What stands in the way of devices and CPU levels.
const (
	noBus = "there is no PCIe bus with virtio devices on this machine yet"
)

func missing(what string) error { return fmt.Errorf("%w: %s", host.ErrUnsupported, what) }

// unsupported refuses what a configuration asks for and build does not make.
func unsupported(c host.Config) error {
	switch {
	case len(c.Disks) > 0:
		return &host.ConfigError{Field: "disks", Err: missing(noBus)}
	case len(c.NICs) > 0:
		return &host.ConfigError{Field: "nics", Err: missing(noBus)}
	}
	return nil
}

// PowerButton implements host.Buttons.
func (m *Machine) PowerButton(ctx context.Context) error {
	return m.do(ctx, action{kind: actButton})
}

// NMI implements host.Buttons.
func (m *Machine) NMI(ctx context.Context) error { return m.do(ctx, action{kind: actNMI}) }

// AttachDisk implements host.Devices.
func (m *Machine) AttachDisk(_ context.Context, _ host.DiskConfig, d host.Disk) error {
	d.Close()
	return missing(noBus)
}

// nothing is the answer for a device that the machine cannot have.
func (m *Machine) nothing(kind, name string) error {
	return fmt.Errorf("%s %q of machine %q: %w", kind, name, m.conf.Name, host.ErrNotFound)
}

// DetachDisk implements host.Devices.
func (m *Machine) DetachDisk(_ context.Context, name string, _ bool) error {
	return m.nothing("disk", name)
}

// ResizeDisk implements host.Devices.
func (m *Machine) ResizeDisk(_ context.Context, name string, _ int64, _ bool) error {
	return m.nothing("disk", name)
}

// AttachNIC implements host.Devices.
func (m *Machine) AttachNIC(context.Context, host.NICConfig) error { return missing(noBus) }

// DetachNIC implements host.Devices.
func (m *Machine) DetachNIC(_ context.Context, name string, _ bool) error {
	return m.nothing("network adapter", name)
}

// SetLink implements host.Devices.
func (m *Machine) SetLink(_ context.Context, name string, _ bool) error {
	return m.nothing("network adapter", name)
}
