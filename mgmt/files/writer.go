package files

import (
	"fmt"

	"basalt/drivers/blockio/imagedisk"
	"basalt/vmkernel/host"
)

// Writer stores a file whose size nobody knows beforehand. Memory comes as it grows.
// It ends with Commit, or with Abort, which may follow Commit and does nothing then.
// Its SHA-256 is not computed: what is written this way has checksums of its own, and
// a machine waits for the end.
type Writer struct {
	s       *Store
	path    string
	onlyNew bool
	c       *content // nil after Commit and Abort
}

// NewWriter begins a file. Errors as Put's before it reads.
func (s *Store) NewWriter(path string, onlyNew bool) (*Writer, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	if err := s.admit(path, onlyNew); err != nil {
		return nil, err
	}
	img, err := imagedisk.New(0, s.chunk)
	if err != nil {
		return nil, err
	}
	w := &Writer{s: s, path: path, onlyNew: onlyNew, c: &content{store: s, img: img}}
	w.c.refs.Store(1)
	return w, nil
}

// Write implements io.Writer. Errors: ErrTooLarge.
func (w *Writer) Write(p []byte) (int, error) {
	if w.c == nil {
		return 0, host.ErrClosed
	}
	n, err := w.c.img.Append(p)
	if err != nil {
		err = fmt.Errorf("file %q %w: %d bytes of it are written (%w)", w.path, ErrTooLarge, w.c.img.Size(), err)
	}
	return n, err
}

// Commit gives the file its name, in one step in place of one that was there. When it
// fails nothing is left. Errors as Put.
func (w *Writer) Commit() (Info, error) {
	if w.c == nil {
		return Info{}, host.ErrClosed
	}
	c := w.c
	w.c = nil
	info, _, err := w.s.enter(w.path, c, w.onlyNew)
	return info, err
}

// Abort gives the memory back.
func (w *Writer) Abort() {
	if w.c != nil {
		w.c.release()
		w.c = nil
	}
}

// Used is the memory that files take, in bytes; a file that is not there takes none.
func (s *Store) Used(paths ...string) (sum int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range paths {
		if c, ok := s.files[p]; ok {
			sum += c.info(p).Used
		}
	}
	return sum
}
