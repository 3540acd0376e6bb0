package files

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"basalt/drivers/blockio"
	"basalt/drivers/blockio/imagedisk"
	"basalt/drivers/blockio/nulldisk"
	"basalt/vmkernel/host"
)

func inUse(path, who string) error {
	return fmt.Errorf("file %q is %w by virtual machine %s", path, host.ErrInUse, who)
}

// usable says whether the name of c may be removed or given away; store.mu is held.
func (c *content) usable(path string) error {
	if len(c.users) > 0 {
		return inUse(path, c.users[0].user)
	}
	if len(c.claims) > 0 {
		return inUse(path, c.claims[0].user+", which is suspended")
	}
	return nil
}

// Disk is an image that a machine has open. It implements host.Disk.
type Disk struct {
	*imagedisk.Disk
	c        *content // nil for one without a name
	img      *imagedisk.Image
	user     string
	readOnly bool
	once     sync.Once
}

var _ host.Disk = (*Disk)(nil)

// Create makes an image of size zeroes that takes no memory. Errors: ErrPath,
// ErrConflict, host.ErrDiskSize, host.ErrExists, host.ErrTooMany.
func (s *Store) Create(path string, size int64) (Info, error) {
	if err := CheckPath(path); err != nil {
		return Info{}, err
	}
	if err := imagedisk.CheckSize(size); err != nil {
		return Info{}, err
	}
	img, err := imagedisk.New(size, s.chunk)
	if err != nil {
		return Info{}, err
	}
	c := &content{store: s, img: img}
	c.refs.Store(1)
	info, _, err := s.enter(path, c, true)
	return info, err
}

// sparseFrom is the size in bytes from which Bring looks for holes.
const sparseFrom = 64 << 20

// Bring stores what a boot loader brought: as Put does, but a large one that can be
// a disk becomes an image with holes where it has zeroes, and its SHA-256 is not
// computed, which would keep a host from starting for as long as everything else
// together. Errors are those of Put.
func (s *Store) Bring(path string, b []byte) error {
	if len(b) < sparseFrom || imagedisk.CheckSize(int64(len(b))) != nil {
		_, _, err := s.Put(path, bytes.NewReader(b), int64(len(b)), true)
		return err
	}
	if _, err := s.Create(path, int64(len(b))); err != nil {
		return err
	}
	d, err := s.OpenDisk(path, path, "", false)
	if err != nil {
		return err
	}
	err = fill(d, b)
	if err = errors.Join(err, d.Close()); err != nil {
		return errors.Join(fmt.Errorf("file %q: %w", path, err), s.Remove(path))
	}
	return nil
}

// fill writes every page of b that is not all zeroes to an empty disk.
func fill(d blockio.Disk, b []byte) error {
	w := blockio.NewWaiter()
	zero := make([]byte, imagedisk.PageSize)
	most := int(min(d.Info().MaxTransfer, 1<<20))
	for at := 0; at < len(b); {
		end := at
		for end < len(b) && end-at < most {
			page := b[end:min(end+imagedisk.PageSize, len(b))]
			if bytes.Equal(page, zero[:len(page)]) {
				break
			}
			end += len(page)
		}
		if end > at {
			r := blockio.Request{Op: blockio.Write, Offset: int64(at), Length: int64(end - at), Bufs: [][]byte{b[at:end]}}
			if err := w.Do(d, []*blockio.Request{&r}); err != nil {
				return err
			}
			at = end
			continue
		}
		at = min(at+imagedisk.PageSize, len(b))
	}
	return nil
}

