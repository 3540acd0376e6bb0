// Package hw is the real machine behind drivers/bus: register windows, DMA memory,
// vectors and wires, and the list of PCI functions.
//
// World W2, set-up; its accessors (window, ports, memory) are the data path of
// every driver and allocate nothing.
//
// Register windows are mapped uncached and never unmapped: firmware put them where
// they are, a machine has a bounded number, and a driver that was closed may be
// opened again (the map of a range is remembered). DMA memory comes from
// vmkernel/pmem through the direct map; bus addresses are physical addresses (no
// IOMMU yet). Memory is given back only by Free.
//
// # Wired interrupts without AML
//
// Which GSI a PCI pin reaches is written in ACPI's _PRT, which is AML. We do not
// interpret it, prefer MSI-X and MSI, and know these machines by their host bridge:
//
//   - i440FX (QEMU pc, Bochs): the PIIX3 routes PIRQ A-D to ISA interrupts, and
//     firmware left the number in the interrupt-line register. The GSI is that
//     number after MADT's overrides, which also give trigger and polarity.
//   - Q35 (QEMU): with an I/O APIC PIRQ A-H are GSI 16-23. On bus 0, device d pin p
//     (INTA# = 0) of devices 0-24 is PIRQ 4+(d+p)%4, of devices 25-31 PIRQ p
//     (reset value 3210h of the ICH9's DxxIR), except 30, which is as the first.
//   - anything else: the interrupt-line register as with i440FX.
//
// Behind a bridge a pin is swizzled up to bus 0 first (PCI-to-PCI Bridge
// Architecture Specification 1.2, table 9-1). Lines are level-triggered, active low
// unless MADT says otherwise, may be shared, and stay masked in the I/O APIC from
// the interrupt until all sharers have enabled them again.
//
// Locking: Machine is set up by one goroutine. A wire has a mutex over its sharers,
// never held while waiting.
//
// Not supported: IOMMU, bus addresses above the direct map, more than one PCI
// segment's root bus each.
package hw
