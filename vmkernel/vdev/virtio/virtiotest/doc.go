// Package virtiotest is the guest's side of a virtio device over PCI: a slot that
// counts interrupts and a driver that finds the structures by their capabilities
// and sets the device up as section 3.1.1 says. World W2, for tests.
//
// Specification: Virtual I/O Device (VIRTIO) Version 1.2, sections 3.1 and 4.1. It
// shares no code with the device but layout constants; rings are vringtest's. A
// test can also write any register itself, to do what a driver must not.
//
// Locking: Slot may be used from any goroutine, Driver by the test's. Not
// supported: legacy devices.
package virtiotest
