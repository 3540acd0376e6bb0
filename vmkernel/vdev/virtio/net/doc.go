// Package net is the virtio network device: a port of a virtual switch for a guest.
// World W2.
//
// # Place in the data path
//
// Out: doorbell -> the transmit queue's goroutine -> up to a burst of packets,
// their memory pinned by gmem -> vswitch.Sender.Send -> used ring, one interrupt.
// In: vswitch, on the sender's goroutine -> Device.Deliver -> copied straight into
// the guest's receive buffers -> used ring, one interrupt. The receive queues'
// goroutines do nothing, and refilling a receive queue needs no doorbell: buffers
// are looked for when a frame comes.
//
// # Specification
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01, section 5.1.
//
// # Decisions
//
//   - Offered: CSUM, GUEST_CSUM, MAC, MTU, STATUS, HOST_TSO4/6, HOST_ECN,
//     GUEST_TSO4/6, GUEST_ECN, MRG_RXBUF, CTRL_VQ, CTRL_RX, CTRL_VLAN,
//     CTRL_MAC_ADDR, and MQ with more than one pair. Combinations that 5.1.3.1
//     forbids are not accepted.
//   - The header may stand anywhere in the first 12 bytes of a chain. A transmit
//     chain that is shorter or has writable buffers is a breach. A header that asks
//     for what was not negotiated makes the switch drop and count the frame.
//   - All buffers of a merged frame become used at once (5.1.6.4.1). If there are
//     too few, those taken are given back untouched and the frame is lost.
//   - A flow is received on the pair of queues on which it was sent last, or else on
//     one chosen by a hash that is the same both ways.
//   - What a filter or address command may do is the port's policy: ADDR_SET
//     against it is answered with ERR. Promiscuous mode is taken down and gives
//     only what the policy allows.
//   - Before the first filter command everything is received that the policy
//     allows.
//
// # Life cycle
//
// New, then Switch.AddPort with the device as Receiver, then Plug. Before Close of
// the device, Close of the port. Whether there is a carrier is in the saved state,
// because the driver was told; the port's owner makes the port agree after a load.
//
// # Locking
//
// Order: a transmit or control queue, the switch's locks, a receive queue. What the
// control queue sets is guarded by Device.cfgMu, which is held while the port is
// told.
//
// # Not supported
//
// UFO and USO, GUEST_ANNOUNCE, CTRL_RX_EXTRA, CTRL_GUEST_OFFLOADS, RSS and hash
// reports, notification coalescing, SPEED_DUPLEX, STANDBY, GUEST_HDRLEN, DATA_VALID.
// After a restore the device sends no announcement: who restores tells the switch.
package net
