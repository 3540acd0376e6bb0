package blk

// What requests hold, in bytes. A request keeps its lists for the next one, so in the end
// all of a queue have the longest that the guest ever made them have.
const (
	heapSegment = 16      // vring.Segment
	heapBuffer  = 80 + 24 // gmem.Window and the slice of its bytes, with their room to grow
	heapRequest = 1 << 10 // the rest of a request
	heapQueue   = 4 << 10 // a queue without requests
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
	return uint64(queues) * (heapQueue + request*uint64(queueSize))
}
