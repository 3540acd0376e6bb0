package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"basalt/vmkernel/checkpoint"
)

// MaxNote is the most that SaveOptions.Note may have, in bytes.
const MaxNote = 64 << 10

// NoteSection is the section of a state with SaveOptions.Note: the first one, and
// optional for a reader.
const NoteSection = "note"

// SavedState is what a saved state says about itself before its memory.
type SavedState struct {
	Engine      string // "vt-x", "amd-v"
	Level       string // CPU level; may be empty: host
	TSCKHz      uint64 // of the guest's counter
	MemoryBytes uint64
	Config      Config
	Note        []byte // of SaveOptions; nil when there is none
}

// InspectState reads the beginning of a saved state. Errors: ErrBadState,
// ErrIncompatible for a newer format.
func InspectState(r io.Reader) (s SavedState, err error) {
	in, err := checkpoint.NewReader(r)
	if err != nil {
		return s, StateFailure(err)
	}
	h := in.Header()
	s = SavedState{Engine: h.Engine, Level: h.Level, TSCKHz: h.TSCKHz, MemoryBytes: h.MemorySize()}
	if err := json.Unmarshal(h.Config, &s.Config); err != nil {
		return s, fmt.Errorf("%w: configuration: %w", ErrBadState, err)
	}
	rec, err := in.Next()
	if err == nil && rec.Kind == checkpoint.KindSection && rec.Name == NoteSection && len(rec.Data) <= MaxNote {
		s.Note = append([]byte{}, rec.Data...)
	}
	if err != nil && err != io.EOF {
		return s, StateFailure(err)
	}
	return s, nil
}

// CheckState reads a saved state to its end and says whether it is whole. Whether a
// host can carry it is another question. Errors as InspectState, and those of r.
func CheckState(r io.Reader) error {
	in, err := checkpoint.NewReader(r)
	for err == nil {
		_, err = in.Next()
	}
	if err == io.EOF {
		return nil
	}
	return StateFailure(err)
}

// StateFailure gives an error of a saved state's reader its sentinel.
func StateFailure(err error) error {
	if errors.Is(err, checkpoint.ErrVersion) || errors.Is(err, checkpoint.ErrUnknown) {
		return fmt.Errorf("%w: %w", ErrIncompatible, err)
	}
	return fmt.Errorf("%w: %w", ErrBadState, err)
}
