// Package irq gives drivers interrupts that a goroutine can wait for (Line), and
// virtual devices doorbells that a virtual CPU's run loop can ring (Bell).
//
// World W2. Place in the data path: device -> local APIC -> vmkernel/linux's top
// half (W1: acknowledges, adds 1 to an eventfd) -> netpoller -> the goroutine in
// Line.Wait. A Bell is the same without an interrupt: run loop -> eventfd ->
// netpoller -> Bell.Wait. Interrupts that arrive while nobody waits are remembered as one.
//
// Locking: a Line is waited on by one goroutine; Close may come from any. The
// vector is freed after the file is closed, so a late interrupt finds either the
// eventfd or nothing.
package irq
