// Package cpuhp is the register block through which a guest learns which of its
// processors are there, and which are new. World W2.
//
// # Place in the data path
//
// Management -> Add -> general-purpose event (acpipm) -> the guest's AML -> two ports
// here -> Notify of the processor's device -> the guest starts it with INIT and SIPI.
//
// # Interface
//
// Our own; AML made by package acpitables is its only driver. ACPI 6.5, 8.4.1 and
// 5.6.6 (device check), say what the AML does with it.
//
//	Base+0  selector, 32 bits: the number of a processor; reads back
//	Base+4  flags of the selected processor, 8 bits: bit 0 it is there, bit 1 it
//	        came since bit 1 was written as 1. Writing other bits does nothing. A
//	        processor that no machine can have reads 0.
//
// Locking: one mutex.
//
// Not supported: taking a processor away.
package cpuhp
