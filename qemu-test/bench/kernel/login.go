package main

import (
	"bytes"
	"context"
	"fmt"

	"basalt/arch/x86/cpu"
	"basalt/drivers/blockio"
	"basalt/qemu-test/testkernel"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vm"
)

// memDisk is a disk whose content is a piece of memory.
type memDisk struct {
	info blockio.Info
	mem  []byte
}

func newMemDisk(mem []byte) *memDisk {
	return &memDisk{mem: mem, info: blockio.Info{Size: int64(len(mem)), LogicalBlock: 512, PhysicalBlock: 4096,
		MaxTransfer: 1 << 20, MaxSegments: 256, QueueDepth: 64}}
}

func (d *memDisk) Name() string           { return "module" }
func (d *memDisk) Info() blockio.Info     { return d.info }
func (d *memDisk) Close() error           { return nil }
func (*memDisk) Resize(int64, bool) error { return host.ErrUnsupported }
func (d *memDisk) Submit(batch []*blockio.Request) {
	for _, r := range batch {
		r.Complete(d.do(r))
	}
}

func (d *memDisk) do(r *blockio.Request) error {
	if err := blockio.Check(&d.info, r); err != nil {
		return err
	}
	at := d.mem[r.Offset:]
	for _, b := range r.Bufs {
		if r.Op == blockio.Read {
			copy(b, at)
		} else {
			copy(at, b)
		}
		at = at[len(b):]
	}
	return nil
}

// login boots a system from a disk and times it from the start to the prompt for a
// name on its console.
func login(m *vm.Manager, kernel, initrd, disk []byte) error {
	v, err := m.Create(host.Config{ID: "login", Name: "login", CPUs: 1, MemoryMiB: 512,
		Disks: []host.DiskConfig{{Name: "disk", Kind: host.DiskRAM, SizeMiB: len(disk) >> 20}}})
	if err != nil {
		return err
	}
	r, err := v.Console().Attach(0)
	if err != nil {
		return err
	}
	start := cpu.RDTSC()
	err = v.Start(context.Background(), host.Boot{Cmdline: "console=ttyS0 root=/dev/vda rw", Disks: []host.Disk{newMemDisk(disk)},
		Kernel: testkernel.Image("vmlinuz", kernel), Initrd: testkernel.Image("initrd", initrd)})
	if err != nil {
		return err
	}
	var seen []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(seen, []byte("login:")) {
		n, err := r.Read(context.Background(), buf)
		if err != nil {
			return fmt.Errorf("console: %w", err)
		}
		seen = append(seen[max(0, len(seen)-64):], buf[:n]...)
	}
	fmt.Println("row linux_login 1", cpu.RDTSC()-start)
	s := v.Status()
	fmt.Println("linux cpu", s.CPUTime)
	for _, e := range s.Exits {
		fmt.Println("exits", e.Kind, e.Count)
	}
	return nil
}
