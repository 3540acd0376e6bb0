// Package vsock is the virtio socket device: stream connections between a guest and
// its host without a network. World W2.
//
// # Place in the data path
//
// Guest -> doorbell -> the transmitq's goroutine -> a connection's receive buffer ->
// Conn.Read. Back: Conn.Write -> its send buffer -> the receiveq's goroutine -> guest
// memory, as far as the guest has given credit and buffers.
//
// # Specification
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01, section 5.10.
//
// # Decisions
//
//   - A guest reaches only services that the host has registered for a port (Services);
//     everything else is reset. There is no way from guest to guest: a packet for
//     another CID than the host's is answered with a reset.
//   - Every device is a world of its own: CIDs need not differ between machines.
//   - A guest has at most MaxConns connections with Buffer bytes in each direction,
//     made when they are first used: that bounds what a machine can take of the host.
//     Control packets of a connection are bits, so that they need no queue. Resets for
//     connections that do not exist are queued; when that queue is full no more is
//     taken from the transmitq until the guest gives receive buffers (5.10.6.1).
//   - What breaks the form of a packet (a writable buffer, less than a header, a length
//     that the buffers do not have) is a breach: the device needs a reset. What breaks
//     the protocol (more data than credit, data before a response) resets the
//     connection.
//   - Saving the state leaves connections alone: if the machine goes on, so do they. A
//     machine that is restored has none: it is told so by a transport reset (5.10.6.7).
//   - A closed connection whose guest does not answer is forgotten after Linger.
//
// # Locking
//
// model.mu has everything but the chains, which belong to their queue's goroutine. It
// is held while a packet is copied; the device's methods are not called with it.
//
// # Not supported
//
// Seqpacket sockets (feature bit 1), which 5.10.3 leaves to the device. No service is
// registered by the virtual machine yet: the device is there for guest agents.
package vsock
