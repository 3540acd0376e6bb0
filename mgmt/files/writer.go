package files

import (
	"context"
	"errors"
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

// Copy fills the empty image to, of the same size, with what the image from holds.
// Either may be a machine's disk: nobody may write to them meanwhile. Errors:
// host.ErrNotFound, ErrTooLarge, those of ctx.
func (s *Store) Copy(ctx context.Context, from, to string) error {
	s.mu.Lock()
	var img [2]*imagedisk.Image
	for i, p := range []string{from, to} {
		c, err := s.find(p)
		if err == nil && c.img == nil {
			err = fmt.Errorf("file %q is no image", p)
		}
		if err != nil {
			s.mu.Unlock()
			return err
		}
		c.refs.Add(1)
		defer c.release()
		img[i] = c.img
	}
	s.mu.Unlock()
	if img[0].Size() != img[1].Size() || img[1].Data() != 0 {
		return fmt.Errorf("file %q is no empty image of %d bytes", to, img[0].Size())
	}
	if need := img[0].Used(); uint64(need) > s.Free() {
		return fmt.Errorf("a copy of %q of %d bytes %w: %d bytes are free", from, need, ErrTooLarge, s.Free())
	}
	err := img[1].CopyFrom(ctx, img[0])
	if err != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("a copy of %q %w: %d bytes are free (%w)", from, ErrTooLarge, s.Free(), err)
	}
	return err
}
