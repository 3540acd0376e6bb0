// Package ioapic is the I/O APIC of a PC: 24 pins, each with a redirection entry
// that turns an interrupt line into a message.
//
// World W1 and W2: one pin is one 64-bit word (the entry, with the pin's level in
// a reserved bit), changed by compare-and-swap. Any thread may set a pin, access
// a register or send an EOI; there is no lock, and nothing allocates, blocks or
// panics. SaveState and LoadState are W2.
//
// # Place in the data path
//
// device -> Line -> redirection entry -> vbus.MSISink (lapic.Set) -> CPU;
// CPU's EOI -> vbus.EOISink -> remote IRR cleared -> delivered again if the pin
// is still asserted.
//
// # Specifications
//
// Intel 82093AA data sheet (290566-001, May 1996); the EOI register of version
// 0x20: Intel I/O Controller Hub 9 data sheet (316972-004), 13.5.6. Bits 55:49 of
// an entry are the upper bits of a 15-bit destination, as KVM documents for
// KVM_FEATURE_MSI_EXT_DEST_ID.
//
// # Decisions
//
//   - Set(true) means "asserted". The polarity bit is kept and read back but does
//     not invert: our devices have no electrical level, and guests program the
//     polarity that ACPI names.
//   - An edge on a masked pin is lost (data sheet, 3.2.4, bit 16).
//   - Writing edge mode to an entry clears remote IRR: Linux does so to end an
//     interrupt on controllers without an EOI register.
//   - A level that no local APIC accepts leaves remote IRR clear and is tried
//     again at the next write to the entry, EOI or change of the pin.
package ioapic
