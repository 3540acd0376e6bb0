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
	// No figures of KVM for these three were taken.
	{"ipi_running", "IPI between running processors, two host processors", [2][2]int{}, 0},
	{"ipi_halted", "IPI to a halted processor, two host processors", [2][2]int{}, 0},
	{"ipi_switch", "IPI to a halted processor, one host processor", [2][2]int{}, 0},
	{"tsc_deadline", "WRMSR TSC_DEADLINE", [2][2]int{{3382, 2990}, {1843, 1741}}, 0},
	{"hlt_late", "HLT + deadline: lateness of the handler", [2][2]int{{4376, 3367}, {7703, 5431}}, 2500},
	{"touch_4k", "first touch of 4 KiB in a backed 2 MiB frame", [2][2]int{{3717, 0}, {0, 3441}}, 1200},
	{"touch_2m", "first touch of 2 MiB, zeroing included", [2][2]int{{566964, 561437}, {760540, 0}}, 0},
}

// Whole-system limits, and KVM's figure for the same guest.
const (
	limitFirstAnswer = 300e6
	limitPowerOff    = 1.4e9
	kvmPowerOff      = 1.75e9
	limitELF         = 24 << 20
	limitImage       = 64 << 20
	limitHostMiB     = 128
)
