package blockio

import (
	"errors"
	"fmt"
)

// What a request may complete with. A disk returns these or errors that wrap
// them; callers compare with errors.Is.
var (
	// ErrClosed says that the disk was closed before the request was done.
	ErrClosed = errors.New("blockio: closed")
	// ErrGone says that the hardware disappeared.
	ErrGone = errors.New("blockio: device is gone")
	// ErrIO says that the medium or the way to it failed: the request may work
	// when repeated.
	ErrIO = errors.New("blockio: input/output error")
	// ErrNoSpace says that a thin disk has no room behind it for new blocks.
	ErrNoSpace = errors.New("blockio: no space left behind the disk")

	// ErrBadRequest says that the request contradicts itself: unknown operation,
	// nothing to do, buffers that do not sum up to Length, a flag that its
	// operation does not have.
	ErrBadRequest = errors.New("blockio: malformed request")
	// ErrNotSupported says that the disk cannot do this operation or flag.
	ErrNotSupported = errors.New("blockio: not supported by the disk")
	// ErrReadOnly refuses a change of a read-only disk.
	ErrReadOnly = errors.New("blockio: disk is read-only")
	// ErrAlignment says that Offset or Length is no multiple of LogicalBlock.
	ErrAlignment = errors.New("blockio: not aligned to logical blocks")
	// ErrRange says that the request is not within the disk.
	ErrRange = errors.New("blockio: beyond the disk")
	// ErrTooLarge says that the request has more bytes or segments than one may
	// have on this disk.
	ErrTooLarge = errors.New("blockio: request is too large")
)

// ErrBadInfo is wrapped by the errors of Info.Valid.
var ErrBadInfo = errors.New("blockio: impossible description of a disk")

func badInfo(what string, v int64) error {
	return fmt.Errorf("%w: %s %d", ErrBadInfo, what, v)
}
