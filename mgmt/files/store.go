package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"basalt/vmkernel/host"
)

// Limits of a store.
const (
	MaxFiles  = 4096
	smallFile = 64 << 10 // up to this size a file is on the Go heap ...
	heapLimit = 8 << 20  // ... while all of those together stay below this
)

// The sentinels beside the ones of package host.
var (
	// ErrTooLarge: the file does not fit into what is free.
	ErrTooLarge = errors.New("does not fit")
	// ErrShort: the body ended before the declared size.
	ErrShort = errors.New("upload ended early")
	// ErrConflict: the name is a folder of other files, or below a file.
	ErrConflict = errors.New("conflicts with another file's path")
)

// Store is the file store.
type Store struct {
	mem     host.Memory
	reserve uint64
	now     func() time.Time

	// filling serialises taking large memory: of two uploads that do not fit
	// together the first gets all that it needs.
	filling sync.Mutex

	mu    sync.Mutex
	files map[string]*content
	heap  int64 // bytes of small files
}

// Info describes a file.
type Info struct {
	Path     string
	Bytes    int64
	SHA256   string // lower-case hexadecimal
	Modified time.Time
}

// New makes an empty store over mem. It always leaves reserve bytes of host
// memory free. now is the clock; nil means time.Now.
func New(mem host.Memory, reserve uint64, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{mem: mem, reserve: reserve, now: now, files: map[string]*content{}}
}

// Free is the size of the largest file that could be stored now.
func (s *Store) Free() uint64 {
	if f := s.mem.Free(); f > s.reserve {
		return f - s.reserve
	}
	return 0
}

// Put stores size bytes from r under path, replacing what was there in one step.
// If onlyNew is set and path exists, it fails with host.ErrExists. replaced says
// whether there was a file before. Nothing remains of a failed Put. Errors:
// ErrPath, ErrTooLarge, ErrShort, ErrConflict, host.ErrExists, host.ErrTooMany,
// and what r returned.
func (s *Store) Put(path string, r io.Reader, size int64, onlyNew bool) (info Info, replaced bool, err error) {
	if err := CheckPath(path); err != nil {
		return Info{}, false, err
	}
	if size < 0 {
		return Info{}, false, fmt.Errorf("%w: the size has to be declared", ErrTooLarge)
	}
	if err := s.admit(path, onlyNew); err != nil {
		return Info{}, false, err
	}
	c, err := s.take(path, size)
	if err != nil {
		return Info{}, false, err
	}
	sum := sha256.New()
	for off := int64(0); off < size; {
		w := c.window(off)
		w = w[:min(len(w), 256<<10)]
		n, err := io.ReadFull(r, w)
		off += int64(n)
		if err != nil {
			c.release()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("%w: %d of %d bytes of %q came", ErrShort, off, size, path)
			}
			return Info{}, false, err
		}
		sum.Write(w)
	}
	c.sha256 = hex.EncodeToString(sum.Sum(nil))
	c.mtime = s.now()

	s.mu.Lock()
	if err := s.admitLocked(path, onlyNew); err != nil {
		s.mu.Unlock()
		c.release()
		return Info{}, false, err
	}
	old := s.files[path]
	s.files[path] = c
	info = c.info(path)
	s.mu.Unlock()
	if old != nil {
		old.release()
	}
	return info, old != nil, nil
}

func (s *Store) admit(path string, onlyNew bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitLocked(path, onlyNew)
}

func (s *Store) admitLocked(path string, onlyNew bool) error {
	if _, ok := s.files[path]; ok {
		if onlyNew {
			return fmt.Errorf("file %q: %w", path, host.ErrExists)
		}
		return nil
	}
	if len(s.files) >= MaxFiles {
		return fmt.Errorf("file %q: %w files, the store holds %d", path, host.ErrTooMany, MaxFiles)
	}
	for i, c := range path {
		if c == '/' {
			if _, ok := s.files[path[:i]]; ok {
				return fmt.Errorf("file %q: %w: %q is a file", path, ErrConflict, path[:i])
			}
		}
	}
	for p := range s.files {
		if strings.HasPrefix(p, path) && p[len(path)] == '/' {
			return fmt.Errorf("file %q: %w: %q is below it", path, ErrConflict, p)
		}
	}
	return nil
}

// take gets memory for the whole size.
func (s *Store) take(path string, size int64) (*content, error) {
	c := &content{store: s, size: size}
	c.refs.Store(1)
	if s.small(size) {
		c.heap = make([]byte, size)
		return c, nil
	}
	s.filling.Lock() // chunks are zeroed: the store stays open to others meanwhile
	defer s.filling.Unlock()
	tooLarge := func() error {
		return fmt.Errorf("file %q of %d bytes %w: %d bytes are free", path, size, ErrTooLarge, s.Free())
	}
	if uint64(size) > s.Free() {
		return nil, tooLarge()
	}
	n := (size + host.ChunkSize - 1) / host.ChunkSize
	c.chunks = make([]host.Chunk, 0, n)
	for range n {
		ch, err := s.mem.Alloc()
		if err != nil {
			for _, ch := range c.chunks {
				ch.Release()
			}
			return nil, fmt.Errorf("%w (%w)", tooLarge(), err)
		}
		c.chunks = append(c.chunks, ch)
	}
	return c, nil
}

// small counts a file of size bytes among those on the Go heap, if it may be one.
func (s *Store) small(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > smallFile || s.heap+size > heapLimit {
		return false
	}
	s.heap += size
	return true
}

func (s *Store) giveBack(c *content) {
	for _, ch := range c.chunks {
		ch.Release()
	}
	if c.chunks == nil {
		s.mu.Lock()
		s.heap -= c.size
		s.mu.Unlock()
	}
}

func (c *content) info(path string) Info {
	return Info{Path: path, Bytes: c.size, SHA256: c.sha256, Modified: c.mtime}
}

// Open opens a file for reading. Errors: ErrPath, host.ErrNotFound.
func (s *Store) Open(path string) (*File, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.files[path]
	if !ok {
		return nil, fmt.Errorf("file %q: %w", path, host.ErrNotFound)
	}
	c.refs.Add(1)
	return &File{Info: c.info(path), c: c}, nil
}

// Remove removes a file's name; open Files keep the content.
func (s *Store) Remove(path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	s.mu.Lock()
	c, ok := s.files[path]
	delete(s.files, path)
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("file %q: %w", path, host.ErrNotFound)
	}
	c.release()
	return nil
}

// List gives the files whose path begins with prefix, sorted by path.
func (s *Store) List(prefix string) []Info {
	s.mu.Lock()
	out := make([]Info, 0, len(s.files))
	for p, c := range s.files {
		if strings.HasPrefix(p, prefix) {
			out = append(out, c.info(p))
		}
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return out
}
