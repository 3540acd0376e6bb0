package virtio

// TypeSocket is the socket device's ID, section 5.10.1.
const TypeSocket = 19

// Socket device, section 5.10.
const (
	VsockFStream    = 0
	VsockFSeqpacket = 1

	// Configuration, section 5.10.4.
	VsockGuestCID = 0x0 // 64 bits; the upper 32 are 0
	VsockCfgSize  = 0x8

	// Queues, section 5.10.2.
	VsockQueueRx    = 0
	VsockQueueTx    = 1
	VsockQueueEvent = 2

	// Addresses, section 5.10.4.
	VsockCIDHost  = 2 // 0, 1 and 2 are nobody's else
	VsockCIDFirst = 3

	// Packet header, section 5.10.6.
	VsockSrcCID   = 0  // 64 bits
	VsockDstCID   = 8  // 64 bits
	VsockSrcPort  = 16 // 32 bits
	VsockDstPort  = 20 // 32 bits
	VsockLen      = 24 // 32 bits: bytes of payload
	VsockType     = 28 // 16 bits
	VsockOp       = 30 // 16 bits
	VsockFlags    = 32 // 32 bits
	VsockBufAlloc = 36 // 32 bits
	VsockFwdCnt   = 40 // 32 bits
	VsockHdrSize  = 44

	// Types, section 5.10.6.2.
	VsockTypeStream    = 1
	VsockTypeSeqpacket = 2

	// Operations, section 5.10.6.
	VsockOpRequest       = 1
	VsockOpResponse      = 2
	VsockOpRst           = 3
	VsockOpShutdown      = 4
	VsockOpRW            = 5
	VsockOpCreditUpdate  = 6
	VsockOpCreditRequest = 7

	// Flags of a shutdown, section 5.10.6.5.
	VsockShutdownRcv  = 1 << 0 // the sender receives no more
	VsockShutdownSend = 1 << 1 // the sender sends no more

	// Events, section 5.10.6.7.
	VsockEventTransportReset = 0
	VsockEventSize           = 4
)
