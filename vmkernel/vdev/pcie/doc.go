// Package pcie is the PCI Express root complex of a virtual machine, like that
// of Intel's Q35: configuration space behind ports 0xCF8/0xCFC and behind ECAM,
// root ports with hot-pluggable slots, base address registers, MSI-X, MSI and
// INTx, and what firmware does with all that before an operating system starts.
// World W2.
//
// # Place in the data path
//
// Guest access to a BAR -> vbus claim -> Endpoint -> Function, with no walk over
// buses: the claim is moved when the guest programs the registers. Interrupt:
// Function -> Endpoint.Signal or SetINTx -> vbus.MSISink or the I/O APIC's pin.
// Configuration space is set-up only: a mutex and one look-up each.
//
// # Specifications
//
// PCI Local Bus Specification 3.0, chapters 3 and 6; PCI Express Base
// Specification 3.0, 2.3.1 (routing of configuration requests), 6.7 (hot-plug),
// 7.2.2 (ECAM), 7.5, 7.8; PCI-to-PCI Bridge Architecture Specification 1.2,
// 3.2.5 and table 9-1; PCI Bus Power Management Interface Specification 1.2;
// Intel 3 Series Express Chipset data sheet (316966), 5.1.13 PCIEXBAR; Intel I/O
// Controller Hub 9 data sheet (316972-004), 5.8 and 10.1.19 (routing of PIRQs).
//
// # The machine
//
//	00:00.0         host bridge 8086:29c0
//	00:01.0-00:0f.0 integrated endpoints, not hot-pluggable (MaxFixed)
//	00:10.0-00:1e.7 root ports, eight to a device, one slot each (MaxSlots)
//	00:1f.0         ISA bridge 8086:2918
//
// ECAM is at 0xE0000000: 256 buses end at 0xF0000000, below the 32-bit window
// that ends at the I/O APIC, and RAM below 4 GiB ends at 0xC0000000, so the
// 512 MiB between them are the main 32-bit window: 2 MiB for each of 120 slots
// and as much again for devices that want more.
//
// INTx goes where it goes on a Q35 (GSI 16-23, routing.go), so a guest that knows
// the chip set but no AML finds its interrupts; Basalt itself is one.
//
// # Decisions
//
//   - A BAR that is not wholly inside a window of the machine and of the root port
//     above, or that meets another claim of vbus, is not decoded. When the other
//     goes away it is tried again. No guest action is an error.
//   - A slot has an attention button, a power controller, indicators, surprise
//     removal, link reporting, no command-completed events. Plug inserts and
//     presses the button at once: Linux (pciehp, 4.19 and later) starts its five
//     seconds at the button and ends them at the presence change that it sees in
//     the same interrupt, so the device is there at once.
//   - Unplug presses the button; the guest stops the driver and turns the slot's
//     power off, which completes it. The five seconds in which an operator may
//     change his mind (6.7.1.5) are the guest's and cannot be shortened from here
//     without making it a surprise. Remove is the bounded one: the link goes down
//     and the card is gone before it returns; the guest drops the device at once,
//     with whatever it had not yet written.
//   - Without bus mastering (of the function and of the port above) nothing is
//     sent: a message waits in its pending bit, BusMaster says no DMA.
//   - A message that does not go to 0xFEEx_xxxx is dropped: it would be a write to
//     memory.
//   - Function-level reset, a slot's loss of power and the secondary bus reset all
//     put configuration space back and call Function.Reset, on the virtual CPU,
//     while others run.
//   - The Interrupt Line register holds the GSI after Configure.
//   - State: configuration is loaded through the write masks, so a hostile state
//     can do no more than a guest.
//
// # Locking
//
// Root.mu over configuration space and topology, then vbus's. Each function's
// interrupt state has its own mutex (message.go), taken with Root.mu held or
// without, held while a line is set or a message sent. Hooks of capabilities and
// Function.Reset are called with neither, so a Function may call its Endpoint
// with its own lock held.
//
// Not supported: switches, multi-function endpoints, expansion ROMs, extended
// capabilities (AER, ACS, SR-IOV), ISA Enable and VGA forwarding of root ports,
// PME, moving ECAM, INTx through the PIC.
package pcie
