package blk

// What requests hold, in bytes. A request keeps its lists for the next one, so in the end
// all of a queue have the longest that the guest ever made them have. Lists grow by
// doubling, and the allocator rounds up: that is in the sums.
const (
	heapSegment = 16      // vring.Segment
	heapBuffer  = 80 + 24 // gmem.Window and the slice of its bytes
	heapRequest = 6 << 10 // the rest of a request, and what is batched
	mostBuffers = 256     // of a request: blockio.Info.MaxSegments of the disks here
)

// HeapBytes is the most memory of the host, in bytes, that the requests of a device's
// guest can take: all descriptors of each queue are requests in flight with as many
// segments as a chain may have (2.7.5.3.1), which go over borders of frames. 0 for queueSize
// is the default of Config.
func HeapBytes(queues, queueSize int) uint64 {
	if queueSize == 0 {
		queueSize = defaultQueueSize
	}
	request := uint64(heapRequest + heapSegment*queueSize + heapBuffer*mostBuffers)
	return uint64(queues) * request * uint64(queueSize)
}
