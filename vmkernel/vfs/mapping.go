package vfs

import (
	"syscall"

	"basalt/vmkernel/sys"
)

// mapping is one range of addresses that mmap gave out.
type mapping struct {
	node *inode
	size uintptr
}

// Map implements sys.Mapper.
func (f *file) Map(off int64, n int, prot, flags int) (uintptr, sys.Errno) {
	if !f.readable() {
		return 0, syscall.EACCES
	}
	write := prot&syscall.PROT_WRITE != 0
	if prot&syscall.PROT_EXEC != 0 || flags&syscall.MAP_FIXED != 0 {
		return 0, syscall.EPERM
	}
	if write && flags&syscall.MAP_SHARED == 0 {
		return 0, syscall.ENODEV // a private copy
	}
	if write && !f.writable() {
		return 0, syscall.EACCES
	}
	if off > maxFile || n > maxFile {
		return 0, syscall.ENOMEM
	}
	i := f.inode
	i.mu.Lock()
	defer i.mu.Unlock()
	c := &i.content
	end := off + int64(n)
	if err := c.moveToWindow(i.fs, end); err != 0 {
		return 0, syscall.ENOMEM
	}
	if err := c.charge(i.fs, off, min(end, c.size)); err != 0 {
		return 0, syscall.ENOMEM
	}
	addr := sys.Address(c.buf[off:])
	c.maps++
	i.refs.Add(1)
	i.fs.mapMu.Lock()
	defer i.fs.mapMu.Unlock()
	i.fs.maps[addr] = append(i.fs.maps[addr], mapping{i, uintptr(n+pageSize-1) &^ (pageSize - 1)})
	return addr, 0
}

// find gives the mapping at addr and how many share it. fs.mapMu is held.
func (fs *FS) find(addr uintptr) (m mapping, ok bool) {
	list := fs.maps[addr]
	if len(list) == 0 {
		return m, false
	}
	return list[len(list)-1], true
}

// Unmap implements sys.FileSystem. Only whole mappings can be taken away.
func (fs *FS) Unmap(addr, n uintptr) (sys.Errno, bool) {
	fs.mapMu.Lock()
	m, ok := fs.find(addr)
	if !ok {
		fs.mapMu.Unlock()
		return 0, false
	}
	if size := (n + pageSize - 1) &^ (pageSize - 1); size != m.size {
		list := fs.maps[addr]
		ok = false
		for i := range list {
			if list[i].size == size {
				list[i], list[len(list)-1], m, ok = list[len(list)-1], list[i], list[i], true
				break
			}
		}
		if !ok {
			fs.mapMu.Unlock()
			return syscall.EINVAL, true
		}
	}
	if list := fs.maps[addr]; len(list) == 1 {
		delete(fs.maps, addr)
	} else {
		fs.maps[addr] = list[:len(list)-1]
	}
	fs.mapMu.Unlock()
	m.node.mu.Lock()
	m.node.content.maps--
	m.node.mu.Unlock()
	m.node.unref()
	return 0, true
}

// SyncMap implements sys.FileSystem.
func (fs *FS) SyncMap(addr, _ uintptr) (sys.Errno, bool) {
	fs.mapMu.Lock()
	defer fs.mapMu.Unlock()
	_, ok := fs.find(addr)
	return 0, ok
}
