// Package vringtest is a model of the driver's side of virtqueues, to test vring
// and the devices that use it. World W2, for tests.
//
// It follows Virtual I/O Device (VIRTIO) Version 1.2, sections 2.7 and 2.8, and
// shares no code with vring beyond the layout constants. A test can also write to
// the rings itself, to do what a driver must not.
//
// Place in the data path: test -> Ring -> gmem -> vring.Queue. Locking: none; one
// goroutine. Not supported: in-order use, rings that stand in several pieces.
package vringtest
