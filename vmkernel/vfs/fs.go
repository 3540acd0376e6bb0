package vfs

import (
	"strings"
	"sync"
	"syscall"

	"basalt/vmkernel/sys"
)

// Flags of open(2) that package syscall lacks.
const (
	oPath    = 0x200000
	oTmpfile = 0x400000 | syscall.O_DIRECTORY
)

const umask = 0o022

// Config is what a file system needs. Zero fields take defaults.
type Config struct {
	// Bytes is the budget, 64 MiB by default.
	Bytes int64
	// Alloc gives windows; by default they are anonymous mappings of the trap.
	Alloc Allocator
	// Random fills p for /dev/urandom; by default the trap's getrandom.
	Random func(p []byte)
	// Prefix mounts the tree at a path such as "/vfs", so that tests can have the
	// real file system beside it. Empty: the tree is all there is.
	Prefix string
}

// FS is one file system.
type FS struct {
	alloc  Allocator
	budget budget
	prefix string

	mu      sync.RWMutex
	root    *inode
	cwd     *inode
	inCwd   bool // the process's working directory is in this file system
	lastIno uint64

	mapMu sync.Mutex
	maps  map[uintptr][]mapping
}

var _ sys.FileSystem = (*FS)(nil)

// New makes a file system with /dev, /etc, /proc and /tmp.
func New(c Config) (*FS, error) {
	if c.Bytes <= 0 {
		c.Bytes = 64 << 20
	}
	if c.Alloc == nil {
		c.Alloc = trapMemory{}
	}
	if c.Random == nil {
		c.Random = sys.Random
	}
	fs := &FS{alloc: c.Alloc, budget: budget{limit: c.Bytes}, prefix: strings.TrimSuffix(c.Prefix, "/"), maps: map[uintptr][]mapping{}}
	root, err := fs.newInode(syscall.S_IFDIR, 0o755)
	if err != 0 {
		return nil, err
	}
	root.parent, root.nlink = root, 2
	fs.root, fs.cwd, fs.inCwd = root, root, fs.prefix == ""
	for _, d := range []struct {
		name string
		mode uint32
	}{{"/dev", 0o755}, {"/etc", 0o755}, {"/proc", 0o555}, {"/tmp", 0o1777}} {
		if err := fs.mkdir(nil, fs.prefix+d.name, d.mode); err != 0 {
			return nil, err
		}
	}
	for name, dev := range devices(c.Random) {
		if err := fs.addDevice("/dev/"+name, syscall.S_IFCHR, 0o666, dev); err != 0 {
			return nil, err
		}
	}
	// What package net and the runtime of a program ask Linux for.
	for name, text := range map[string]string{
		"/proc/sys/net/core/somaxconn":     "4096\n",
		"/proc/sys/kernel/osrelease":       "6.1.0-basalt\n",
		"/proc/sys/fs/file-max":            "65536\n",
		"/etc/nsswitch.conf":               "hosts: files dns\n",
		"/proc/sys/net/ipv4/tcp_keepalive": "7200\n",
	} {
		if err := fs.Generate(name, func() []byte { return []byte(text) }); err != nil {
			return nil, err
		}
	}
	return fs, nil
}

// Generate adds a read-only file whose text is made at each open. Missing
// directories are made.
func (fs *FS) Generate(path string, text func() []byte) error {
	for i, c := range path {
		if i > 0 && c == '/' {
			if err := fs.mkdir(nil, fs.prefix+path[:i], 0o755); err != 0 && err != syscall.EEXIST {
				return err
			}
		}
	}
	if err := fs.addDevice(path, syscall.S_IFREG, 0o444, &generated{text}); err != 0 {
		return err
	}
	return nil
}

func (fs *FS) addDevice(path string, kind, perm uint32, dev device) sys.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	p, err := fs.walk(nil, fs.prefix+path, entry)
	if err != 0 {
		return err
	}
	if p.node != nil {
		return syscall.EEXIST
	}
	n, err := fs.newInode(kind, perm)
	if err != 0 {
		return err
	}
	n.device = dev
	p.dir.add(p.name, n)
	return 0
}

// Used and Limit are the budget in bytes.
func (fs *FS) Used() int64  { return fs.budget.used.Load() }
func (fs *FS) Limit() int64 { return fs.budget.limit }

