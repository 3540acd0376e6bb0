// Package vbus is where a virtual machine's devices meet its address spaces:
// port I/O, MMIO and interrupt lines. World W2; what interrupt.go defines, and the
// methods whose names begin with Fast, are also called from W1 (the run loop).
//
// # Place in the data path
//
// exit -> vcpu table -> Bus.ReadPort, WritePort, ReadMMIO, WriteMMIO -> device.
// The lookup reads an immutable table through one atomic pointer: it takes no
// lock and allocates nothing, so every virtual CPU may be in it at once. A
// device guards its own registers.
//
// # Rules of an access
//
//   - Ports: 1, 2 or 4 bytes. A claim says which of these sizes it wants
//     (configuration address 0xCF8 wants 4 bytes only, the reset register 0xCF9
//     inside it wants 1). An access that no claim covers as a whole, or that a
//     device answers with BadSize, is split into bytes in ascending order, as an
//     ISA bridge does; a byte that nobody claims reads 0xFF.
//   - Memory: 1 to 8 bytes. An access that leaves its region is split at the
//     border, each part goes to its own device. BadSize is not split: reads give
//     all ones, writes are lost.
//   - Nothing wraps: bytes beyond port 0xFFFF or the end of the address space
//     are unclaimed.
//   - NoRegister and BadSize are outcomes, counted, never errors.
//
// # Locking
//
// Registration and removal serialise on one mutex and publish a new table.
// Removal does not wait for accesses in progress: the caller pauses the virtual
// CPUs first when the device is to be destroyed. Lock order: device, then line;
// a line, a message sink and a timer never call back into a device.
//
// # Not supported
//
// Overlapping regions with priorities, DMA remapping, ROM shadowing.
package vbus
