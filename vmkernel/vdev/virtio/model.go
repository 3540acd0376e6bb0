package virtio

import (
	"errors"
	"fmt"
	"slices"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
)

// ErrConfig is wrapped by what New says of a Config that cannot be.
var ErrConfig = errors.New("virtio: impossible configuration")

// Model is a device type on top of the core.
type Model interface {
	// Handle works on a queue, on the queue's goroutine: it gives back what is
	// done with Push and takes new chains with Next until that has no more. It is
	// called after a doorbell and after Ring. wants says that it takes whatever
	// comes next; if not, it is not called for new chains until somebody calls
	// Ring. A chain that was taken must be pushed without the guest's help, or
	// the device could not be paused.
	Handle(q *Queue) (wants bool)
	// Accept is asked for FEATURES_OK with features that were all offered. It may
	// be asked again after a reset.
	Accept(features uint64) bool
	// ReadConfig fills p from the device configuration; the range is inside.
	ReadConfig(off int, p []byte)
	// WriteConfig takes what the driver wrote. ok is false if it must not.
	WriteConfig(off int, p []byte) (ok bool)
	// Reset makes the device's own state what it was at first. Nothing is in
	// flight.
	Reset()
	// SaveState and LoadState are the model's own state, as vbus.Stateful; while
	// the device is paused.
	SaveState() ([]byte, error)
	LoadState([]byte) error
	// Close is called once, when the device is closed and nothing is in flight.
	Close()
}

// Plain is a part of models that have no configuration and no state.
type Plain struct{}

// Accept takes every subset.
func (Plain) Accept(uint64) bool { return true }

// ReadConfig has nothing.
func (Plain) ReadConfig(int, []byte) {}

// WriteConfig takes nothing.
func (Plain) WriteConfig(int, []byte) bool { return false }

// Reset does nothing.
func (Plain) Reset() {}

// SaveState saves nothing.
func (Plain) SaveState() ([]byte, error) { return nil, nil }

// LoadState takes an empty state only.
func (Plain) LoadState(b []byte) error {
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes of state for a device that has none", ErrState, len(b))
	}
	return nil
}

// Close does nothing.
func (Plain) Close() {}

// Config describes a device.
type Config struct {
	// Name is unique in the machine.
	Name string
	// Type is the virtio device ID, such as spec.TypeBlock; Class the PCI class
	// code, 24 bits.
	Type  uint16
	Class uint32
	// Features are the type's own that are offered. The core adds its own:
	// VERSION_1, RING_INDIRECT_DESC, RING_EVENT_IDX, RING_PACKED, RING_RESET,
	// without those in Withhold. VERSION_1 stays in any case.
	Features, Withhold uint64
	// Queues are the largest sizes of the queues: powers of two up to 32768. At
	// most MaxQueues.
	Queues []uint16
	// ConfigSize of the device configuration in bytes, at most 4096; 0: none.
	ConfigSize int
	// EarlyConfig lets the driver write the configuration before FEATURES_OK, too.
	EarlyConfig bool
	// Vectors of MSI-X; 0 for one for each queue and one for configuration.
	Vectors int
	Memory  *gmem.Memory
	Model   Model
	// PortDoorbell adds a doorbell in I/O space (DoorbellBAR), which the driver
	// should prefer: it needs no decoding of the guest's instruction, and with a
	// FastBell no ordinary Go. A function behind a bridge without a window for I/O
	// must not have one.
	PortDoorbell bool
	// NewBell makes the bell of a queue; nil for NewBell of this package. The device
	// closes it in Close.
	NewBell func(name string) (Bell, error)
}

// MaxQueues is the largest number of queues, which have their doorbells in one
// page.
const MaxQueues = 1024

const coreFeatures = 1<<spec.FVersion1 | 1<<spec.FRingIndirectDesc | 1<<spec.FRingEventIdx |
	1<<spec.FRingPacked | 1<<spec.FRingReset

// reserved are the bits of queues and negotiation, 2.2: they are the core's.
const reserved = (1<<41 - 1) &^ (1<<24 - 1)

func (c *Config) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrConfig, c.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case c.Memory == nil || c.Model == nil:
		return bad("no memory or no model")
	case len(c.Queues) == 0 || len(c.Queues) > MaxQueues:
		return bad("%d queues", len(c.Queues))
	case c.ConfigSize < 0 || c.ConfigSize > pageSize:
		return bad("%d bytes of configuration", c.ConfigSize)
	case c.Vectors < 0 || c.Vectors > maxVectors:
		return bad("%d vectors", c.Vectors)
	case c.Features&reserved != 0:
		return bad("features %#x are not the type's", c.Features&reserved)
	case c.Type == 0 || c.Type > 0x3f:
		return bad("type %d", c.Type)
	case slices.ContainsFunc(c.Queues, func(n uint16) bool { return n == 0 || n > spec.MaxQueueSize || n&(n-1) != 0 }):
		return bad("queue sizes %d", c.Queues)
	}
	return nil
}
