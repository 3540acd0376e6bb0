package blockio

// Check says whether a disk described by info may start the request, and which
// error it must complete with if not. Every Disk calls it before it touches data.
// It changes nothing and does not allocate. Where a request has several faults,
// the first in this order counts: ErrBadRequest, ErrNotSupported, ErrReadOnly,
// ErrAlignment, ErrRange, ErrTooLarge.
func Check(info *Info, r *Request) error {
	if err := checkShape(r); err != nil {
		return err
	}
	switch {
	case r.Op == Flush:
		return nil
	case r.FUA && !info.CanFUA, r.Op == Discard && !info.CanDiscard, r.Op == WriteZeroes && !info.CanWriteZeroes:
		return ErrNotSupported
	case info.ReadOnly && r.Op != Read:
		return ErrReadOnly
	}
	if mask := int64(info.LogicalBlock) - 1; (r.Offset|r.Length)&mask != 0 {
		return ErrAlignment
	}
	// Length is above 0 here; the difference cannot overflow as Offset is not negative.
	if r.Offset < 0 || r.Offset > info.Size || r.Length > info.Size-r.Offset {
		return ErrRange
	}
	most := info.MaxTransfer
	switch r.Op {
	case Discard:
		most = info.MaxDiscard
	case WriteZeroes:
		most = info.MaxWriteZeroes
	}
	if r.Length > most || len(r.Bufs) > info.MaxSegments {
		return ErrTooLarge
	}
	return nil
}

// checkShape looks for contradictions that do not depend on the disk.
func checkShape(r *Request) error {
	switch r.Op {
	case Flush:
		if r.FUA || r.Offset != 0 || r.Length != 0 || len(r.Bufs) != 0 {
			return ErrBadRequest
		}
		return nil
	case Discard, WriteZeroes:
		if len(r.Bufs) != 0 {
			return ErrBadRequest
		}
	case Read, Write:
		left := r.Length
		for _, b := range r.Bufs {
			// left falls and never below 0, so that no sum can overflow.
			if len(b) == 0 || int64(len(b)) > left {
				return ErrBadRequest
			}
			left -= int64(len(b))
		}
		if left != 0 {
			return ErrBadRequest
		}
	default:
		return ErrBadRequest
	}
	if r.Length <= 0 || r.FUA && r.Op != Write && r.Op != WriteZeroes {
		return ErrBadRequest
	}
	return nil
}
