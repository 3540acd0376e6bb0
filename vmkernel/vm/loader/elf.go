package loader

import (
	"encoding/binary"
	"io"
)

// elfFile is what a loader needs of an ELF file.
type elfFile struct {
	src   Source
	class int // 32 or 64
	entry uint64
	segs  []segment
}

type segment struct {
	typ                       uint32
	off, vaddr, paddr         uint64
	filesz, memsz, alignBytes uint64
}

const (
	ptLoad      = 1
	ptNote      = 4
	maxSegments = 64
	maxNotes    = 64
)

// parseELF reads the header and the program headers of a little-endian x86 file.
func parseELF(src Source) (*elfFile, error) {
	var h [64]byte
	n, err := src.ReadAt(h[:], 0)
	if err != nil && err != io.EOF {
		return nil, bad("read the ELF header: %v", err)
	}
	if n < 52 || string(h[:4]) != "\x7fELF" {
		return nil, bad("not an ELF file")
	}
	if h[5] != 1 {
		return nil, bad("the ELF file is not little-endian")
	}
	le := binary.LittleEndian
	f := &elfFile{src: src}
	var phoff uint64
	var phentsize, phnum uint16
	switch h[4] {
	case 1:
		f.class = 32
		f.entry, phoff = uint64(le.Uint32(h[24:])), uint64(le.Uint32(h[28:]))
		phentsize, phnum = le.Uint16(h[42:]), le.Uint16(h[44:])
	case 2:
		if n < 64 {
			return nil, bad("the ELF header is truncated")
		}
		f.class = 64
		f.entry, phoff = le.Uint64(h[24:]), le.Uint64(h[32:])
		phentsize, phnum = le.Uint16(h[54:]), le.Uint16(h[56:])
	default:
		return nil, bad("the ELF file has class %d", h[4])
	}
	if m := le.Uint16(h[18:]); m != 3 && m != 62 {
		return nil, bad("the ELF file is for machine %d, not x86", m)
	}
	want := uint16(32)
	if f.class == 64 {
		want = 56
	}
	if phentsize != want || phnum == 0 || phnum > maxSegments {
		return nil, bad("the ELF file has %d program headers of %d bytes", phnum, phentsize)
	}
	tab := make([]byte, int(phnum)*int(want))
	if phoff > uint64(src.Size()) || uint64(len(tab)) > uint64(src.Size())-phoff {
		return nil, bad("the ELF file is truncated in its program headers")
	}
	if _, err := src.ReadAt(tab, int64(phoff)); err != nil && err != io.EOF {
		return nil, bad("read the program headers: %v", err)
	}
	for i := range int(phnum) {
		p := tab[i*int(want):]
		s := segment{typ: le.Uint32(p)}
		if f.class == 32 {
			s.off, s.vaddr, s.paddr = uint64(le.Uint32(p[4:])), uint64(le.Uint32(p[8:])), uint64(le.Uint32(p[12:]))
			s.filesz, s.memsz, s.alignBytes = uint64(le.Uint32(p[16:])), uint64(le.Uint32(p[20:])), uint64(le.Uint32(p[28:]))
		} else {
			s.off, s.vaddr, s.paddr = le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:])
			s.filesz, s.memsz, s.alignBytes = le.Uint64(p[32:]), le.Uint64(p[40:]), le.Uint64(p[48:])
		}
		if (s.typ == ptLoad || s.typ == ptNote) && (s.off > uint64(src.Size()) || s.filesz > uint64(src.Size())-s.off) {
			return nil, bad("the ELF file is truncated in segment %d", i)
		}
		f.segs = append(f.segs, s)
	}
	return f, nil
}

// lowRanges are the memory below 1 MiB that a Multiboot kernel may take: nothing of
// what it is given lies there.
var lowRanges = [...]struct{ start, end uint64 }{{paramsAt + page, stringsAt}, {stringsAt + stringsN, lowKiB << 10}}

func inLowRange(start, n uint64) bool {
	for _, r := range lowRanges {
		if start >= r.start && start < r.end && n <= r.end-start {
			return true
		}
	}
	return false
}

// load copies the segments to their physical addresses; end is the first
// address after them, at least 1 MiB. What is beyond the file's part is zero already.
// low allows segments below 1 MiB.
func (l *load) elf(f *elfFile, low bool) (end uint64, err error) {
	for i, s := range f.segs {
		if s.typ != ptLoad || s.memsz == 0 {
			continue
		}
		if s.filesz > s.memsz {
			return 0, bad("ELF segment %d is larger in the file than in memory", i)
		}
		if s.paddr < lowest && (!low || !inLowRange(s.paddr, s.memsz)) {
			return 0, bad("ELF segment %d at %#x, %d bytes, is below 1 MiB", i, s.paddr, s.memsz)
		}
		if s.paddr > l.Top || s.memsz > l.Top-s.paddr {
			return 0, large("ELF segment %d at %#x, %d bytes; memory ends at %#x", i, s.paddr, s.memsz, l.Top)
		}
		if err := l.copyIn("an ELF segment", f.src, int64(s.off), s.paddr, s.filesz); err != nil {
			return 0, err
		}
		if err := l.Mem.Zero(s.paddr+s.filesz, s.memsz-s.filesz); err != nil {
			return 0, large("ELF segment %d: %v", i, err)
		}
		end = max(end, s.paddr+s.memsz, lowest)
	}
	if end == 0 {
		return 0, bad("the ELF file has nothing to load")
	}
	return end, nil
}

// physEntry is the entry as a physical address.
func (f *elfFile) physEntry() uint64 {
	for _, s := range f.segs {
		if s.typ == ptLoad && f.entry >= s.vaddr && f.entry-s.vaddr < s.memsz {
			return f.entry - s.vaddr + s.paddr
		}
	}
	return f.entry
}

// pvhEntry looks for the note XEN_ELFNOTE_PHYS32_ENTRY.
func (f *elfFile) pvhEntry() (entry uint64, ok bool, err error) {
	le := binary.LittleEndian
	seen := 0
	for _, s := range f.segs {
		if s.typ != ptNote {
			continue
		}
		if s.filesz > 64<<10 {
			return 0, false, bad("the ELF notes have %d bytes", s.filesz)
		}
		b := make([]byte, s.filesz)
		if _, err := f.src.ReadAt(b, int64(s.off)); err != nil && err != io.EOF {
			return 0, false, bad("read the ELF notes: %v", err)
		}
		al := uint64(4)
		if s.alignBytes == 8 {
			al = 8
		}
		for len(b) >= 12 && seen < maxNotes {
			seen++
			namesz, descsz, typ := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), le.Uint32(b[8:])
			desc := alignUp(12+namesz, al)
			if desc > uint64(len(b)) || descsz > uint64(len(b))-desc {
				return 0, false, bad("an ELF note is truncated")
			}
			if typ == 18 && namesz == 4 && string(b[12:16]) == "Xen\x00" {
				switch descsz {
				case 4:
					return uint64(le.Uint32(b[desc:])), true, nil
				case 8:
					return le.Uint64(b[desc:]), true, nil
				}
				return 0, false, bad("the PVH note has %d bytes", descsz)
			}
			b = b[min(alignUp(desc+descsz, al), uint64(len(b))):]
		}
	}
	return 0, false, nil
}
