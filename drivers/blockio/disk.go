package blockio

// Disk is a block device. All methods may be called concurrently.
type Disk interface {
	// Name is the host's name for it, such as "nvme0n1".
	Name() string
	// Info says what the disk is now: Size and ReadOnly may change while it is
	// open, everything else stays. It still answers after Close. It does not
	// block on I/O.
	Info() Info
	// Submit starts all requests of the batch, which may be empty. It may block
	// while the disk's queues are full. Every result comes through Request.Done;
	// a request that Check refuses completes with that error and touches no data
	// and no buffer. After Close every request completes with ErrClosed, after
	// the hardware has disappeared with ErrGone.
	Submit(batch []*Request)
	// Close refuses new requests and returns when those in flight have completed
	// (normally or with ErrClosed) and their Done has returned. It does not
	// flush. A second call is harmless.
	Close() error
}

// Info describes a disk. The suite blockiotest holds disks to Info.Valid.
type Info struct {
	// Size in bytes, a multiple of LogicalBlock; 0 without a medium.
	Size int64
	// LogicalBlock is the unit of offsets and lengths and of atomic writes, in
	// bytes: a power of two, at least 512.
	LogicalBlock int
	// PhysicalBlock is the unit in which writes are cheap, in bytes: a power of
	// two, at least LogicalBlock. It is a hint.
	PhysicalBlock int

	// ReadOnly refuses everything but Read and Flush.
	ReadOnly bool
	// WriteCache says that completed writes may be lost without Flush or FUA.
	WriteCache bool
	// CanFUA allows FUA on Write and WriteZeroes.
	CanFUA bool
	// CanDiscard and CanWriteZeroes allow these operations.
	CanDiscard     bool
	CanWriteZeroes bool

	// MaxTransfer is the longest Read or Write in bytes, a multiple of
	// LogicalBlock.
	MaxTransfer int64
	// MaxSegments is the largest number of buffers in one request.
	MaxSegments int
	// MaxDiscard and MaxWriteZeroes are the longest in bytes, multiples of
	// LogicalBlock; 0 for what the disk cannot do.
	MaxDiscard     int64
	MaxWriteZeroes int64
	// QueueDepth is the number of requests that are worth having in flight. It
	// is a hint: more make Submit block.
	QueueDepth int
}

// Valid says whether the description makes sense. Errors wrap ErrBadInfo.
func (i *Info) Valid() error {
	block := int64(i.LogicalBlock)
	switch {
	case block < 512 || block&(block-1) != 0:
		return badInfo("logical block", block)
	case i.PhysicalBlock < i.LogicalBlock || i.PhysicalBlock&(i.PhysicalBlock-1) != 0:
		return badInfo("physical block", int64(i.PhysicalBlock))
	case i.Size < 0 || i.Size%block != 0:
		return badInfo("size", i.Size)
	case i.MaxTransfer < block || i.MaxTransfer%block != 0:
		return badInfo("longest transfer", i.MaxTransfer)
	case i.MaxSegments < 1:
		return badInfo("number of segments", int64(i.MaxSegments))
	case i.QueueDepth < 1:
		return badInfo("queue depth", int64(i.QueueDepth))
	case i.MaxDiscard < 0 || i.MaxDiscard%block != 0 || i.CanDiscard != (i.MaxDiscard > 0):
		return badInfo("longest discard", i.MaxDiscard)
	case i.MaxWriteZeroes < 0 || i.MaxWriteZeroes%block != 0 || i.CanWriteZeroes != (i.MaxWriteZeroes > 0):
		return badInfo("longest write of zeroes", i.MaxWriteZeroes)
	}
	return nil
}
