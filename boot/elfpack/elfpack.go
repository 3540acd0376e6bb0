package elfpack

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"basalt/boot/info"
	"basalt/boot/stub"
)

// ErrKernel is wrapped when the input is not a kernel that can be packed.
var ErrKernel = errors.New("elfpack: unsuitable kernel")

// Segment is a loadable part of the kernel.
type Segment struct {
	Addr  uint64 // physical and virtual
	Flags elf.ProgFlag
	Bytes []byte
}

// Kernel is a linked kernel taken apart, with the blob made for it.
type Kernel struct {
	Segments []Segment // by address
	Header   stub.Header
	Blob     *stub.Blob
}

const (
	pageSize = 0x1000
	blobOff  = pageSize // of the blob in the file: the multiboot2 header is in the first 32 KiB
	limit    = 1 << 32  // the early tables map no more
)

// Read takes a linked kernel apart and builds its blob.
func Read(r io.ReaderAt) (*Kernel, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKernel, err)
	}
	defer f.Close()
	if f.Class != elf.ELFCLASS64 || f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC {
		return nil, fmt.Errorf("%w: want an x86-64 executable, have %v %v %v", ErrKernel, f.Class, f.Machine, f.Type)
	}
	k := &Kernel{}
	h := &k.Header
	h.Entry = f.Entry
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		if err := k.add(p); err != nil {
			return nil, err
		}
	}
	if h.TextEnd == 0 || h.DataEnd == 0 || len(k.Segments) == 0 {
		return nil, fmt.Errorf("%w: no text or no data segment", ErrKernel)
	}
	if h.Entry < h.TextStart || h.Entry >= h.TextEnd {
		return nil, fmt.Errorf("%w: entry %#x is not in the text segment", ErrKernel, h.Entry)
	}
	last := k.Segments[len(k.Segments)-1]
	h.ImageStart, h.ImageEnd = k.Segments[0].Addr, last.Addr+uint64(len(last.Bytes))
	for _, s := range k.Segments {
		h.Sum += stub.Sum(s.Bytes)
	}
	if k.Blob, err = stub.Build(*h); err != nil {
		return nil, err
	}
	return k, nil
}

// add takes one PT_LOAD.
func (k *Kernel) add(p *elf.Prog) error {
	h := &k.Header
	end := p.Vaddr + p.Memsz
	switch {
	case p.Vaddr != p.Paddr:
		return fmt.Errorf("%w: segment at %#x has physical address %#x", ErrKernel, p.Vaddr, p.Paddr)
	case p.Vaddr < stub.End || end > limit || end < p.Vaddr:
		return fmt.Errorf("%w: segment [%#x, %#x) is not between the blob's end %#x and 4 GiB", ErrKernel, p.Vaddr, end, uint64(stub.End))
	case len(k.Segments) > 0 && p.Vaddr < k.Segments[len(k.Segments)-1].end():
		return fmt.Errorf("%w: segments overlap at %#x", ErrKernel, p.Vaddr)
	case p.Filesz > p.Memsz:
		return fmt.Errorf("%w: segment at %#x is larger in the file than in memory", ErrKernel, p.Vaddr)
	}
	b, err := io.ReadAll(p.Open())
	if err != nil || uint64(len(b)) != p.Filesz {
		return fmt.Errorf("%w: segment at %#x is cut short: %w", ErrKernel, p.Vaddr, errors.Join(err, io.ErrUnexpectedEOF))
	}
	var start, fileEnd *uint64
	switch {
	case p.Flags&elf.PF_X != 0:
		start, fileEnd = &h.TextStart, &h.TextEnd
	case p.Flags&elf.PF_W != 0:
		start, fileEnd = &h.DataStart, &h.DataEnd
		h.BSSEnd = end
	default:
		start, fileEnd = &h.ReadOnlyStart, &h.ReadOnlyEnd
	}
	if *fileEnd != 0 {
		return fmt.Errorf("%w: two segments with flags %v", ErrKernel, p.Flags)
	}
	if h.BSSEnd > end {
		return fmt.Errorf("%w: segment at %#x lies behind the BSS", ErrKernel, p.Vaddr)
	}
	*start, *fileEnd = p.Vaddr, p.Vaddr+p.Filesz
	k.Segments = append(k.Segments, Segment{Addr: p.Vaddr, Flags: p.Flags, Bytes: b})
	return nil
}

func (s Segment) end() uint64 { return s.Addr + uint64(len(s.Bytes)) }

// ELF gives the bootable file.
func (k *Kernel) ELF() []byte {
	phdrs := []elf.Prog64{
		{Type: uint32(elf.PT_NOTE), Flags: uint32(elf.PF_R), Off: blobOff + k.Blob.NoteOff,
			Vaddr: stub.Base + k.Blob.NoteOff, Paddr: stub.Base + k.Blob.NoteOff,
			Filesz: k.Blob.NoteSize, Memsz: k.Blob.NoteSize, Align: 4},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W | elf.PF_X), Off: blobOff,
			Vaddr: stub.Base, Paddr: stub.Base,
			Filesz: uint64(len(k.Blob.Bytes)), Memsz: stub.End - stub.Base, Align: pageSize},
	}
	off := uint64(blobOff + len(k.Blob.Bytes))
	for _, s := range k.Segments {
		off = (off+pageSize-1)&^(pageSize-1) + s.Addr%pageSize
		n := uint64(len(s.Bytes))
		mem := n
		if s.end() == k.Header.DataEnd {
			mem += min(info.EagerBSS, k.Header.BSSEnd-s.end())
		}
		phdrs = append(phdrs, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(s.Flags), Off: off,
			Vaddr: s.Addr, Paddr: s.Addr, Filesz: n, Memsz: mem, Align: pageSize})
		off += n
	}
	eh := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Entry: k.Blob.PVHEntry, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(phdrs)), Shentsize: 64,
	}
	var b bytes.Buffer
	// Writing fixed-size structures into a Buffer cannot fail.
	_ = binary.Write(&b, binary.LittleEndian, &eh)
	_ = binary.Write(&b, binary.LittleEndian, phdrs)
	pad := func(to uint64) { b.Write(make([]byte, int(to)-b.Len())) }
	pad(blobOff)
	b.Write(k.Blob.Bytes)
	for i, s := range k.Segments {
		pad(phdrs[2+i].Off)
		b.Write(s.Bytes)
	}
	return b.Bytes()
}
