package blockio

import "strconv"

// Op is what a request does.
type Op uint8

// The operations. The zero value is none, so that a forgotten one is refused.
const (
	// Read fills Bufs.
	Read Op = iota + 1
	// Write stores Bufs.
	Write
	// Flush makes durable what had completed before it was submitted. It has no
	// range and no buffers. Every disk takes it.
	Flush
	// Discard says that the content of the range is not needed: until it is
	// written again, reads give undefined bytes, but never those of another user
	// of the medium.
	Discard
	// WriteZeroes makes the range read as zeroes; it may give space back.
	WriteZeroes
)

// String names the operation.
func (o Op) String() string {
	switch o {
	case Read:
		return "read"
	case Write:
		return "write"
	case Flush:
		return "flush"
	case Discard:
		return "discard"
	case WriteZeroes:
		return "write zeroes"
	}
	return "operation " + strconv.Itoa(int(o))
}

// Request is one operation. The package comment says who owns it when.
type Request struct {
	Op Op
	// FUA makes Write or WriteZeroes durable before it completes.
	FUA bool
	// Offset and Length in bytes, multiples of LogicalBlock; both 0 for Flush.
	Offset, Length int64
	// Bufs are the data of Read and Write, in order. None is empty, they sum up
	// to Length, and each may have any length and address. The disk does not
	// change the slices, nor, except for Read, the bytes. After a Read that
	// failed the bytes are undefined.
	Bufs [][]byte

	// Err is the result, valid from the call of Done on.
	Err error
	// Done is called once when the request has completed. It must not be nil,
	// must not block and may use the request again. It is set once for many uses
	// (a method value made for each request would be an allocation).
	Done func(*Request)
}

// Complete ends the request: disks call it, exactly once and without any lock.
// They must not touch the request afterwards.
func (r *Request) Complete(err error) {
	r.Err = err
	r.Done(r)
}
