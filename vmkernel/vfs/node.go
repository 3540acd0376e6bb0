package vfs

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"basalt/vmkernel/sys"
)

// inode is one file, directory, symbolic link or device.
type inode struct {
	fs   *FS
	ino  uint64
	kind uint32 // syscall.S_IF*

	// Guarded by fs.mu.
	nlink   int
	parent  *inode // of a directory; itself for the root
	names   map[string]*dirent
	list    []*dirent // in order of seq; removed ones stay until compacted
	lastSeq int64
	target  string // of a symbolic link
	device  device

	refs  atomic.Int64 // handles and mappings
	locks flocks

	mu       sync.RWMutex
	perm     uint32 // permission bits with set-id and sticky
	uid, gid uint32
	atime    time.Time
	mtime    time.Time
	ctime    time.Time
	content  content
}

// dirent is one name in a directory.
type dirent struct {
	name    string
	node    *inode
	seq     int64 // position for getdents
	removed bool
}

// newInode makes a node without a name; the budget pays for it. fs.mu is held.
func (fs *FS) newInode(kind, perm uint32) (*inode, sys.Errno) {
	if err := fs.budget.take(nodeCost); err != 0 {
		return nil, err
	}
	fs.lastIno++
	now := time.Now()
	n := &inode{fs: fs, ino: fs.lastIno, kind: kind, perm: perm & 0o7777, atime: now, mtime: now, ctime: now}
	if kind == syscall.S_IFDIR {
		n.names = map[string]*dirent{}
		n.lastSeq = 2 // "." and ".."
	}
	return n, 0
}

// add puts node into directory d as name. fs.mu is held.
func (d *inode) add(name string, node *inode) {
	d.lastSeq++
	e := &dirent{name: name, node: node, seq: d.lastSeq}
	d.names[name] = e
	d.list = append(d.list, e)
	node.nlink++
	if node.kind == syscall.S_IFDIR {
		node.parent = d
		node.nlink++ // its own "."
		d.nlink++    // its ".."
	}
	d.touch()
}

// remove takes name out of directory d. fs.mu is held.
func (d *inode) remove(name string) {
	e := d.names[name]
	delete(d.names, name)
	e.removed = true
	if len(d.list) > 2*len(d.names)+16 {
		keep := d.list[:0:0]
		for _, o := range d.list {
			if !o.removed {
				keep = append(keep, o)
			}
		}
		d.list = keep
	}
	node := e.node
	node.nlink--
	if node.kind == syscall.S_IFDIR {
		node.nlink--
		d.nlink--
	}
	d.touch()
	node.mu.Lock()
	node.ctime = time.Now()
	node.mu.Unlock()
	node.drop()
}

// touch notes a change of a directory.
func (d *inode) touch() {
	d.mu.Lock()
	d.mtime = time.Now()
	d.ctime = d.mtime
	d.mu.Unlock()
}

// drop frees the node if no name, handle or mapping is left. fs.mu is held.
func (n *inode) drop() {
	if n.nlink > 0 || n.refs.Load() > 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.content.free(n.fs)
	n.fs.budget.give(nodeCost)
}

// unref takes one handle or mapping away. The count falls under the lock under which
// names go: only one of the two is the last.
func (n *inode) unref() {
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	n.refs.Add(-1)
	n.drop()
}

// Release implements sys.Object for what Lookup gives.
func (n *inode) Release() {}

// Stat implements sys.Stater.
func (n *inode) Stat(st *syscall.Stat_t) sys.Errno {
	n.fs.mu.RLock()
	nlink, target := n.nlink, len(n.target)
	n.fs.mu.RUnlock()
	n.mu.RLock()
	defer n.mu.RUnlock()
	*st = syscall.Stat_t{
		Dev: 1, Ino: n.ino, Nlink: uint64(nlink), Mode: n.kind | n.perm, Uid: n.uid, Gid: n.gid,
		Size: n.content.size, Blksize: pageSize, Blocks: n.content.blocks(),
		Atim: syscall.NsecToTimespec(n.atime.UnixNano()),
		Mtim: syscall.NsecToTimespec(n.mtime.UnixNano()),
		Ctim: syscall.NsecToTimespec(n.ctime.UnixNano()),
	}
	switch n.kind {
	case syscall.S_IFDIR:
		st.Size = pageSize
	case syscall.S_IFLNK:
		st.Size = int64(target)
	case syscall.S_IFCHR:
		st.Rdev = n.device.number()
	}
	return 0
}

// tmpfsMagic is what statfs calls a file system in memory.
const tmpfsMagic = 0x01021994

// Statfs implements sys.FSStater.
func (n *inode) Statfs(st *syscall.Statfs_t) sys.Errno {
	b := &n.fs.budget
	free := max(b.limit-b.used.Load(), 0)
	*st = syscall.Statfs_t{
		Type: tmpfsMagic, Bsize: pageSize, Frsize: pageSize, Namelen: maxName,
		Blocks: uint64(b.limit / pageSize), Bfree: uint64(free / pageSize), Bavail: uint64(free / pageSize),
		Files: uint64(b.limit / nodeCost), Ffree: uint64(free / nodeCost),
	}
	return 0
}

// Chmod implements sys.Attributes.
func (n *inode) Chmod(mode uint32) sys.Errno {
	if n.kind == syscall.S_IFLNK {
		return syscall.EOPNOTSUPP
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.perm, n.ctime = mode&0o7777, time.Now()
	return 0
}

// Chown implements sys.Attributes.
func (n *inode) Chown(uid, gid int) sys.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	if uid >= 0 {
		n.uid = uint32(uid)
	}
	if gid >= 0 {
		n.gid = uint32(gid)
	}
	n.ctime = time.Now()
	return 0
}

// Utimes implements sys.Attributes.
func (n *inode) Utimes(t [2]syscall.Timespec) sys.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for i, at := range []*time.Time{&n.atime, &n.mtime} {
		switch {
		case sys.Omit(t[i]):
		case sys.Now(t[i]):
			*at = now
		case t[i].Nsec < 0 || t[i].Nsec > 999_999_999:
			return syscall.EINVAL
		default:
			*at = time.Unix(t[i].Unix())
		}
	}
	n.ctime = now
	return 0
}
