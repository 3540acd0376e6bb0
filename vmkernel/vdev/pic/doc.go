// Package pic is the pair of 8259A interrupt controllers of a PC, with the
// edge/level registers of the south bridge.
//
// World W1 and W2: the whole state of one chip is one 64-bit word, changed by
// compare-and-swap with pure functions (chip.go). So any thread may set a pin,
// read a port or acknowledge, there is no lock, and nothing allocates, blocks or
// panics. SaveState and LoadState are W2.
//
// # Place in the data path
//
// device -> Line -> PIC -> notify (the boot processor's LINT0) -> run loop:
// Pending, Ack -> inject. Guests use ports 0x20-21, 0xA0-A1, 0x4D0-4D1, one byte
// at a time.
//
// # Specifications
//
// Intel 8259A/8259A-2 data sheet (order 231468-003, December 1988); edge/level
// control registers: Intel 82371AB (PIIX4) data sheet (290562-001), 4.1.9.
//
// # Differences from the chip, on purpose
//
//   - An edge that was latched stays requested when the pin falls before the
//     acknowledgement; the chip would deliver IR7. A device of a busy host may
//     be late, and its interrupt must not turn into a spurious one. Level pins
//     that fall do give spurious IRQ 7 or 15.
//   - The MCS-80/85 mode and buffered mode do nothing; LTIM of ICW1 is ignored, as
//     the south bridge does: ELCR decides.
package pic
