package inventory

import (
	"context"
	"fmt"
	"strings"

	"basalt/vmkernel/host"
)

// SetCPUs gives a machine so many virtual CPUs: of one that runs some can be added, up
// to Spec.MaxCPUs, none taken away. Errors: host.ConfigError with field "cpus", and those
// of AttachDisk.
func (v *Inventory) SetCPUs(ctx context.Context, id string, n int, user string) (VM, error) {
	return v.change(ctx, id, "vm.cpus", user, fmt.Sprintf("it has %d CPUs", n), func(ctx context.Context, e *entry) error {
		c := e.vm.Config()
		if n < c.CPUs {
			return &host.ConfigError{Field: "cpus", Err: fmt.Errorf("%d, the machine has %d and none can be taken away", n, c.CPUs)}
		}
		if n == c.CPUs {
			return nil
		}
		return e.vm.AddCPUs(ctx, n-c.CPUs)
	})
}

// SetMemory gives a machine so many MiB of memory: to one that runs some can be added, up
// to Spec.MaxMemoryMiB, none taken away. Errors: host.ConfigError with field "memoryMiB",
// host.ErrNoMemory, and those of AttachDisk.
func (v *Inventory) SetMemory(ctx context.Context, id string, mib int, user string) (VM, error) {
	return v.change(ctx, id, "vm.memory", user, fmt.Sprintf("it has %d MiB of memory", mib), func(ctx context.Context, e *entry) error {
		c := e.vm.Config()
		if mib < c.MemoryMiB {
			return &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%d, the machine has %d and none can be taken away; its guest can be asked to live with less", mib, c.MemoryMiB)}
		}
		if mib == c.MemoryMiB {
			return nil
		}
		return e.vm.AddMemory(ctx, mib-c.MemoryMiB)
	})
}

// SetMemoryTarget asks the guest of a machine that runs to live with so many MiB. Errors:
// host.ConfigError, and those of AttachDisk.
func (v *Inventory) SetMemoryTarget(ctx context.Context, id string, mib int, user string) (VM, error) {
	return v.change(ctx, id, "vm.balloon", user, fmt.Sprintf("its guest was asked to live with %d MiB", mib), func(ctx context.Context, e *entry) error {
		if size := e.vm.Config().MemoryMiB; mib < 1 || mib > size {
			return &host.ConfigError{Field: "mib", Err: fmt.Errorf("%d, 1 to %d are possible", mib, size)}
		}
		return e.vm.SetMemoryTarget(ctx, uint64(mib)<<20)
	})
}

// Port gives a machine's console by its port: "" or "1" is the first serial port, "2" to
// "4" are the others; a name is a console port's, of which none looks like a number.
// Errors: host.ErrNotFound.
func (v *Inventory) Port(id, port string) (*host.Console, error) {
	e, err := v.find(id)
	if err != nil {
		return nil, err
	}
	if port == "" {
		return e.vm.Console(), nil
	}
	if len(port) == 1 {
		if c := e.vm.Serial(int(port[0]) - '0'); c != nil {
			return c, nil
		}
	}
	if c := e.vm.Port(port); c != nil {
		return c, nil
	}
	var names []string
	for _, p := range e.vm.Config().Consoles {
		names = append(names, p.Name)
	}
	others := "it has no console ports"
	if names != nil {
		others = "console ports are " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("port %q of machine %q: %w: serial ports are 1 to %d, %s", port, e.spec.Name, host.ErrNotFound, host.NumSerial, others)
}
