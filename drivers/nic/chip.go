package nic

import "sync/atomic"

// Event is what an interrupt was about.
type Event uint8

// The events; an interrupt may carry several.
const (
	EventReceive  Event = 1 << iota // receive is masked now; frames may be there
	EventTransmit                   // transmit is masked now; room may be there
	EventLink                       // carrier may have changed: Check will say
)

// Chip is one controller that has been reset, set up and started.
type Chip interface {
	// MAC and MTU (bytes of payload) do not change.
	MAC() [6]byte
	MTU() int

	// Receive copies frames that arrived, at most len(bufs), and gives their
	// buffers back to the ring. It counts everything but the frames returned.
	// n may be 0. Work is bounded by the ring.
	Receive(bufs [][]byte, sizes []int, c *Counters) (n int, err error)
	// ArmReceive unmasks the receive interrupt and then says whether a frame is
	// there already.
	ArmReceive() (pending bool)

	// Send queues as many frames as fit now, in order. Frames are of legal size.
	Send(frames [][]byte, c *Counters) (n int, err error)
	// ArmSend unmasks the transmit interrupt and then says whether there is
	// room already.
	ArmSend() (ready bool)

	// Interrupt is called after vector i fired. It silences what it reports.
	Interrupt(i int) (Event, error)
	// Check reads carrier, and finds out whether the device is still there.
	Check() (linkUp bool, err error)

	// Stop ends all DMA and interrupts, then frees the rings. The device may be
	// gone. Nothing else is called afterwards.
	Stop()
}

// Counters are a link's statistics; safe for any goroutine.
type Counters struct {
	RxFrames, RxBytes, RxDropped, RxErrors atomic.Uint64
	TxFrames, TxBytes, TxDropped, TxErrors atomic.Uint64
}
