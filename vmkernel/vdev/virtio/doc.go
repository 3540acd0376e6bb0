// Package virtio is the core of the virtual devices of the virtio family: the
// modern PCI transport, feature negotiation, device status, the goroutines of the
// queues, and their life cycle. A device type (blk, rng, ...) is a Model. World W2;
// Bell.Ring is made to be called from W1.
//
// # Place in the data path
//
// Guest -> pcie endpoint -> WriteBAR (notify) -> Bell -> the queue's goroutine ->
// Model.Handle -> vring and gmem -> Push -> Interrupts -> guest. A processor that
// writes a register never waits for a queue, a disk or a packet.
//
// # Specifications
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01: 2.1 to 2.6,
// 3.1, 4.1 and 6. Rings are in package vring, layouts in drivers/spec/virtio.
//
// # Decisions
//
//   - Everything is in BAR 0, 32 bits, each structure on a page of its own. The
//     page of the doorbells holds nothing else. MSI-X has BAR 1.
//   - With PortDoorbell there is a second notification structure, in front of the
//     other, in I/O space (4.1.4.1 allows both): an OUT tells the run loop its port
//     and value, so it rings the bell and enters the guest again. A doorbell in memory
//     is rung there too, from the second time on that its MOV is seen.
//   - Registers take the accesses that 4.1.3.1 allows; others give BadSize and
//     change nothing. Device configuration is read with any size.
//   - What the driver must not do and the device can see gives NEEDS_RESET with a
//     configuration interrupt (2.1.2), and no queue takes anything more: a status
//     bit taken back, DRIVER_OK without FEATURES_OK, features changed after
//     FEATURES_OK, a queue with an impossible size or address, a queue changed or
//     disabled while it is enabled, a doorbell with another queue's number. Err
//     says which. FEATURES_OK with features that are not possible does not stick
//     (2.2.2).
//   - A reset takes effect at once if nothing is in flight. If something is, the
//     status keeps its value until that is done, as 2.4 foresees: requests in
//     flight hold windows of guest memory and are never abandoned. The same for
//     queue_reset (4.1.4.3.1).
//   - Without bus mastering no chain is taken; what is in flight is finished.
//     BusMasterChanged makes the queues look again.
//   - Notifications are suppressed while a queue is worked on, and one interrupt
//     at most is sent for a pass over the queue.
//   - The configuration generation changes when a changed configuration is read,
//     so that it cannot wrap unseen (4.1.4.3.1).
//
// # Life cycle, for the machine's owner
//
// New, Connect, then the guest runs. Pause returns when nothing is in flight and
// nothing looks at guest memory, Resume goes on. Save: Pause, SaveState, Resume.
// Load into a device that was made with the same configuration and just reset:
// Pause, LoadState, Resume. Machine reset: Pause, Reset, ResetDone, Resume; without
// the pause a disk could still write to memory that is about to be cleared. Reset
// alone never waits and may come from a processor (function-level reset). Unplug
// and power off: take the doorbells (Queue.Bell) out of the run loops, then Close,
// before the memory is closed. Somebody who pauses again at once, all the time,
// stops all work.
//
// # Locking
//
// Device.mu guards registers; Queue.mu the ring and what is out, and is held while
// Model.Handle runs. Order: Queue.mu, Device.mu, then the model's own and the
// interrupt's. Who holds Device.mu only tries Queue.mu. ReadConfig, WriteConfig,
// Accept and Reset of the Model are called with Device.mu held and must not call
// the Device.
//
// A device type to which data comes by itself works on a queue from another
// goroutine between Queue.Enter and Leave, as if it were in Model.Handle.
//
// # Not supported
//
// Legacy and transitional devices, MMIO and channel I/O, NOTIFICATION_DATA,
// NOTIF_CONFIG_DATA, IN_ORDER, ACCESS_PLATFORM, SR_IOV, shared memory regions,
// the administration queue of 1.3.
package virtio
