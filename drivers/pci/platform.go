package pci

import (
	"errors"

	"basalt/drivers/bus"
)

// ErrGone says that the function answers all ones: it was removed.
var ErrGone = errors.New("pci: function is gone")

// Platform is what the machine does for a function.
type Platform interface {
	// MapMemory maps size bytes of device memory, uncached.
	MapMemory(pa, size uint64) (bus.Registers, error)
	// MapPorts gives a window of I/O ports.
	MapPorts(port, size uint16) (bus.Registers, error)
	// AllocDMA is bus.Device.AllocDMA.
	AllocDMA(size int, low32 bool) (bus.DMA, error)
	// Message allocates an interrupt vector for a device that sends messages.
	Message(name string) (Message, error)
	// Wire gives the level-triggered interrupt behind a pin (1 is INTA#) of a
	// device on a root bus, after the bridges in front of the function were
	// followed. line is the function's interrupt-line register, as firmware set it.
	Wire(name string, root Address, pin, line uint8) (bus.Interrupt, error)
}

// Message is a vector with the address and data that a device must write to
// raise it.
type Message interface {
	Address() uint64
	Data() uint32
	Wait() error
	Close() error
}
