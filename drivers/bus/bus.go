// Package bus is what a host driver may ask for: configuration space, register
// windows, DMA memory and interrupts. The VMkernel's hw package gives the real
// ones, tests give doubles. World W2.
package bus

// Registers is a window of device registers. Every access is exactly one access
// of that width on the bus, never merged or split. Offsets are checked; a
// driver's own mistake panics.
type Registers interface {
	Read8(off uintptr) uint8
	Read16(off uintptr) uint16
	Read32(off uintptr) uint32
	Read64(off uintptr) uint64
	Write8(off uintptr, v uint8)
	Write16(off uintptr, v uint16)
	Write32(off uintptr, v uint32)
	Write64(off uintptr, v uint64)
	Size() uintptr
}

// DMA is memory that a device can reach. Bytes is its view for the processor,
// Addr the bus address of Bytes()[0]. It is physically contiguous, outside the
// Go heap and zero when handed out. Ring indices that the device writes are read
// through the exact-width accessors, never through Bytes.
type DMA interface {
	Registers
	Bytes() []byte
	Addr() uint64
	Free()
}

// Interrupt is one vector of a device (MSI-X entry, MSI or INTx line).
type Interrupt interface {
	// Wait blocks until the device interrupted since the last Wait returned
	// (or since Enable). Interrupts do not count up: one Wait takes all.
	Wait() error
	// Enable unmasks. With a level-triggered line Wait leaves it masked, and
	// the driver calls Enable after it has silenced the device.
	Enable()
	Disable()
	Close() error
}

// Device is one function found on a bus.
type Device interface {
	// Name is the address, such as "0000:00:03.0".
	Name() string
	// ID is vendor and device.
	ID() (vendor, device uint16)
	// Class is base class, subclass and programming interface.
	Class() uint32
	// Config reads and writes configuration space (Size 256 or 4096).
	Config() Registers
	// BAR maps memory or I/O base address register i.
	BAR(i int) (Registers, error)
	// AllocDMA gives size bytes (rounded up to 4 KiB), below 4 GiB if low32.
	AllocDMA(size int, low32 bool) (DMA, error)
	// Interrupts asks for up to n vectors and gives at least one, or an error.
	Interrupts(n int) ([]Interrupt, error)
	// EnableBusMaster sets memory, I/O and bus-master bits in the command register.
	EnableBusMaster()
}
