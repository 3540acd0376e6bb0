package cases

import (
	"testing"

	"basalt/qemu-test/harness"
)

const ovmf = "/usr/share/ovmf/OVMF.fd"

// bootRows are the ways into the kernel, each up to the API's being ready: the
// loader's protocol, the number of processors, and the settings file's arrival.
var bootRows = []row{
	{name: "pvh/qemu/cpus=1", machine: harness.Machine{Kernel: built("basalt.elf")}, want: []string{`cpus=1 .*boot=PVH`, `msg=ready`}},
	{name: "pvh/qemu/128MiB", machine: harness.Machine{Kernel: built("basalt.elf"), MemMiB: 128}, want: []string{`boot=PVH`, `msg=ready`}},
	{name: "bios/qemu/cpus=1", machine: harness.Machine{Disk: built("basalt.img")}, want: []string{`cpus=1 .*boot=Multiboot2`, `msg=ready`}},
	{name: "bios/qemu/cpus=4/q35", machine: harness.Machine{Disk: built("basalt.img"), CPUs: 4, Type: "q35"}, want: []string{`cpus=4 .*boot=Multiboot2`, `msg=ready`}},
	{name: "bios/bochs/cpus=1", machine: harness.Machine{Emulator: harness.Bochs, Disk: built("basalt.img")}, want: []string{`cpus=1 .*boot=Multiboot2`, `msg=ready`}},
	{name: "bios/bochs/cpus=2", machine: harness.Machine{Emulator: harness.Bochs, Disk: built("basalt.img"), CPUs: 2}, want: []string{`cpus=2 .*boot=Multiboot2`, `msg=ready`}},
	{name: "uefi/qemu/cpus=1", machine: harness.Machine{Disk: built("basalt.img"), Firmware: ovmf}, want: []string{`basalt: entering the kernel`, `cpus=1 .*boot=UEFI`, `msg=ready`}},
	{name: "uefi/qemu/cpus=2/q35", machine: harness.Machine{Disk: built("basalt.img"), Firmware: ovmf, CPUs: 2, Type: "q35"}, want: []string{`cpus=2 .*boot=UEFI`, `msg=ready`}},
}

func TestBoot(t *testing.T) {
	for _, c := range bootRows {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}
