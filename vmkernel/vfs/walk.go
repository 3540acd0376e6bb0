package vfs

import (
	"strings"
	"syscall"

	"basalt/vmkernel/sys"
)

const (
	maxName     = 255 // bytes of one name
	maxSymlinks = 40  // followed in one walk
)

// place is where a path leads: the directory, the last name, and what is there
// (nil if nothing). name is empty for a directory reached without one (".", "/").
type place struct {
	dir   *inode
	name  string
	node  *inode
	slash bool // the path ended in a slash: it must be a directory
}

// start is where a walk begins. fs.mu is held.
func (fs *FS) start(dir sys.Object, path string) (*inode, string, sys.Errno) {
	if strings.HasPrefix(path, "/") {
		return fs.root, fs.inside(path), 0
	}
	switch d := dir.(type) {
	case nil:
		return fs.cwd, path, 0
	case *directory:
		return d.inode, path, 0
	}
	return nil, "", syscall.ENOTDIR
}

// inside takes the mount prefix off an absolute path.
func (fs *FS) inside(path string) string {
	if fs.prefix == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, fs.prefix); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// ending says what happens to a symbolic link at the end of a path.
type ending int

const (
	// stay leaves it, unless a slash comes after it (lstat, open with O_NOFOLLOW).
	stay ending = iota
	// follow goes where it leads (stat, open).
	follow
	// entry leaves it in any case: the call is about the name (mkdir, unlink,
	// rename).
	entry
)

// ends is follow or stay.
func ends(following bool) ending {
	if following {
		return follow
	}
	return stay
}

// walk finds a path. A missing last component is no error here. fs.mu is held.
func (fs *FS) walk(dir sys.Object, path string, end ending) (place, sys.Errno) {
	if path == "" {
		return place{}, syscall.ENOENT
	}
	at, rest, err := fs.start(dir, path)
	if err != 0 {
		return place{}, err
	}
	links := 0
	p := place{dir: at, node: at}
	for {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			return p, 0
		}
		name, tail, _ := strings.Cut(rest, "/")
		last := strings.Trim(tail, "/") == ""
		slash := last && len(name) < len(rest)
		if at.kind != syscall.S_IFDIR {
			return place{}, syscall.ENOTDIR
		}
		if at.nlink == 0 {
			return place{}, syscall.ENOENT
		}
		if len(name) > maxName {
			return place{}, syscall.ENAMETOOLONG
		}
		p = place{dir: at, slash: slash}
		switch name {
		case ".":
			p.node = at
		case "..":
			p.dir, p.node = at.parent, at.parent
		default:
			p.name = name
			if e := at.names[name]; e != nil {
				p.node = e.node
			}
		}
		switch {
		case p.node == nil && last:
			return p, 0
		case p.node == nil:
			return place{}, syscall.ENOENT
		case p.node.kind == syscall.S_IFLNK && (!last || end == follow || slash && end == stay):
			if links++; links > maxSymlinks {
				return place{}, syscall.ELOOP
			}
			rest = p.node.target + "/" + tail
			if last && !slash {
				rest = p.node.target
			}
			if strings.HasPrefix(rest, "/") {
				at, rest = fs.root, fs.inside(rest)
			}
			p = place{dir: at, node: at}
		case last:
			if slash && p.node.kind != syscall.S_IFDIR && end != entry {
				return place{}, syscall.ENOTDIR
			}
			return p, 0
		default:
			at, rest = p.node, tail
		}
	}
}

// lookup is walk for what must be there.
func (fs *FS) lookup(dir sys.Object, path string, end ending) (*inode, sys.Errno) {
	p, err := fs.walk(dir, path, end)
	if err == 0 && p.node == nil {
		err = syscall.ENOENT
	}
	return p.node, err
}

// pathOf gives the path of a directory. fs.mu is held.
func (fs *FS) pathOf(d *inode) string {
	path := ""
	for d != fs.root {
		name := ""
		for _, e := range d.parent.names {
			if e.node == d {
				name = e.name
				break
			}
		}
		path = "/" + name + path
		d = d.parent
	}
	if fs.prefix+path == "" {
		return "/"
	}
	return fs.prefix + path
}
