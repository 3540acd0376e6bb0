// Package net drives virtio network devices (modern PCI transport) as netio.Links.
//
// World W2. Place in the data path: drivers/nic above, drivers/virtio's queues
// below. One receive and one transmit queue; each frame is one descriptor of header
// and data in a fixed 2 KiB buffer, which version 1 devices must accept.
//
// Features used if offered: event indices, MAC, status, MTU. Not used: checksum and
// segmentation offload, mergeable buffers, control queue (without it a device is
// promiscuous, which is what a switch needs), multiple queues.
//
// Locking: see drivers/nic. Specification: see drivers/spec/virtio, section 5.1.
package net
