// Package e1000test is a small 82540EM / 82574L made of Go, for testing the driver:
// registers, EEPROM, both rings, interrupt causes and MSI-X vector assignment, with
// a netio.Link as its wire and faults that a test switches on.
//
// World W2, tests only. It is written from the manuals, not from the driver: reset
// values are the manual's, reserved things stay unimplemented, and what the manuals
// forbid (a ring length that is not a multiple of 128, DMA outside of memory) is
// recorded in Complaints.
//
// Locking: mu guards the registers; the two engines take it for each descriptor
// and never hold it while they wait on the wire.
package e1000test
