package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"
	"strings"
)

// SectorSize is the only sector size.
const SectorSize = 512

const (
	rootEntries = 512 // of the root directory
	entrySize   = 32
	mediaDisk   = 0xf8
	minFAT16    = 4085  // fewer clusters make it FAT12
	maxFAT16    = 65524 // more would make it FAT32
	dosDate     = 0x21  // 1 January 1980
)

var (
	// ErrFull is wrapped when the files do not fit.
	ErrFull = errors.New("fat: the files do not fit")
	// ErrName is wrapped when a path cannot be stored.
	ErrName = errors.New("fat: unsuitable name")
	// ErrGeometry is wrapped when no FAT12 or FAT16 has that size.
	ErrGeometry = errors.New("fat: unsuitable size")
)

// File is a file to store. Path has forward slashes and no leading one.
type File struct {
	Path string
	Data []byte
}

// layout is where everything lies, in sectors.
type layout struct {
	total, fatSectors, dataStart int
	perCluster, clusters         int
	fat16                        bool
}

const (
	reserved    = 1
	rootSectors = rootEntries * entrySize / SectorSize
)

// plan chooses the cluster size for a file system of total sectors.
func plan(total int) (layout, error) {
	for per := 1; per <= 64; per *= 2 {
		if total >= 16<<20/SectorSize && per < 4 {
			continue // fewer, larger clusters: quicker to walk for BIOS code
		}
		for _, fat16 := range []bool{false, true} {
			l := layout{total: total, perCluster: per, fat16: fat16}
			// The tables take room from the clusters that they describe.
			for l.fatSectors = 1; ; l.fatSectors++ {
				l.dataStart = reserved + 2*l.fatSectors + rootSectors
				l.clusters = (total - l.dataStart) / per
				bits := (l.clusters + 2) * 12
				if fat16 {
					bits = (l.clusters + 2) * 16
				}
				if bits <= l.fatSectors*SectorSize*8 {
					break
				}
			}
			if l.clusters >= 1 && fat16 == (l.clusters >= minFAT16) && l.clusters <= maxFAT16 {
				return l, nil
			}
		}
	}
	return layout{}, fmt.Errorf("%w: %d sectors", ErrGeometry, total)
}

type node struct {
	name     string
	data     []byte
	children []*node // nil for a file
	dir      bool
}

type writer struct {
	layout
	img  []byte
	fat  []uint16
	next int // next free cluster
}

// Build makes a file system of size bytes (a multiple of SectorSize) with a
// volume label of at most 11 characters. hidden is the number of sectors in
// front of the partition.
func Build(size int, label string, hidden uint32, files []File) ([]byte, error) {
	if size <= 0 || size%SectorSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrGeometry, size)
	}
	l, err := plan(size / SectorSize)
	if err != nil {
		return nil, err
	}
	root, err := tree(files)
	if err != nil {
		return nil, err
	}
	w := &writer{layout: l, img: make([]byte, size), fat: make([]uint16, l.clusters+2), next: 2}
	w.fat[0], w.fat[1] = 0xff00|mediaDisk, 0xffff
	entries, err := w.entries(root, 0, 0)
	if err != nil {
		return nil, err
	}
	all := append(shortEntry(pad11(label), 0x08, 0, 0), entries...)
	if len(all) > rootEntries*entrySize {
		return nil, fmt.Errorf("%w: more than %d entries in the root directory", ErrFull, rootEntries)
	}
	copy(w.img[(reserved+2*l.fatSectors)*SectorSize:], all)
	w.tables()
	serial := crc32.ChecksumIEEE(w.img)
	w.bootSector(label, serial, hidden)
	return w.img, nil
}

// tree sorts the files into directories; names are in order, so that the
// result does not depend on the order of the input.
func tree(files []File) (*node, error) {
	root := &node{dir: true}
	sorted := append([]File(nil), files...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Path < sorted[j].Path })
	for _, f := range sorted {
		at := root
		parts := strings.Split(f.Path, "/")
		for i, name := range parts {
			if err := checkName(name); err != nil {
				return nil, fmt.Errorf("%w in %q", err, f.Path)
			}
			last := i == len(parts)-1
			var found *node
			for _, c := range at.children {
				if strings.EqualFold(c.name, name) {
					found = c
				}
			}
			if found != nil && (last || !found.dir) {
				return nil, fmt.Errorf("%w: %q is there twice", ErrName, f.Path)
			}
			if found == nil {
				found = &node{name: name, dir: !last}
				if last {
					found.data = f.Data
				}
				at.children = append(at.children, found)
			}
			at = found
		}
	}
	return root, nil
}

