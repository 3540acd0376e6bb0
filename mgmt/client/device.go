package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"basalt/mgmt/wire"
)

func devicePath(id, kind, name string) string {
	return vmPath(id) + "/" + kind + "/" + url.PathEscape(name)
}

// AttachDisk adds a disk and gives the machine after it.
func (c *Client) AttachDisk(ctx context.Context, id string, d wire.Disk) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPost, vmPath(id)+"/disks", d, &vm)
	return vm, err
}

// DetachDisk takes a disk away; with force even from a guest that uses it.
func (c *Client) DetachDisk(ctx context.Context, id, name string, force bool) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodDelete, devicePath(id, "disks", name)+"?force="+strconv.FormatBool(force), nil, &vm)
	return vm, err
}

// ResizeDisk sets a disk's size in bytes; with cut it may cut data off.
func (c *Client) ResizeDisk(ctx context.Context, id, name string, size int64, cut bool) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPatch, devicePath(id, "disks", name), wire.DiskChange{Bytes: size, Cut: cut}, &vm)
	return vm, err
}

// AttachNIC adds a network adapter and gives the machine after it.
func (c *Client) AttachNIC(ctx context.Context, id string, n wire.NIC) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPost, vmPath(id)+"/nics", n, &vm)
	return vm, err
}

// DetachNIC takes a network adapter away; with force even from a guest that uses it.
func (c *Client) DetachNIC(ctx context.Context, id, name string, force bool) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodDelete, devicePath(id, "nics", name)+"?force="+strconv.FormatBool(force), nil, &vm)
	return vm, err
}

// SetForwards sets all port forwards of a network adapter.
func (c *Client) SetForwards(ctx context.Context, id, name string, f []wire.Forward) (vm wire.VM, err error) {
	if f == nil {
		f = []wire.Forward{}
	}
	err = c.call(ctx, http.MethodPut, devicePath(id, "nics", name)+"/forwards", wire.Forwards{Forwards: f}, &vm)
	return vm, err
}

// SetLink plugs a network adapter's cable in or out.
func (c *Client) SetLink(ctx context.Context, id, name string, up bool) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPatch, devicePath(id, "nics", name), wire.NICChange{LinkUp: up}, &vm)
	return vm, err
}

// Stats gives the counters of all machines.
func (c *Client) Stats(ctx context.Context) (s wire.Stats, err error) {
	err = c.call(ctx, http.MethodGet, v1+"/stats", nil, &s)
	return s, err
}

// SetCPUs gives a machine more virtual CPUs.
func (c *Client) SetCPUs(ctx context.Context, id string, n int) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPut, vmPath(id)+"/cpus", wire.CPUs{CPUs: n}, &vm)
	return vm, err
}

// SetMemory gives a machine more memory: mib is all that it has then.
func (c *Client) SetMemory(ctx context.Context, id string, mib int) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPut, vmPath(id)+"/memory", wire.Memory{MemoryMiB: mib}, &vm)
	return vm, err
}

// SetMemoryTarget asks a machine's guest to live with so many MiB.
func (c *Client) SetMemoryTarget(ctx context.Context, id string, mib int) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPut, vmPath(id)+"/memory-target", wire.MemoryTarget{MiB: mib}, &vm)
	return vm, err
}
