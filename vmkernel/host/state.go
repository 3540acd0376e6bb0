package host

import "errors"

// The sentinels of saved states.
var (
	// ErrNotSavable: a device or processor of the machine cannot be saved; the text
	// names it.
	ErrNotSavable = errors.New("cannot be saved")
	// ErrBadState: a saved state is damaged, cut, or holds what no machine can have.
	ErrBadState = errors.New("bad saved state")
	// ErrIncompatible: a saved state is whole, but this host cannot carry it: another
	// engine, CPU, counter frequency, or a newer format.
	ErrIncompatible = errors.New("saved state does not fit this host")
)

// The hardware versions of Config.Hardware. Each stands for one board for ever: what
// devices it has where. A state is restored onto the board that it was saved on.
const (
	HardwareOldest = 1
	HardwareNewest = 2
)

// AfterSave is what becomes of a machine once its state is written.
type AfterSave uint8

// What a machine does after a save. If the save fails it goes on as it was before.
const (
	AfterSaveGoOn  AfterSave = iota // as before: running or paused (a snapshot, a clone)
	AfterSavePause                  // paused
	AfterSaveStop                   // off (a suspend)
)

// SaveOptions are for VM.Save.
type SaveOptions struct {
	Then AfterSave
	// Note, of at most MaxNote bytes, is kept in the state for InspectState.
	Note []byte
	// Progress, if not nil, is told how many bytes of guest memory of how many were
	// looked at. It is called on the caller's goroutine.
	Progress func(done, total uint64)
}

// RestoreOptions are for VMs.Restore.
type RestoreOptions struct {
	ID   string // of the new machine, unique on this host
	Name string // empty: as saved
	// Boot is what a reset of the machine boots. The zero value is allowed: such a
	// machine refuses a reset, and one that the guest asks for turns it off. It is
	// the machine's from the call on, whatever Restore returns.
	Boot Boot
	// Config, if not nil, is the machine's configuration instead of the saved one and
	// of ID and Name. What the guest sees must be as saved: only what stands behind
	// disks and adapters may differ.
	Config *Config
	// Unplugged leaves the network adapters without a place on their networks: no
	// frame passes, and they are only there to be detached. Their addresses may be
	// those of adapters of other machines.
	Unplugged bool
	// NewGeneration makes it a clone: the guest's generation ID changes, and unless
	// Config says otherwise port forwards stay with the original.
	NewGeneration bool
	Progress      func(done, total uint64)
}
