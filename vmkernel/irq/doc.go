// Package irq gives drivers interrupts that a goroutine can wait for.
//
// World W2. Place in the data path: device -> local APIC -> vmkernel/linux's top
// half (W1: acknowledges, adds 1 to an eventfd) -> netpoller -> the goroutine in
// Line.Wait. Interrupts that arrive while nobody waits are remembered as one.
//
// Locking: a Line is waited on by one goroutine; Close may come from any. The
// vector is freed after the file is closed, so a late interrupt finds either the
// eventfd or nothing.
package irq
