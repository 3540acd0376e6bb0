// Package rtc is the MC146818A real-time clock of a PC with its CMOS memory.
// World W2.
//
// The time of day is an offset to the VM's clock: the clock registers are
// computed when they are read. Flags (periodic, alarm, update-ended) are
// computed too, from the time when they were last looked at; a timer exists
// only while an interrupt is enabled.
//
// # Place in the data path
//
// Guest -> ports 0x70-0x71 (and 0x72-0x73 for the upper bank); vtime -> flags ->
// Line 8 (PIC and IOAPIC), high while IRQF is set.
//
// # Specifications
//
// Motorola MC146818A data sheet (MC146818A/D, 1988); century at 0x32 as the FADT
// names it (ACPI 6.5, 5.2.9); the memory-size cells as firmware leaves them:
// 0x15-0x18, 0x30-0x31, 0x34-0x35 and, for memory above 4 GiB, 0x5B-0x5D.
//
// # Decisions
//
//   - UIP is set for the last 244 us of each second; the update itself takes no
//     time, so a reader that saw UIP clear has 244 us.
//   - Any divider but 010 stops the clock (reset); with SET the registers are
//     plain memory.
//   - The VM's clock stands while the VM is paused; Adjust moves the time of day.
//   - Periods missed by a late host give one interrupt.
//
// Not supported: daylight saving (bit 0 of B is kept, nothing happens), square
// wave output, NMI mask (bit 7 of port 0x70 is dropped).
//
// Locking: one mutex, held while the line is set.
package rtc
