package fakehost

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"basalt/vmkernel/host"
)

// table implements host.VMs.
type table struct {
	h   *Host
	mu  sync.Mutex
	vms []*VM
}

func (t *table) checkConfig(c host.Config) error {
	in := t.h.Info()
	switch {
	case c.CPUs < 1 || c.CPUs > in.MaxVCPUs:
		return &host.ConfigError{Field: "cpus", Err: fmt.Errorf("%d asked for, this host gives a machine 1 to %d", c.CPUs, in.MaxVCPUs)}
	case c.MaxCPUs != 0 && (c.MaxCPUs < c.CPUs || c.MaxCPUs > in.MaxVCPUs):
		return &host.ConfigError{Field: "maxCPUs", Err: fmt.Errorf("%d asked for, %d to %d are possible", c.MaxCPUs, c.CPUs, in.MaxVCPUs)}
	case c.MemoryMiB < in.MinMemoryMiB:
		return &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%d MiB asked for, at least %d are needed", c.MemoryMiB, in.MinMemoryMiB)}
	}
	return c.CheckDevices()
}

// Check implements host.VMs: it knows a format by its magic only.
func (t *table) Check(c host.Config, b host.Boot) (host.KernelFormat, error) {
	if err := t.checkConfig(c); err != nil {
		return "", err
	}
	if free := t.h.Info().MemoryFree >> 20; uint64(c.MemoryMiB) > free {
		return "", &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%w: %d MiB asked for, %d MiB free", host.ErrNoMemory, c.MemoryMiB, free)}
	}
	if err := t.h.pools.Check(c.Name, entitled(c)); err != nil {
		var ce *host.ConfigError
		if !errors.As(err, &ce) {
			err = &host.ConfigError{Field: "cpu.reservation", Err: err}
		}
		return "", err
	}
	f, err := recognise(b.Kernel)
	if err != nil {
		return "", &host.ConfigError{Field: "boot.kernel", Err: err}
	}
	if b.Initrd != nil && b.Initrd.Size() >= int64(c.MemoryMiB)<<20 {
		return "", &host.ConfigError{Field: "boot.initrd", Err: fmt.Errorf("%w: %q has %d bytes and does not fit into %d MiB of memory", host.ErrBadImage, b.Initrd.Name(), b.Initrd.Size(), c.MemoryMiB)}
	}
	return f, nil
}

func recognise(k host.Image) (host.KernelFormat, error) {
	head := make([]byte, 8192)
	n, err := k.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = head[:n]
	switch {
	case len(head) > 0x206 && head[0x1fe] == 0x55 && head[0x1ff] == 0xaa && string(head[0x202:0x206]) == "HdrS":
		return host.FormatBzImage, nil
	case bytes.Contains(head, []byte{0x02, 0xb0, 0xad, 0x1b}):
		return host.FormatMultiboot1, nil
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return host.FormatPVH, nil
	}
	return "", fmt.Errorf("%w: %q is not a kernel (no bzImage, PVH or Multiboot1 header)", host.ErrBadImage, k.Name())
}

// Create implements host.VMs.
func (t *table) Create(c host.Config) (host.VM, error) {
	if err := t.checkConfig(c); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.find(c.ID) >= 0 {
		return nil, fmt.Errorf("machine %q: %w", c.ID, host.ErrExists)
	}
	if c.Hardware == 0 {
		c.Hardware = host.HardwareNewest
	}
	vm := newVM(t.h, c)
	t.vms = append(t.vms, vm)
	return vm, nil
}

func (t *table) find(id string) int {
	return slices.IndexFunc(t.vms, func(v *VM) bool { return v.cfg.ID == id })
}

// List implements host.VMs.
func (t *table) List() []host.VM {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]host.VM, len(t.vms))
	for i, v := range t.vms {
		out[i] = v
	}
	return out
}

// Get implements host.VMs.
func (t *table) Get(id string) (host.VM, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(id); i >= 0 {
		return t.vms[i], nil
	}
	return nil, fmt.Errorf("machine %q: %w", id, host.ErrNotFound)
}

// Delete implements host.VMs.
func (t *table) Delete(id string) error {
	v, err := t.Get(id)
	if err != nil {
		return err
	}
	vm := v.(*VM)
	if err := vm.begin("delete", host.StateOff, host.StateCrashed); err != nil {
		return err
	}
	<-t.h.gate("delete")
	vm.closeConsoles()
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(id); i >= 0 {
		t.vms = slices.Delete(t.vms, i, i+1)
	}
	return nil
}
