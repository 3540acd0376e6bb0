// Package uart is a 16550A serial port. World W2.
//
// # Place in the data path
//
// Guest -> eight ports -> Backend.Write (the VM's console); console input ->
// InputReady -> Backend.Receive -> FIFO -> Line -> guest.
//
// # Specifications
//
// National Semiconductor PC16550D data sheet (June 1995). On a PC, OUT2 gates the
// interrupt line.
//
// # Decisions
//
//   - A byte leaves the transmitter at once: guests that print fast cost no
//     timer. The line is low between two THRE interrupts, so edge-triggered
//     inputs see each.
//   - Back pressure: what the backend does not take stays in the transmit FIFO
//     and THRE stays clear until OutputReady; a closed backend loses the byte
//     and never stops the guest.
//   - Input waits in the backend while the FIFO is full: overrun happens only in
//     loopback.
//   - While it is paused, to be saved or loaded, no byte passes: each is either in the
//     state or still at the backend.
//   - The FIFO time-out is four characters of the programmed speed in VM time.
//
// Not supported: parity, framing and break from the line; DMA modes; the speed
// does not slow anything down.
//
// Locking: one mutex, held while the line is set and while the backend is called;
// the backend never calls back from there.
package uart
