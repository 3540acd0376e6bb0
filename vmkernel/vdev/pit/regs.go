package pit

import "math/bits"

// Hz is the input frequency of all three channels: 105/88 MHz, rounded.
const Hz = 1193182

// The ports.
const (
	Counter0 = 0x40
	Counter1 = 0x41
	Counter2 = 0x42
	Control  = 0x43
	PortB    = 0x61 // NMI status and control
)

// Control word fields.
const (
	ctlBCD       = 0x01
	ctlModeShift = 1
	ctlRWShift   = 4
	ctlSelShift  = 6
	selReadBack  = 3
)

// Read/write modes of a channel; 0 is the latch command.
const (
	rwLatch = 0
	rwLow   = 1
	rwHigh  = 2
	rwWord  = 3
)

// Read-back command and status byte.
const (
	rbNoCount  = 0x20
	rbNoStatus = 0x10
	statusOut  = 0x80
	statusNull = 0x40
)

// Port 0x61.
const (
	portBGate2   = 0x01
	portBSpeaker = 0x02
	portBMask    = 0x0F
	portBRefresh = 0x10
	portBOut2    = 0x20
)

// refreshNS is half the period of the refresh toggle in nanoseconds.
const refreshNS = 15085

// ticks converts nanoseconds of the clock to input ticks, rounded down.
func ticks(ns int64) int64 {
	hi, lo := bits.Mul64(uint64(max(ns, 0)), Hz)
	q, _ := bits.Div64(hi%1e9, lo, 1e9)
	return int64(q & (1<<62 - 1))
}

// nanos converts a tick to the first nanosecond at which it has passed.
func nanos(t int64) int64 {
	hi, lo := bits.Mul64(uint64(max(t, 0)), 1e9)
	if hi >= Hz {
		return 1<<63 - 1
	}
	q, r := bits.Div64(hi, lo, Hz)
	if r != 0 {
		q++
	}
	return int64(min(q, 1<<63-1))
}