// alloc takes a chain of clusters for n bytes; no bytes take none.
func (w *writer) alloc(n int) (first int, err error) {
	size := w.perCluster * SectorSize
	count := (n + size - 1) / size
	if count == 0 {
		return 0, nil
	}
	if count > w.clusters+2-w.next {
		return 0, fmt.Errorf("%w: %d clusters of %d bytes are left, %d are needed", ErrFull, w.clusters+2-w.next, size, count)
	}
	first = w.next
	for i := range count {
		w.fat[first+i] = uint16(first + i + 1)
	}
	w.next += count
	w.fat[w.next-1] = 0xffff
	return first, nil
}

func (w *writer) put(cluster int, b []byte) {
	copy(w.img[(w.dataStart+(cluster-2)*w.perCluster)*SectorSize:], b)
}

// entries stores the children of dir and gives the directory's entries. self
// and parent are first clusters, for the dot entries of deeper directories.
func (w *writer) entries(dir *node, self, parent int) ([]byte, error) {
	var out []byte
	if self != 0 {
		out = append(out, shortEntry(pad11("."), 0x10, self, 0)...)
		out = append(out, shortEntry(pad11(".."), 0x10, parent, 0)...)
	}
	used := map[string]bool{}
	for _, c := range dir.children {
		n := len(c.data)
		if c.dir {
			n = dirSize(c)
		}
		first, err := w.alloc(n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		b, attr, size := c.data, byte(0x20), n
		if c.dir {
			if b, err = w.entries(c, first, self); err != nil {
				return nil, err
			}
			attr, size = 0x10, 0
		}
		if first != 0 {
			w.put(first, b)
		}
		out = append(out, nameEntries(c.name, used, attr, first, size)...)
	}
	return out, nil
}

func dirSize(d *node) int {
	n := 2
	for _, c := range d.children {
		n += 1 + (len(c.name)+12)/13
	}
	return n * entrySize
}

// tables encodes both copies of the allocation table.
func (w *writer) tables() {
	table := make([]byte, w.fatSectors*SectorSize)
	for i, v := range w.fat {
		if w.fat16 {
			binary.LittleEndian.PutUint16(table[2*i:], v)
			continue
		}
		at := i * 3 / 2
		if i%2 == 0 {
			table[at] = byte(v)
			table[at+1] = table[at+1]&0xf0 | byte(v>>8)&0x0f
		} else {
			table[at] = table[at]&0x0f | byte(v<<4)
			table[at+1] = byte(v >> 4)
		}
	}
	copy(w.img[reserved*SectorSize:], table)
	copy(w.img[(reserved+w.fatSectors)*SectorSize:], table)
}

// bootSector writes the BIOS parameter block (section 3.1) in front of a stub
// that stops: nothing is booted from here.
func (w *writer) bootSector(label string, serial, hidden uint32) {
	b := w.img[:SectorSize]
	le := binary.LittleEndian
	copy(b, []byte{0xeb, 0x3c, 0x90})
	copy(b[3:], "BASALT  ")
	le.PutUint16(b[11:], SectorSize)
	b[13] = byte(w.perCluster)
	le.PutUint16(b[14:], reserved)
	b[16] = 2
	le.PutUint16(b[17:], rootEntries)
	if w.total < 1<<16 {
		le.PutUint16(b[19:], uint16(w.total))
	} else {
		le.PutUint32(b[32:], uint32(w.total))
	}
	b[21] = mediaDisk
	le.PutUint16(b[22:], uint16(w.fatSectors))
	le.PutUint16(b[24:], 63)
	le.PutUint16(b[26:], 255)
	le.PutUint32(b[28:], hidden)
	b[36] = 0x80
	b[38] = 0x29
	le.PutUint32(b[39:], serial)
	copy(b[43:54], pad11(label))
	kind := "FAT12   "
	if w.fat16 {
		kind = "FAT16   "
	}
	copy(b[54:], kind)
	copy(b[62:], []byte{0xfa, 0xf4, 0xeb, 0xfd}) // cli; hlt; jmp to hlt
	b[510], b[511] = 0x55, 0xaa
}
