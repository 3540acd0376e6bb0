package cases

import (
	"strings"
	"testing"

	"basalt/qemu-test/harness"
)

// nics puts each device on a network of its own.
func nics(devices ...string) (args []string) {
	for i, d := range devices {
		id := "x" + string(rune('0'+i))
		args = append(args, "-netdev", "user,id="+id, "-device", d+",romfile=,netdev="+id)
	}
	return args
}

// TestNICs boots qemu-test/nics: every host driver on every machine talks to the
// emulator's user network.
func TestNICs(t *testing.T) {
	t.Parallel()
	elf := built("nics.elf")
	var rows []row
	for _, typ := range []string{"pc", "q35"} {
		for i, dev := range []string{"e1000", "e1000e", "virtio-net-pci"} {
			rows = append(rows, row{
				name:    typ + "/" + dev,
				machine: harness.Machine{Kernel: elf, Type: typ, CPUs: 1 + i%2, NIC: dev},
				want:    []string{`vmnic0: DHCP offers 10\.0\.2\.15`, `vmnic0: 1000 pings answered`, `nics: PASS: 1 devices`},
			})
		}
		rows = append(rows, row{
			name: typ + "/seven, with shared lines",
			machine: harness.Machine{Kernel: elf, Type: typ, CPUs: 4, NIC: "none",
				Append: "-- -pings 200 -window 32 -size 1400",
				Extra:  nics("e1000", "e1000e", "virtio-net-pci,disable-legacy=on", "e1000", "e1000-82545em", "virtio-net-pci,vectors=0", "virtio-net-pci,event_idx=off")},
			want: []string{`vmnic6: 200 pings answered`, `nics: PASS: 7 devices`},
		})
	}
	rows = append(rows,
		row{
			name: "pc/behind a bridge",
			machine: harness.Machine{Kernel: elf, NIC: "none", Append: "-- -pings 100",
				Extra: append([]string{"-device", "pci-bridge,chassis_nr=1,id=b1"}, nics("e1000,bus=b1,addr=3", "e1000,bus=b1,addr=6")...)},
			want: []string{`0000:01:03\.0 e1000`, `0000:01:06\.0 e1000`, `nics: PASS: 2 devices`},
		},
		row{
			name: "q35/behind ports and bridges",
			machine: harness.Machine{Kernel: elf, Type: "q35", CPUs: 2, NIC: "none", Append: "-- -pings 100",
				Extra: append([]string{
					"-device", "pcie-root-port,id=r1,chassis=1", "-device", "pcie-root-port,id=r2,chassis=2",
					"-device", "pcie-root-port,id=r3,chassis=3", "-device", "pcie-pci-bridge,id=b1,bus=r3",
				}, nics("e1000e,bus=r1", "virtio-net-pci,bus=r2", "e1000,bus=b1,addr=5")...)},
			want: []string{`0000:01:00\.0 e1000`, `0000:02:00\.0 virtio-net`, `0000:04:05\.0 e1000`, `nics: PASS: 3 devices`},
		},
		row{
			name: "q35/uefi",
			machine: harness.Machine{Firmware: "/usr/share/ovmf/OVMF.fd", Disk: built("nics.img"), Type: "q35", NIC: "none",
				Extra: nics("e1000", "virtio-net-pci", "e1000e")},
			want: []string{`vmnic2: 1000 pings answered`, `nics: PASS: 3 devices`},
		},
		row{
			name:    "pc/ejected",
			machine: harness.Machine{Kernel: elf, NIC: "none", Append: "-- -pings 10 -remove", Extra: nics("e1000", "e1000e", "virtio-net-pci")},
			want:    []string{`vmnic0: gone, noticed`, `vmnic1: gone, noticed`, `vmnic2: gone, noticed`, `nics: PASS: 3 devices`},
		},
		row{
			name:    "pc/COM2",
			machine: harness.Machine{Kernel: elf, Append: "-- -pings 10 -serial", Extra: []string{"-serial", "null"}},
			want:    []string{`COM2: \{Received:1600 Sent:1600`, `nics: PASS`},
		},
		row{
			name:    "bochs/e1000",
			machine: harness.Machine{Emulator: harness.Bochs, MIPS: 100, Disk: built("nics.img")},
			want:    []string{`8086:100e`, `vmnic0: 1000 pings answered`, `nics: PASS: 1 devices`},
		},
	)
	for _, c := range rows {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}
