package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"basalt/arch/x86/cpu"
	"basalt/qemu-test/testkernel"
	"basalt/vmkernel/host"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vm"
)

// boots a Linux kernel of n bytes, which lies at the start of the first module with
// its initramfs behind it, and times it from the start to the guest's power-off; or,
// if that has initrd bytes, with a disk behind both, to the prompt (login).
func boots(m *vm.Manager, n, initrd int, off <-chan string) error {
	f := linux.Facts()
	if f.NumModules == 0 {
		return fmt.Errorf("linux=%d without a module", n)
	}
	at, size := f.Modules[0].Start, f.Modules[0].End-f.Modules[0].Start
	if n <= 0 || uint64(n) > size || !linux.DirectPhysical(at, size) {
		return fmt.Errorf("linux=%d: the module has %d bytes", n, size)
	}
	b := pmem.Bytes(at, int(size))
	if initrd > 0 && uint64(n)+uint64(initrd) < size {
		return login(m, b[:n], b[n:n+initrd], b[n+initrd:])
	}
	v, err := m.Create(host.Config{ID: "linux", Name: "linux", CPUs: 1, MemoryMiB: 256})
	if err != nil {
		return err
	}
	r, err := v.Console().Attach(0)
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(context.Background(), buf)
			if err != nil {
				return
			}
			for _, l := range strings.Split(strings.TrimRight(string(buf[:n]), "\r\n"), "\n") {
				fmt.Println("guest:", strings.TrimSpace(l))
			}
		}
	}()
	start := cpu.RDTSC()
	err = v.Start(context.Background(), host.Boot{Cmdline: "console=ttyS0 quiet panic=-1",
		Kernel: testkernel.Image("vmlinuz", b[:n]), Initrd: testkernel.Image("initramfs", b[n:])})
	if err != nil {
		return err
	}
	why := <-off
	took := cpu.RDTSC() - start
	time.Sleep(10 * time.Millisecond) // the reader prints what is left
	fmt.Println("row linux_poweroff 1", took)
	s := v.Status()
	fmt.Println("linux cpu", s.CPUTime)
	for _, e := range s.Exits {
		fmt.Println("exits", e.Kind, e.Count)
	}
	fmt.Println("off:", why)
	return nil
}
