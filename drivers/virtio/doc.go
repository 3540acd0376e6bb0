// Package virtio is the driver's side of virtio 1.x over PCI: finding the
// configuration structures, feature negotiation, and split rings. Device types are
// packages below it.
//
// World W2. Place in the data path: drivers/virtio/net and later block drivers use
// Queue for each batch; Transport only at set-up and for interrupts.
//
// The device is untrusted. Structures must lie in their BARs, sizes must be powers
// of two, and what the used ring says is checked against what was handed out: an
// index that jumps, an identifier out of range or not outstanding, end in
// ErrBroken, after which the device is reset and not used again. Descriptors are
// never read back; the driver keeps its own list. Ring indices go through the
// exact-width accessors of bus.DMA, in program order, which on x86 is release and
// acquire; the one store that must be seen before a later load (avail index before
// avail_event or flags, used_event before used index) has a full barrier between.
//
// Locking: a Queue belongs to one goroutine at a time. Transport is used at set-up
// by one goroutine, afterwards its readers (ISR, Status, Config) by any.
//
// Specification: see drivers/spec/virtio. Not supported: legacy (before 1.0)
// devices, packed rings, indirect descriptors, MMIO transport, queue reset.
//
// TamaGo's kvm/virtio was looked at and is not used: it needs a forked runtime or
// an overlay for its DMA allocator, reads ring indices through byte slices, trusts
// the used ring, and allocates for each descriptor it writes.
package virtio
