// Package pit is the 8254 programmable interval timer of a PC, with port 0x61
// (gate of channel 2, speaker, refresh toggle). World W2.
//
// The counters are computed when they are looked at: a channel knows the tick at
// which its count was loaded, and everything follows from the VM's clock. Only
// channel 0 has a timer, armed for its next rising edge, which pulses interrupt
// line 0. A host that is late raises one interrupt for all missed periods and
// keeps the phase.
//
// # Place in the data path
//
// Guest -> ports 0x40-0x43 and 0x61; vtime -> channel 0 -> Line (PIC pin 0 and
// IOAPIC pin 2).
//
// # Specifications
//
// Intel 8254 data sheet (231164-005, September 1993); port 0x61: Intel I/O
// Controller Hub 9 data sheet (316972-004), 13.7.1 "NMI_SC".
//
// # Decisions
//
//   - A count is loaded one tick after it is written; a new count in modes 2 and 3
//     takes effect at the end of the running period (data sheet).
//   - Writing the control word of channel 0 never raises line 0 by itself, though
//     the chip's output may rise: nobody wants that interrupt.
//   - In mode 3 the value of an odd count runs N-1, N-3, ... in both halves; the
//     lengths of the halves are exact.
//
// Not supported: the sound of the speaker (its state reads back), parity and
// I/O-check NMI bits of port 0x61 (read 0).
//
// Locking: one mutex, held while line 0 is set; a line never calls back.
package pit
