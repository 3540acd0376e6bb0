// Package uart drives a 16550A (or 16450) serial port of the host, with interrupts
// in both directions.
//
// World W2. Place in the data path: the host's serial console input, and further
// ports for guests or tools. The kernel's own log is written by the personality
// (W1), polled; a port that is in use for that must not be written here as well,
// because two writers overflow one FIFO.
//
// Received bytes wait in a ring of fixed size; what does not fit is dropped and
// counted. The interrupt goroutine does a bounded amount of work for each
// interrupt, so that a port that always claims to have data cannot hold it. A port
// that reads as all ones is gone. A watchdog looks at the port a few times a second
// while somebody waits, because ISA interrupts are edges and can be lost.
//
// Locking: mu guards the ring and the counters; txMu is held by Write. Registers
// are touched by the interrupt goroutine, except THR, LSR and IER in Write, which
// are safe with it: reading LSR takes error bits only, which both count.
//
// Specification: see drivers/spec/uart. Not supported: hardware flow control, other
// formats than 8N1, modem lines.
//
// TamaGo's soc/intel/uart was looked at and is not used: it is polled only, spins
// without bound when the port does not answer, and needs its own port access.
package uart
