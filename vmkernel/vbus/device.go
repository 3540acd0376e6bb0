package vbus

import "context"

// Access is what a device answers to an access: an outcome, not an error. A
// guest that pokes at nothing is normal.
type Access uint8

// The outcomes.
const (
	OK         Access = iota
	NoRegister        // nothing there: reads give all ones, writes are lost
	BadSize           // the register does not take this size: the same
)

// Device is the small base; abilities are found by type assertion when the
// motherboard plugs the device in.
type Device interface {
	Name() string
	Reset()
}

// PortIO is a device with registers in I/O space. len(data) is 1, 2 or 4.
type PortIO interface {
	ReadPort(port uint16, data []byte) Access
	WritePort(port uint16, data []byte) Access
}

// FastPortIO is a device that can take some port writes in W1: doorbells. ok false
// says that nothing has happened and that ordinary Go has to do it. It raises no
// interrupt, takes no lock that ordinary Go holds, and keeps to W1's rules.
type FastPortIO interface {
	PortIO
	FastWritePort(port uint16, size uint8, value uint32) (ok bool)
}

// MMIO is a device with registers in memory. off counts from the start of the
// region; len(data) is 1 to 8.
type MMIO interface {
	ReadMMIO(region int, off uint64, data []byte) Access
	WriteMMIO(region int, off uint64, data []byte) Access
}

// FastMMIO is a device that can take some writes in memory in W1, as FastPortIO says;
// size is 1, 2, 4 or 8.
type FastMMIO interface {
	MMIO
	FastWriteMMIO(region int, off uint64, size uint8, value uint64) (ok bool)
}

// FastReader is a device that can answer some reads in memory in W1; size is 1, 2, 4 or
// 8, and more bytes of the value than that do not count.
type FastReader interface {
	MMIO
	FastReadMMIO(region int, off uint64, size uint8) (value uint64, ok bool)
}

// Stateful is a device whose state can be saved (see vmkernel/checkpoint).
type Stateful interface {
	SaveState() ([]byte, error)
	LoadState([]byte) error
}

// Pausable is a device that works on goroutines of its own: queues, a backend. Before
// its state is saved or loaded the machine pauses it.
type Pausable interface {
	// Pause returns when the device neither touches guest memory nor moves a pin
	// until Resume. When ctx ends earlier it fails, and Resume takes it back.
	// Pausing what is paused is harmless.
	Pause(ctx context.Context) error
	Resume()
}

// Line is one interrupt input of a controller. Level semantics: the device says
// what its pin is. Safe for any goroutine; never blocks.
type Line interface{ Set(high bool) }

// Clock is the virtual machine's clock as a device sees it: it stops while the
// VM is paused. Times are nanoseconds since the VM's power-on.
type Clock interface {
	Now() int64
	// NewTimer makes a stopped timer that calls f (on a goroutine of the
	// clock; f must not block) at the time last given to Arm.
	NewTimer(f func()) Timer
}

// Timer is a one-shot timer of a Clock.
type Timer interface {
	Arm(at int64)
	Stop()
}
