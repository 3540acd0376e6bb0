package host

import (
	"errors"
	"fmt"

	"basalt/drivers/blockio/imagedisk"
)

// The sentinels of this seam. Test with errors.Is; the texts around them say
// what and why in words for a person.
var (
	// ErrNotFound: there is no such object.
	ErrNotFound = errors.New("not found")
	// ErrExists: an object with this name or id is there already.
	ErrExists = errors.New("already exists")
	// ErrState: the virtual machine's state does not allow the action.
	ErrState = errors.New("not possible in this state")
	// ErrBusy: another action on the same object is under way.
	ErrBusy = errors.New("another action is under way")
	// ErrNoMemory: the host has not enough free memory.
	ErrNoMemory = errors.New("not enough free memory")
	// ErrNoCPU: the processors' time that was asked for is promised to others; the text
	// says to whom.
	ErrNoCPU = errors.New("not enough CPU time that is not reserved")
	// ErrNoEngine: this host cannot run virtual machines; Info.CannotRun says why.
	ErrNoEngine = errors.New("this host cannot run virtual machines")
	// ErrBadImage: the content of a boot image is not what it has to be.
	ErrBadImage = errors.New("bad boot image")
	// ErrTooMany: a bounded resource (console readers) is used up.
	ErrTooMany = errors.New("too many")
	// ErrNoSlot: a running machine has no free slot for another device.
	ErrNoSlot = errors.New("no free slot")
	// ErrInUse: something is used by a virtual machine, or by its guest.
	ErrInUse = errors.New("in use")
	// ErrUnsupported: this host cannot do that; the text says what is missing.
	ErrUnsupported = errors.New("not supported by this host")
	// ErrDiskSize: no disk can have this size.
	ErrDiskSize = imagedisk.ErrSize
	// ErrCut: a smaller size would cut data off.
	ErrCut = imagedisk.ErrCut
	// ErrClosed: the object was closed or deleted.
	ErrClosed = errors.New("closed")
)

// StateError is ErrState with the particulars.
type StateError struct {
	Action string // such as "start"
	State  State  // the state that refused it
}

// Error says which action met which state.
func (e *StateError) Error() string {
	return fmt.Sprintf("cannot %s a virtual machine that is %s", e.Action, e.State)
}

// Is makes errors.Is(err, ErrState) true.
func (e *StateError) Is(target error) bool { return target == ErrState }

// ConfigError says which part of a Config or Boot is refused. Field is the path
// of the field in the words of the API: "cpus", "memoryMiB", "boot.kernel".
type ConfigError struct {
	Field string
	Err   error
}

// Error gives field and reason.
func (e *ConfigError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *ConfigError) Unwrap() error { return e.Err }
