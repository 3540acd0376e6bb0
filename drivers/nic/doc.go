// Package nic is the half of a network driver that does not depend on the chip:
// it turns a Chip (rings and registers) into a netio.Link.
//
// World W2. Place in the data path: netstack or vSwitch -> Link -> Chip -> rings.
//
// How it runs. Receive polls the ring. As long as frames are there the receive
// interrupt stays masked; when the ring is empty Receive arms the interrupt, looks
// once more, and sleeps. An interrupt masks itself in the chip and wakes the
// sleeper: under load there are no interrupts at all, when idle there is one per
// burst. Send reclaims finished descriptors itself and arms the transmit interrupt
// only when the ring is full. One goroutine per vector does nothing but ask the
// chip what happened and wake; one watchdog looks after carrier, removal and
// interrupts that were lost.
//
// Locking: rxMu is held by Receive and txMu by Send for the whole call, waiting
// included, so Close can tell when both have left before it frees the rings. Wake
// channels hold one token and are filled only after the chip was masked, so that a
// late mask can never leave a sleeper without a wake-up. A Chip's Receive and
// ArmReceive are called with rxMu, Send and ArmSend with txMu, Interrupt from one
// goroutine for each vector, Check from any; all concurrently with each other.
//
// Nothing allocates per packet or per batch.
package nic
