// Package pmtimer is the ACPI power-management timer: a counter of 3.579545 MHz,
// 24 or 32 bits wide, in one 32-bit port. World W2; without state of its own,
// because the VM's clock is the counter.
//
// Place in the data path: guest -> port (PM block base + 8) -> VM clock.
//
// Specification: ACPI 6.5, 4.8.2.1 "Power Management Timer" and 4.8.3.3
// "PM_TMR". The carry status (TMR_STS) belongs to package acpipm.
package pmtimer

import (
	"math/bits"

	"basalt/vmkernel/vbus"
)

// Hz is the frequency of the counter.
const Hz = 3579545

// Ticks converts nanoseconds of the VM's clock to counts, not yet cut to the width.
func Ticks(ns int64) uint64 {
	hi, lo := bits.Mul64(uint64(max(ns, 0)), Hz)
	q, _ := bits.Div64(hi%1e9, lo, 1e9)
	return q
}

// Nanos is the first nanosecond at which count n has been reached; saturated.
func Nanos(n uint64) int64 {
	hi, lo := bits.Mul64(n, 1e9)
	if hi >= Hz {
		return 1<<63 - 1
	}
	q, r := bits.Div64(hi, lo, Hz)
	if r != 0 {
		q++
	}
	return int64(min(q, 1<<63-1))
}

// Timer is the port. Safe for any goroutine.
type Timer struct {
	clock vbus.Clock
	mask  uint64
}

var (
	_ vbus.Device = (*Timer)(nil)
	_ vbus.PortIO = (*Timer)(nil)
)

// New makes the timer; wide is 32 bits (FADT flag TMR_VAL_EXT), else 24.
func New(clock vbus.Clock, wide bool) *Timer {
	if wide {
		return &Timer{clock, 1<<32 - 1}
	}
	return &Timer{clock, 1<<24 - 1}
}

// Name implements vbus.Device.
func (t *Timer) Name() string { return "pmtimer" }

// Reset does nothing: the counter runs on.
func (t *Timer) Reset() {}

// Count is the value of the counter.
func (t *Timer) Count() uint32 { return uint32(Ticks(t.clock.Now()) & t.mask) }

// ReadPort implements vbus.PortIO: 32 bits only (4.8.3.3).
func (t *Timer) ReadPort(_ uint16, data []byte) vbus.Access {
	if len(data) != 4 {
		return vbus.NoRegister
	}
	v := t.Count()
	data[0], data[1], data[2], data[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	return vbus.OK
}

// WritePort implements vbus.PortIO: read-only, writes are lost.
func (t *Timer) WritePort(uint16, []byte) vbus.Access { return vbus.NoRegister }
