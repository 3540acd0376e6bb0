package files

import (
	"slices"
	"sync"

	"basalt/vmkernel/host"
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

// Held names a file to hold. ReadOnly: others may open it as a read-only disk.
type Held struct {
	Path     string
	ReadOnly bool
}

// hold holds files for the machine user, which may have them open. Nothing is held after
// an error. s.mu is held.
func (s *Store) hold(user string, files ...Held) (*Hold, error) {
	h := &Hold{s: s}
	for _, f := range files {
		c, err := s.find(f.Path)
		if err != nil {
			h.drop()
			return nil, err
		}
		h.add(c, &claim{user, f.ReadOnly})
	}
	return h, nil
}

// add claims one file; s.mu is held.
func (h *Hold) add(c *content, x *claim) {
	c.claims = append(c.claims, x)
	h.held, h.mine = append(h.held, c), append(h.mine, x)
}

// CommitHeld is Commit, and holds the new file and others for the machine user in the same
// step: nobody comes in between. Nothing is held after an error. Errors: those of Commit,
// and host.ErrNotFound for one of the others.
func (w *Writer) CommitHeld(user string, others ...Held) (info Info, h *Hold, err error) {
	if w.c == nil {
		return Info{}, nil, host.ErrClosed
	}
	c := w.c
	w.c = nil
	info, _, err = w.s.enterWith(w.path, c, w.onlyNew, func() (err error) {
		if h, err = w.s.hold(user, others...); err == nil {
			h.add(c, &claim{user: user})
		}
		return err
	})
	return info, h, err
}

// drop takes the claims away; s.mu is held.
func (h *Hold) drop() {
	for i, c := range h.held {
		c.claims = slices.DeleteFunc(c.claims, func(x *claim) bool { return x == h.mine[i] })
	}
}

// Remove ends the hold and removes path, one of its files, in one step: what somebody else
// stores there afterwards is not touched. It can be called again. Errors: host.ErrInUse
// while a machine has it open as a disk, and then the file stays.
func (h *Hold) Remove(path string) (err error) {
	h.once.Do(func() {
		var gone *content
		h.s.mu.Lock()
		h.drop()
		if c := h.s.files[path]; c != nil && slices.Contains(h.held, c) {
			if err = c.usable(path); err == nil {
				delete(h.s.files, path)
				gone = c
			}
		}
		h.s.mu.Unlock()
		if gone != nil {
			gone.release()
		}
	})
	return err
}
