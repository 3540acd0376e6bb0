package files

import (
	"slices"
	"sync"
)

// Hold keeps files as they are for a machine that is suspended: they can be read,
// and opened by that machine, but nobody else may write to, replace, resize or remove
// them.
type Hold struct {
	s    *Store
	held []*content
	mine []*claim
	once sync.Once
}

// claim is one file's share of a Hold.
type claim struct {
	user     string
	readOnly bool
}

// Held names a file for Hold. ReadOnly: others may open it as a read-only disk.
type Held struct {
	Path     string
	ReadOnly bool
}

// Hold holds files for the machine user, which may have them open. Nothing is held
// after an error. Errors: ErrPath, host.ErrNotFound.
func (s *Store) Hold(user string, files ...Held) (*Hold, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &Hold{s: s}
	for _, f := range files {
		c, err := s.find(f.Path)
		if err != nil {
			h.drop()
			return nil, err
		}
		x := &claim{user, f.ReadOnly}
		c.claims = append(c.claims, x)
		h.held, h.mine = append(h.held, c), append(h.mine, x)
	}
	return h, nil
}

// drop takes the claims away; s.mu is held.
func (h *Hold) drop() {
	for i, c := range h.held {
		c.claims = slices.DeleteFunc(c.claims, func(x *claim) bool { return x == h.mine[i] })
	}
}

// Release ends the hold. It can be called again.
func (h *Hold) Release() {
	h.once.Do(func() {
		h.s.mu.Lock()
		defer h.s.mu.Unlock()
		h.drop()
	})
}
