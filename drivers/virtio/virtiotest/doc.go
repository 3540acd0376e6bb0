// Package virtiotest is a virtio 1.x PCI device made of Go, for testing drivers:
// capabilities, common configuration, split rings with event indices, and a network
// device with a netio.Link as its wire. A test can make it break the protocol.
//
// World W2, tests only. It follows the specification's requirements for devices and
// records in Complaints what the driver does against those for drivers.
//
// Locking: mu guards everything but the wire; it is not held while waiting on that.
package virtiotest
