package vfs

import (
	"syscall"

	"basalt/vmkernel/sys"
)

// Flags of renameat2(2).
const (
	renameNoReplace = 1
	renameExchange  = 2
)

// Mkdir implements sys.FileSystem.
func (fs *FS) Mkdir(dir sys.Object, path string, mode uint32) sys.Errno {
	return fs.mkdir(dir, path, mode&^umask)
}

func (fs *FS) mkdir(dir sys.Object, path string, mode uint32) sys.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	p, err := fs.walk(dir, path, entry)
	if err != 0 {
		return err
	}
	if p.node != nil {
		return syscall.EEXIST
	}
	n, err := fs.newInode(syscall.S_IFDIR, mode)
	if err != 0 {
		return err
	}
	p.dir.add(p.name, n)
	return 0
}

// Unlink implements sys.FileSystem.
func (fs *FS) Unlink(dir sys.Object, path string, isDir bool) sys.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	p, err := fs.walk(dir, path, entry)
	switch {
	case err != 0:
		return err
	case p.node == nil:
		return syscall.ENOENT
	case !isDir && p.node.kind == syscall.S_IFDIR:
		return syscall.EISDIR
	case p.slash && p.node.kind != syscall.S_IFDIR:
		return syscall.ENOTDIR
	case isDir && p.node.kind != syscall.S_IFDIR:
		return syscall.ENOTDIR
	case p.name == "" && p.node == fs.root:
		return syscall.EBUSY
	case p.name == "":
		return syscall.EINVAL // "."
	case isDir && len(p.node.names) > 0:
		return syscall.ENOTEMPTY
	}
	p.dir.remove(p.name)
	return 0
}

// Rename implements sys.FileSystem.
func (fs *FS) Rename(fromDir sys.Object, from string, toDir sys.Object, to string, flags int) sys.Errno {
	if flags&^(renameNoReplace|renameExchange) != 0 || flags == renameNoReplace|renameExchange {
		return syscall.EINVAL
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	src, err := fs.walk(fromDir, from, entry)
	if err != 0 {
		return err
	}
	dst, err := fs.walk(toDir, to, entry)
	if err != 0 {
		return err
	}
	switch {
	case src.node == nil:
		return syscall.ENOENT
	case src.name == "" || dst.name == "" && dst.node != nil:
		return syscall.EBUSY
	case dst.node != nil && flags&renameNoReplace != 0:
		return syscall.EEXIST
	case dst.node == nil && flags&renameExchange != 0:
		return syscall.ENOENT
	case src.slash && src.node.kind != syscall.S_IFDIR:
		return syscall.ENOTDIR
	case src.node == dst.node:
		return 0
	case dst.slash && src.node.kind != syscall.S_IFDIR:
		return syscall.ENOTDIR
	case src.node.kind == syscall.S_IFDIR && within(dst.dir, src.node):
		return syscall.EINVAL
	case dst.node != nil && within(src.dir, dst.node) && dst.node.kind == syscall.S_IFDIR:
		if flags&renameExchange != 0 {
			return syscall.EINVAL
		}
		return syscall.ENOTEMPTY
	}
	if flags&renameExchange != 0 {
		a, b := src.node, dst.node
		// Hold both while they have no name.
		a.refs.Add(1)
		b.refs.Add(1)
		src.dir.remove(src.name)
		dst.dir.remove(dst.name)
		src.dir.add(src.name, b)
		dst.dir.add(dst.name, a)
		a.refs.Add(-1)
		b.refs.Add(-1)
		return 0
	}
	if dst.node != nil {
		switch {
		case src.node.kind == syscall.S_IFDIR && dst.node.kind != syscall.S_IFDIR:
			return syscall.ENOTDIR
		case src.node.kind != syscall.S_IFDIR && dst.node.kind == syscall.S_IFDIR:
			return syscall.EISDIR
		case len(dst.node.names) > 0:
			return syscall.ENOTEMPTY
		}
		dst.dir.remove(dst.name)
	}
	n := src.node
	n.refs.Add(1)
	src.dir.remove(src.name)
	dst.dir.add(dst.name, n)
	n.refs.Add(-1)
	return 0
}

// within says whether d is dir or below it.
func within(d, dir *inode) bool {
	for {
		if d == dir {
			return true
		}
		if d.parent == d || d.parent == nil {
			return false
		}
		d = d.parent
	}
}

// Link implements sys.FileSystem.
func (fs *FS) Link(fromDir sys.Object, from string, toDir sys.Object, to string, following bool) sys.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, err := fs.lookup(fromDir, from, ends(following))
	if err != 0 {
		return err
	}
	p, err := fs.walk(toDir, to, entry)
	switch {
	case err != 0:
		return err
	case p.node != nil:
		return syscall.EEXIST
	case n.kind == syscall.S_IFDIR:
		return syscall.EPERM
	case p.slash:
		return syscall.ENOENT
	}
	p.dir.add(p.name, n)
	return 0
}

// Symlink implements sys.FileSystem.
func (fs *FS) Symlink(target string, dir sys.Object, path string) sys.Errno {
	if target == "" {
		return syscall.ENOENT
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	p, err := fs.walk(dir, path, entry)
	switch {
	case err != 0:
		return err
	case p.node != nil:
		return syscall.EEXIST
	case p.slash:
		return syscall.ENOENT
	}
	n, err := fs.newInode(syscall.S_IFLNK, 0o777)
	if err != 0 {
		return err
	}
	n.target = target
	p.dir.add(p.name, n)
	return 0
}

// Readlink implements sys.FileSystem.
func (fs *FS) Readlink(dir sys.Object, path string) (string, sys.Errno) {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	if f, ok := dir.(*file); ok && path == "" && f.kind == syscall.S_IFLNK {
		return f.target, 0
	}
	n, err := fs.lookup(dir, path, stay)
	if err != 0 {
		return "", err
	}
	if n.kind != syscall.S_IFLNK {
		return "", syscall.EINVAL
	}
	return n.target, 0
}
