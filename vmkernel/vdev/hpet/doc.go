// Package hpet is a high precision event timer: a 64-bit main counter of 100 MHz and
// three comparators, each one-shot or periodic, edge or level, with legacy
// replacement routing. World W2.
//
// The counter is computed from the VM's clock when it is looked at; so are status
// bits and the comparators of periodic timers. A timer of the clock is armed only for
// a comparator whose interrupt is enabled while the counter runs: a guest that uses
// the HPET as a clock, or not at all, costs nothing but its reads.
//
// # Place in the data path
//
// Guest -> MMIO at acpitables.HPETBase; vtime -> comparator -> pin of the I/O APIC and
// PIC. The PIT's and the RTC's line pass through Input: legacy replacement cuts them
// off and puts comparators 0 and 1 in their place.
//
// # Specifications
//
// IA-PC HPET (High Precision Event Timers) Specification, revision 1.0a, October 2004:
// 2.3 registers, 2.4 access, 2.3.9 modes.
//
// # Decisions
//
//   - All comparators are 64 bits wide and can be periodic; the specification asks that
//     of one. Comparators are not routed to pins 16-23, which PCI has.
//   - Accesses are aligned and of 4 or 8 bytes, as 2.4 demands of software; others read
//     all ones and are lost.
//   - Without Tn_VAL_SET_CNF a write to a periodic comparator sets the period only, with
//     it both the accumulator and the period; the bit clears itself on that write.
//   - A comparator that is written with the very value of the counter matches at once.
//     One that is behind waits until the counter has gone round, as 2.3.9.2 says: with
//     64 bits that is not in the life of a machine.
//   - Periods that a late host missed are one interrupt; the phase stays.
//   - An edge keeps its pin high until the next edge, like the PIT's output, so that a
//     PIC which is not asked at once still finds the request.
//   - The counter is writable only while it is halted.
//
// Locking: one mutex, held while a pin is set; the devices behind Input call with
// their own held, and nothing here calls them.
//
// Not supported: FSB (MSI) delivery, which the capability bits deny; page protection.
package hpet
