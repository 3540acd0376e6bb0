// Package netio is the seam between packets and whatever moves them: host NIC
// drivers, the host's TCP/IP stack, virtual NICs and switch ports. World W2.
package netio

import "errors"

// ErrClosed is returned by every method after Close, and by a Receive that was
// waiting. ErrGone says that the hardware disappeared (reads give all ones).
var (
	ErrClosed = errors.New("netio: closed")
	ErrGone   = errors.New("netio: device is gone")
)

// MaxFrame is the largest Ethernet frame without FCS that the seam carries, in
// bytes: a 1500-byte MTU with one VLAN tag.
const MaxFrame = 1518

// Link is one end of a packet pipe. Receive may be called by one goroutine at a
// time, Send by one at a time, both concurrently with each other.
type Link interface {
	// Name is the host's name for it, such as "vmnic0".
	Name() string
	// MAC is the hardware address.
	MAC() [6]byte
	// MTU is the largest payload in bytes.
	MTU() int
	// LinkUp says whether the carrier is there.
	LinkUp() bool
	// BatchSize is the number of frames that one call should carry at most.
	BatchSize() int
	// Receive blocks until at least one frame is there and copies up to
	// len(bufs) frames into bufs[i], setting sizes[i]. A frame that does not fit
	// its buffer is dropped and counted. Without bufs it returns at once.
	Receive(bufs [][]byte, sizes []int) (n int, err error)
	// Send queues frames in order and returns how many were taken; it blocks
	// while the ring is full, so n < len(frames) only with an error. The frames
	// are copied before it returns. A frame below 14 bytes or above MTU+18 is
	// taken and counted in TxErrors; without carrier frames are taken and
	// counted in TxDropped. Short frames may arrive padded to 60 bytes.
	Send(frames [][]byte) (n int, err error)
	// Stats are counters since the link was opened.
	Stats() Stats
	Close() error
}

// Stats counts frames and bytes, and what was lost and why.
type Stats struct {
	RxFrames, RxBytes, RxDropped, RxErrors uint64
	TxFrames, TxBytes, TxDropped, TxErrors uint64
}
