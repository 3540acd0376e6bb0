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
	Used     int64  // memory that it takes, in bytes; less than Bytes if it has holes
	SHA256   string // lower-case hexadecimal; empty for an image that a machine may have written to
	Modified time.Time
	Users    []string // names of the machines that have it open as a disk, or are suspended with it
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
// host.ErrInUse for a disk of a machine, and what r returned.
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
		w, from := c.window(off), off
		for len(w) > 0 {
			part := w[:min(len(w), 256<<10)]
			n, err := io.ReadFull(r, part)
			off += int64(n)
			if err != nil {
				c.release()
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					err = fmt.Errorf("%w: %d of %d bytes of %q came", ErrShort, off, size, path)
				}
				return Info{}, false, err
			}
			sum.Write(part)
			w = w[len(part):]
		}
		if c.img != nil { // raw images of disks have long holes
			c.img.Trim(from, off-from)
		}
	}
	c.sha256 = hex.EncodeToString(sum.Sum(nil))
	return s.enter(path, c, onlyNew)
}

// enter gives c the name path.
func (s *Store) enter(path string, c *content, onlyNew bool) (info Info, replaced bool, err error) {
	return s.enterWith(path, c, onlyNew, func() error { return nil })
}

// enterWith is enter with more to be done in the same step; with s.mu held, also is called
// when nothing else can fail any more.
func (s *Store) enterWith(path string, c *content, onlyNew bool, also func() error) (info Info, replaced bool, err error) {
	c.mtime = s.now()
	s.mu.Lock()
	err = s.admitLocked(path, onlyNew)
	if err == nil {
		err = also()
	}
	if err != nil {
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
	if c, ok := s.files[path]; ok {
		if onlyNew {
			return fmt.Errorf("file %q: %w", path, host.ErrExists)
		}
		return c.usable(path)
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

// info describes c; s.mu is held.
func (c *content) info(path string) Info {
	i := Info{Path: path, Bytes: c.size(), SHA256: c.sha256, Modified: c.mtime, Used: int64(len(c.heap))}
	if c.img != nil {
		i.Used = c.img.Used()
	}
	for _, d := range c.users {
		i.Users = append(i.Users, d.user)
	}
	for _, x := range c.claims {
		if !slices.Contains(i.Users, x.user) {
			i.Users = append(i.Users, x.user)
		}
	}
	return i
}

// Open opens a file for reading; nobody can write to it meanwhile. Errors:
// ErrPath, host.ErrNotFound, host.ErrInUse while a machine may write to it.
func (s *Store) Open(path string) (*File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find(path)
	if err != nil {
		return nil, err
	}
	for _, d := range c.users {
		if !d.readOnly {
			return nil, inUse(path, d.user+", which may write to it")
		}
	}
	c.refs.Add(1)
	c.readers++
	return &File{Info: c.info(path), c: c, heap: c.heap, img: c.img}, nil
}

// find gives the content of a name; s.mu is held. Errors: ErrPath,
// host.ErrNotFound.
func (s *Store) find(path string) (*content, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	c, ok := s.files[path]
	if !ok {
		return nil, fmt.Errorf("file %q: %w", path, host.ErrNotFound)
	}
	return c, nil
}

// Remove removes a file's name; open Files keep the content. Errors: ErrPath,
// host.ErrNotFound, host.ErrInUse for a disk of a machine.
func (s *Store) Remove(path string) error {
	s.mu.Lock()
	c, err := s.find(path)
	if err == nil {
		err = c.usable(path)
	}
	if err == nil {
		delete(s.files, path)
	}
	s.mu.Unlock()
	if err == nil {
		c.release()
	}
	return err
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
