// Package console is the virtio console device with several ports. World W2.
//
// # Place in the data path
//
// Guest -> transmitq's goroutine -> Backend.Write (the VM's console, an agent's
// channel); Backend's input -> InputReady -> receiveq's goroutine ->
// Backend.Receive -> guest memory -> interrupt. Control messages: control
// transmitq -> the ports' state -> what has to be said -> control receiveq.
//
// # Specification
//
// Virtual I/O Device (VIRTIO) Version 1.2, Committee Specification 01, section 5.3.
//
// # Decisions
//
//   - Back pressure: up to 64 KiB of a port's output is copied and its buffer given
//     back; while the backend does not take that, nothing more is taken, until
//     OutputReady. Only a buffer longer than that stays out meanwhile, and then a
//     pause waits for the backend.
//   - Input is read from the backend only while the guest has the port open (with
//     MULTIPORT), at most 4 KiB ahead of the guest's buffers.
//   - Both are part of the state; a reset loses them.
//   - What has to be said to the driver is a set of flags for each port, not a
//     queue: it cannot grow, and each is said in its last value, in the order ADD,
//     CONSOLE_PORT, NAME, OPEN, RESIZE.
//   - Control messages that the specification does not give the driver are ignored;
//     a port that is not, or a message shorter than its header, is a breach. So is
//     a buffer in the wrong direction (5.3.6.1).
//   - EMERG_WRITE goes to the backend of port 0 at any time (5.3.5.1).
//
// # Locking
//
// model.mu guards the ports' control state; what a queue holds belongs to its
// goroutine. The backend is called without model.mu, from several goroutines.
//
// # Not supported
//
// Adding and removing ports while the guest runs.
package console