// Owns implements sys.FileSystem.
func (fs *FS) Owns(dir sys.Object, path string) bool {
	if fs.prefix == "" {
		return true
	}
	if strings.HasPrefix(path, "/") {
		rest, ok := strings.CutPrefix(path, fs.prefix)
		return ok && (rest == "" || rest[0] == '/')
	}
	if dir != nil {
		return true
	}
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	return fs.inCwd
}

// Open implements sys.FileSystem.
func (fs *FS) Open(dir sys.Object, path string, flags int, mode uint32) (sys.Object, sys.Errno) {
	if flags&oTmpfile == oTmpfile {
		return nil, syscall.EOPNOTSUPP
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	following := flags&syscall.O_NOFOLLOW == 0 && flags&(syscall.O_CREAT|syscall.O_EXCL) != syscall.O_CREAT|syscall.O_EXCL
	p, err := fs.walk(dir, path, ends(following))
	if err != 0 {
		return nil, err
	}
	n := p.node
	if n == nil {
		if flags&syscall.O_CREAT == 0 {
			return nil, syscall.ENOENT
		}
		if p.slash {
			return nil, syscall.EISDIR
		}
		if n, err = fs.newInode(syscall.S_IFREG, mode&^umask); err != 0 {
			return nil, err
		}
		p.dir.add(p.name, n)
		return open(n, flags), 0
	}
	if flags&syscall.O_CREAT != 0 && flags&syscall.O_EXCL != 0 {
		return nil, syscall.EEXIST
	}
	access := flags & syscall.O_ACCMODE
	switch {
	case flags&oPath != 0:
		if flags&syscall.O_DIRECTORY != 0 && n.kind != syscall.S_IFDIR {
			return nil, syscall.ENOTDIR
		}
		return open(n, flags), 0
	case n.kind == syscall.S_IFLNK:
		if flags&syscall.O_DIRECTORY != 0 {
			return nil, syscall.ENOTDIR
		}
		return nil, syscall.ELOOP
	case n.kind == syscall.S_IFDIR:
		if access != syscall.O_RDONLY || flags&syscall.O_CREAT != 0 {
			return nil, syscall.EISDIR
		}
	case flags&syscall.O_DIRECTORY != 0:
		return nil, syscall.ENOTDIR
	case n.kind == syscall.S_IFREG && n.device != nil && access != syscall.O_RDONLY:
		return nil, syscall.EACCES
	}
	if flags&syscall.O_TRUNC != 0 && n.kind == syscall.S_IFREG && access != syscall.O_RDONLY {
		if err := n.truncate(0); err != 0 {
			return nil, err
		}
	}
	return open(n, flags), 0
}

// open makes the handle for a node.
func open(n *inode, flags int) sys.Object {
	switch {
	case n.kind == syscall.S_IFDIR:
		d := new(directory)
		d.init(n, flags)
		return d
	case n.device != nil && flags&oPath == 0:
		return n.device.open(n, flags)
	}
	f := new(file)
	f.init(n, flags)
	return f
}

// Lookup implements sys.FileSystem.
func (fs *FS) Lookup(dir sys.Object, path string, following bool) (sys.Object, sys.Errno) {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	n, err := fs.lookup(dir, path, ends(following))
	if err != 0 {
		return nil, err
	}
	return n, 0
}

// Access implements sys.FileSystem: root may do all but execute what nobody may.
func (fs *FS) Access(dir sys.Object, path string, mode uint32) sys.Errno {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	n, err := fs.lookup(dir, path, follow)
	if err != 0 {
		return err
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if mode&1 != 0 && n.kind == syscall.S_IFREG && n.perm&0o111 == 0 {
		return syscall.EACCES
	}
	return 0
}

// Chdir implements sys.FileSystem. An empty path means dir itself.
func (fs *FS) Chdir(dir sys.Object, path string) sys.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var n *inode
	if path == "" {
		d, ok := dir.(*directory)
		if !ok {
			return syscall.ENOTDIR
		}
		n = d.inode
	} else {
		var err sys.Errno
		if n, err = fs.lookup(dir, path, follow); err != 0 {
			return err
		}
	}
	if n.kind != syscall.S_IFDIR {
		return syscall.ENOTDIR
	}
	fs.cwd, fs.inCwd = n, true
	return 0
}

// Getcwd implements sys.FileSystem.
func (fs *FS) Getcwd() (string, bool) {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	if !fs.inCwd {
		return "", false
	}
	return fs.pathOf(fs.cwd), true
}

// Left says that the process changed its working directory outside this file
// system (tests with a Prefix).
func (fs *FS) Left() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.inCwd = fs.prefix == ""
}
