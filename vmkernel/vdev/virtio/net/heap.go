package net

import "basalt/vmkernel/vswitch"

// What queues hold, in bytes. They keep their lists for the next burst. Lists grow by
// doubling, and the allocator rounds up: that is in the sums.
const (
	heapSegment = 16        // vring.Segment
	heapChain   = 192       // the rest of a chain
	heapPiece   = 128       // gmem.Window, its place, the slice of its bytes
	heapPair    = 256 << 10 // the rest of two queues and their port
)

// HeapBytes is the most memory of the host, in bytes, that a device's guest can take: each
// receive queue has had a frame in as many buffers as it has descriptors, each transmit
// queue a burst of packets, all with as many segments as a chain may have (2.7.5.3.1), which
// go over borders of frames. 0 for queueSize is the default of Config.
func HeapBytes(pairs, queueSize int) uint64 {
	if queueSize == 0 {
		queueSize = defaultQueueSize
	}
	chain := uint64(heapChain + heapSegment*queueSize)
	pieces := uint64(2 * queueSize * vswitch.Burst)
	return uint64(pairs) * (heapPair + chain*uint64(queueSize+vswitch.Burst) + heapPiece*pieces)
}
