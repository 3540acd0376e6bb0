package main

// op is one row of exits.
type op struct {
	key, name string
	// KVM's instructions an operation: on QEMU/SVM and on Bochs/VMX, with
	// mitigations and with mitigations=off; 0 is not measured.
	kvm   [2][2]int
	limit int // ours; 0: none
}

// ops are the operations of the micro guest. KVM's figures: Linux 6.1 (Debian 12) as
// the host, QEMU 7.2 as its user space, a bare 32-bit Multiboot guest that times
// itself with RDTSC; the same emulators, versions and settings as here.
var ops = []op{
	{"cpuid", "CPUID", [2][2]int{{2610, 2285}, {1086, 979}}, 400},
	{"hypercall", "unused hypercall", [2][2]int{{2748, 2412}, {1054, 954}}, 400},
	{"out80", "OUT 0x80 (device model)", [2][2]int{{5247, 4770}, {9348, 4965}}, 1200},
	{"out_uart", "OUT 0x3FF (UART, ordinary Go)", [2][2]int{}, 0},
	{"in21", "IN 0x21 (PIC)", [2][2]int{{1683, 1422}, {1357, 1249}}, 400},
	{"mmio_hpet", "MMIO read HPET", [2][2]int{{7827, 7118}, {12058, 7721}}, 2500},
	{"mmio_hole", "MMIO read, hole", [2][2]int{{7684, 6972}, {11919, 7578}}, 2500},
	{"mmio_ioapic", "MMIO read IOAPIC", [2][2]int{{3804, 3343}, {7833, 3532}}, 2500},
	{"mmio_lapic", "MMIO read LAPIC", [2][2]int{{3626, 3189}, {14994, 6404}}, 2500},
	{"x2apic_eoi", "x2APIC EOI write", [2][2]int{{2747, 2419}, {1265, 1167}}, 400},
	{"self_ipi", "x2APIC self-IPI until the handler runs", [2][2]int{{7505, 6666}, {4288, 4077}}, 1500},
	// No figures of KVM for these two were taken: they need two host processors.
	{"ipi_running", "IPI between running processors, two host processors", [2][2]int{}, 0},
	{"ipi_halted", "IPI to a halted processor, two host processors", [2][2]int{}, 0},
	{"ipi_switch", "IPI to a halted processor, one host processor", [2][2]int{{8586, 7634}, {}}, 0},
	// KVM: QEMU's null-co with read-zeroes, no iothread; a tap without vhost, whose
	// host answers the ping. Ours: a null disk, a port of the switch that answers.
	{"blk_port", "virtio-blk 4 KiB read, doorbell in I/O space", [2][2]int{{46566, 43473}, {}}, 0},
	{"blk_mmio", "virtio-blk 4 KiB read, doorbell in memory", [2][2]int{{50863, 47403}, {}}, 0},
	{"net_port", "virtio-net echo of 60 bytes, doorbell in I/O space", [2][2]int{{65768, 61023}, {}}, 0},
	{"net_mmio", "virtio-net echo of 60 bytes, doorbell in memory", [2][2]int{{62926, 58411}, {}}, 0},
	{"tsc_deadline", "WRMSR TSC_DEADLINE", [2][2]int{{3382, 2990}, {1843, 1741}}, 0},
	{"hlt_late", "HLT + deadline: lateness of the handler", [2][2]int{{4376, 3367}, {7703, 5431}}, 2500},
	{"touch_4k", "first touch of 4 KiB in a backed 2 MiB frame", [2][2]int{{3717, 0}, {0, 3441}}, 1200},
	{"touch_2m", "first touch of 2 MiB, zeroing included", [2][2]int{{566964, 561437}, {760540, 0}}, 0},
}

// share are the rows whose limit is a part of KVM's figure, where there is one.
var share = map[string]int{"ipi_switch": 2, "blk_port": 3, "blk_mmio": 3, "net_port": 3, "net_mmio": 3}

// bound is the row's limit on emulator i with mitigations (j 0) or without; 0: none.
func (o *op) bound(i, j int) int {
	if n := share[o.key]; n > 0 {
		return o.kvm[i][j] / n
	}
	return o.limit
}

// Whole-system limits, and KVM's figure for the same guest.
const (
	limitFirstAnswer = 300e6
	limitPowerOff    = 1.4e9
	kvmPowerOff      = 1.75e9
	limitELF         = 24 << 20
	limitImage       = 64 << 20
	limitHostMiB     = 128
	limitMachine     = 1 << 20
)
