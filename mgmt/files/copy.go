package files

import (
	"context"
	"errors"
	"fmt"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/imagedisk"
)

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
	return s.fillFrom(ctx, img[1], img[0], from, nil)
}

// CopyFile stores a copy of the file from under to, in one step when all of it is there:
// until then, and after an error, to is what it was. Holes stay holes, and what is known of
// the content's SHA-256 stays known. Nobody can write to from meanwhile. With onlyNew a file
// is not replaced. progress, which may be nil, is told how many bytes of memory of how many
// are filled. Errors: ErrPath, host.ErrNotFound; ErrConflict for a copy onto itself;
// host.ErrInUse for a source that a machine may write to, and a target that is a disk;
// ErrTooLarge, host.ErrExists, host.ErrTooMany, and those of ctx.
func (s *Store) CopyFile(ctx context.Context, from, to string, onlyNew bool, progress func(done, total uint64)) (Info, error) {
	f, err := s.Open(from)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	if err := CheckPath(to); err != nil {
		return Info{}, err
	}
	if from == to {
		return Info{}, fmt.Errorf("file %q: %w: it cannot be a copy of itself", to, ErrConflict)
	}
	if err := s.admit(to, onlyNew); err != nil {
		return Info{}, err
	}
	c, err := s.copyOf(ctx, f, to, progress)
	if err != nil {
		return Info{}, err
	}
	info, _, err := s.enter(to, c, onlyNew)
	return info, err
}

// copyOf makes the content of a copy; none is left after an error.
func (s *Store) copyOf(ctx context.Context, f *File, to string, progress func(done, total uint64)) (*content, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.img == nil {
		c, err := s.take(to, f.Bytes)
		if err != nil {
			return nil, err
		}
		for at := int64(0); at < f.Bytes; { // on the heap, or one chunk when that is full
			at += int64(copy(c.window(at), f.heap[at:]))
		}
		c.sha256 = f.SHA256
		return c, nil
	}
	img, err := imagedisk.New(f.Bytes, s.chunk)
	if err != nil {
		return nil, err
	}
	c := &content{store: s, img: img, sha256: f.SHA256}
	c.refs.Store(1)
	if err := s.fillFrom(ctx, img, f.img, f.Path, progress); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// fillFrom copies what the image src of the file from holds, if there is room.
func (s *Store) fillFrom(ctx context.Context, to, src *imagedisk.Image, from string, progress func(done, total uint64)) error {
	need := uint64(src.Used())
	if free := s.Free(); need > free {
		return fmt.Errorf("a copy of %q of %d bytes %w: %d bytes are free, %d are missing", from, need, ErrTooLarge, free, need-free)
	}
	err := to.CopyFrom(ctx, src, progress)
	if errors.Is(err, blockio.ErrNoSpace) { // somebody else took it meanwhile
		err = fmt.Errorf("a copy of %q %w: %d bytes are free (%w)", from, ErrTooLarge, s.Free(), err)
	}
	return err
}
