package cases

import (
	"strings"
	"testing"

	"basalt/qemu-test/harness"
)

const ovmf = "/usr/share/ovmf/OVMF.fd"

// bootRows are the ways into the kernel: the loader's protocol and the number of
// processors. Each has to say on its serial line what it found, and through its
// API what it is.
var bootRows = []row{
	{name: "pvh/qemu/cpus=1", want: []string{`cpus=1 .*boot=PVH`}},
	{name: "pvh/qemu/cpus=2", machine: harness.Machine{CPUs: 2}, want: []string{`cpus=2 .*boot=PVH`}},
	{name: "pvh/qemu/cpus=4/q35", machine: harness.Machine{CPUs: 4, Type: "q35", NIC: "e1000e"}, want: []string{`cpus=4 .*boot=PVH`}},
	{name: "pvh/qemu/e1000", machine: harness.Machine{NIC: "e1000"}, want: []string{`boot=PVH`}},
	{name: "pvh/qemu/128MiB", machine: harness.Machine{MemMiB: 128}, want: []string{`boot=PVH`}},
	{name: "bios/qemu/cpus=1", machine: harness.Machine{Disk: built("basalt.img")}, want: []string{`cpus=1 .*boot=Multiboot2`}},
	{name: "bios/qemu/cpus=4/q35", machine: harness.Machine{Disk: built("basalt.img"), CPUs: 4, Type: "q35"}, want: []string{`cpus=4 .*boot=Multiboot2`}},
	{name: "bios/bochs/cpus=1", machine: harness.Machine{Emulator: harness.Bochs, MIPS: 100, Disk: built("basalt.img")}, want: []string{`cpus=1 .*boot=Multiboot2`}},
	{name: "bios/bochs/cpus=2", machine: harness.Machine{Emulator: harness.Bochs, MIPS: 100, Disk: built("basalt.img"), CPUs: 2}, want: []string{`cpus=2 .*boot=Multiboot2`}},
	{name: "uefi/qemu/cpus=1", machine: harness.Machine{Disk: built("basalt.img"), Firmware: ovmf}, want: []string{`basalt: entering the kernel`, `cpus=1 .*boot=UEFI`}},
	{name: "uefi/qemu/cpus=2/q35", machine: harness.Machine{Disk: built("basalt.img"), Firmware: ovmf, CPUs: 2, Type: "q35"}, want: []string{`basalt: entering the kernel`, `cpus=2 .*boot=UEFI`}},
}

func TestBoot(t *testing.T) {
	t.Parallel()
	for _, c := range bootRows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := boot(t, c.machine)
			for _, w := range c.want {
				if !matches(w, n.Log()) {
					t.Errorf("the log has no %q", w)
				}
			}
			h := n.facts(t, c.machine)
			if strings.HasSuffix(c.name, "128MiB") && h.MemoryFreeBytes == 0 {
				t.Error("no memory is free")
			}
			n.quiet(t)
		})
	}
}