// OpenDisk opens an image as the disk name of the machine user, which may only
// read it if readOnly is set. Errors: ErrPath, host.ErrNotFound, host.ErrDiskSize,
// host.ErrInUse.
func (s *Store) OpenDisk(path, name, user string, readOnly bool) (*Disk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find(path)
	if err != nil {
		return nil, err
	}
	if err := imagedisk.CheckSize(c.size()); err != nil {
		return nil, fmt.Errorf("file %q: %w", path, err)
	}
	for _, d := range c.users {
		if !readOnly || !d.readOnly {
			return nil, inUse(path, d.user)
		}
	}
	for _, x := range c.claims {
		if x.user != user && !(readOnly && x.readOnly) {
			return nil, inUse(path, x.user+", which is suspended")
		}
	}
	if !readOnly && c.readers > 0 {
		return nil, fmt.Errorf("file %q is %w: it is being read", path, host.ErrInUse)
	}
	if c.img == nil {
		if err := s.enlarge(c); err != nil {
			return nil, fmt.Errorf("file %q: %w", path, err)
		}
	}
	d := &Disk{c: c, img: c.img, user: user, readOnly: readOnly}
	if d.Disk, err = imagedisk.Open(name, c.img, readOnly); err != nil {
		return nil, err
	}
	if !readOnly {
		c.sha256 = ""
	}
	c.refs.Add(1)
	c.users = append(c.users, d)
	return d, nil
}

// enlarge makes an image of a small file; those who read it go on with the old
// bytes, which are the same. s.mu is held.
func (s *Store) enlarge(c *content) error {
	img, err := imagedisk.New(int64(len(c.heap)), s.chunk)
	if err == nil {
		err = img.Take()
	}
	if err != nil {
		return err
	}
	copy(img.Window(0), c.heap)
	s.heap -= int64(len(c.heap))
	c.heap, c.img = nil, img
	return nil
}

// Scratch makes a disk of zeroes that is not in the store and gives its memory
// back when it is closed. Errors: host.ErrDiskSize.
func (s *Store) Scratch(name string, size int64) (*Disk, error) {
	img, err := imagedisk.New(size, s.chunk)
	if err != nil {
		return nil, err
	}
	d := &Disk{img: img}
	if d.Disk, err = imagedisk.Open(name, img, false); err != nil {
		return nil, err
	}
	return d, nil
}

// Close implements blockio.Disk. It ends the machine's use of the image.
func (d *Disk) Close() error {
	err := d.Disk.Close()
	d.once.Do(func() {
		if d.c == nil {
			d.img.Free()
			return
		}
		s := d.c.store
		s.mu.Lock()
		d.c.users = slices.DeleteFunc(d.c.users, func(o *Disk) bool { return o == d })
		if !d.readOnly {
			d.c.mtime = s.now()
		}
		s.mu.Unlock()
		d.c.release()
	})
	return err
}

// Resize changes the size of an image that nobody has open. Errors: ErrPath,
// host.ErrNotFound, host.ErrInUse, host.ErrDiskSize, host.ErrCut.
func (s *Store) Resize(path string, size int64, cut bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find(path)
	if err != nil {
		return err
	}
	if err := c.usable(path); err != nil {
		return err
	}
	if c.readers > 0 {
		return fmt.Errorf("file %q is %w: it is being read", path, host.ErrInUse)
	}
	if err := imagedisk.CheckSize(size); err != nil {
		return err
	}
	if c.img == nil {
		if err := s.enlarge(c); err != nil {
			return err
		}
	}
	if err := c.img.Resize(size, cut); err != nil {
		return fmt.Errorf("file %q %w", path, err)
	}
	c.sha256, c.mtime = "", s.now()
	return nil
}

// Null is a disk of kind host.DiskNull.
type Null struct{ *nulldisk.Disk }

// NewNull makes one of size bytes. Errors wrap blockio.ErrBadInfo.
func NewNull(name string, size int64) (Null, error) {
	d, err := nulldisk.New(name, size, imagedisk.BlockSize)
	return Null{d}, err
}

// Resize implements host.Disk: a null disk keeps its size while it is open.
func (Null) Resize(int64, bool) error {
	return fmt.Errorf("resizing a null disk while it is open is %w", host.ErrUnsupported)
}

var (
	_ host.Disk    = Null{}
	_ blockio.Disk = Null{}
)
