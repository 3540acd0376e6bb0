package loader

import (
	"encoding/binary"
	"path"
	"strings"

	"basalt/vmkernel/vcpu"
)

// Multiboot specification 0.6.96, 3.1 and 3.3.
const (
	mbMagic     = 0x1badb002
	mbLoaded    = 0x2badb002
	mbSearch    = 8192
	mbAddresses = 1 << 16
	mbKnown     = 1<<0 | 1<<1 | 1<<2 // of the bits that must be understood

	mbInfoMemory  = 1 << 0
	mbInfoCmdline = 1 << 2
	mbInfoModules = 1 << 3
	mbInfoMap     = 1 << 6
	mbInfoLoader  = 1 << 9
	maxModules    = 64
)

// findMultiboot is the offset of the header, or -1.
func findMultiboot(head []byte) int {
	le := binary.LittleEndian
	for off := 0; off+12 <= min(len(head), mbSearch); off += 4 {
		if le.Uint32(head[off:]) == mbMagic &&
			mbMagic+le.Uint32(head[off+4:])+le.Uint32(head[off+8:]) == 0 {
			return off
		}
	}
	return -1
}

// multiboot loads a Multiboot 1 kernel: by its header's addresses if it has
// them, else as ELF.
func (l *load) multiboot(head []byte) (Start, error) {
	off := findMultiboot(head)
	le := binary.LittleEndian
	flags := le.Uint32(head[off+4:])
	if unknown := flags & 0xffff &^ mbKnown; unknown != 0 {
		return nil, bad("the Multiboot header asks for features %#x that are not there", unknown)
	}
	var entry, end uint64
	var err error
	if flags&mbAddresses != 0 {
		entry, end, err = l.kludge(head, off)
	} else {
		var f *elfFile
		if f, err = parseELF(l.Kernel); err != nil {
			return nil, err
		}
		entry = f.physEntry()
		end, err = l.elf(f, true)
	}
	if err != nil {
		return nil, err
	}
	if entry >= end || entry < lowest && !inLowRange(entry, 1) {
		return nil, bad("the entry %#x is outside of the kernel", entry)
	}
	if err := l.multibootInfo(end); err != nil {
		return nil, err
	}
	if err := l.gdt(false); err != nil {
		return nil, err
	}
	return func(r *vcpu.Regs, s *vcpu.System) {
		flat(r, s, entry)
		r.GPR[vcpu.RAX] = mbLoaded
		r.GPR[vcpu.RBX] = infoAt
	}, nil
}

// kludge loads a file by the addresses in its header (3.1.3).
func (l *load) kludge(head []byte, off int) (entry, end uint64, err error) {
	if off+32 > len(head) {
		return 0, 0, bad("the Multiboot header is truncated")
	}
	le := binary.LittleEndian
	header, start := uint64(le.Uint32(head[off+12:])), uint64(le.Uint32(head[off+16:]))
	loadEnd, bssEnd := uint64(le.Uint32(head[off+20:])), uint64(le.Uint32(head[off+24:]))
	entry = uint64(le.Uint32(head[off+28:]))
	if start > header || header-start > uint64(off) {
		return 0, 0, bad("the Multiboot header's addresses contradict its place in the file")
	}
	from := uint64(off) - (header - start)
	n := uint64(l.Kernel.Size()) - from
	if loadEnd != 0 {
		if loadEnd < start {
			return 0, 0, bad("the Multiboot header ends loading at %#x before it starts at %#x", loadEnd, start)
		}
		n = loadEnd - start
	}
	if start < lowest {
		return 0, 0, bad("the kernel wants to be at %#x, below 1 MiB", start)
	}
	if err := l.copyIn("the kernel", l.Kernel, int64(from), start, n); err != nil {
		return 0, 0, err
	}
	end = start + n
	if bssEnd > end {
		if bssEnd > l.Top {
			return 0, 0, large("the kernel's bss ends at %#x", bssEnd)
		}
		if err := l.Mem.Zero(end, bssEnd-end); err != nil {
			return 0, 0, large("the kernel's bss: %v", err)
		}
		end = bssEnd
	}
	return entry, end, nil
}

// multibootInfo places the modules behind the kernel and writes the information
// structure (3.3).
func (l *load) multibootInfo(end uint64) error {
	le := binary.LittleEndian
	mods := l.Modules
	if l.Initrd != nil {
		mods = append([]Module{{Source: l.Initrd, String: "initrd"}}, mods...)
	}
	if len(mods) > maxModules {
		return bad("%d modules, at most %d", len(mods), maxModules)
	}
	const modAt, mapAt = infoAt + 0x100, infoAt + 0x800
	list := make([]byte, 16*len(mods))
	for i, m := range mods {
		at := alignUp(end, page)
		n := uint64(max(m.Source.Size(), 0))
		if err := l.copyIn("module "+m.String, m.Source, 0, at, n); err != nil {
			return err
		}
		end = at + n
		s, err := l.text(m.String)
		if err != nil {
			return err
		}
		le.PutUint32(list[16*i:], uint32(at))
		le.PutUint32(list[16*i+4:], uint32(end))
		le.PutUint32(list[16*i+8:], uint32(s))
	}
	// Boot loaders put the image's name first; Xen and others take it off.
	name := strings.ReplaceAll(path.Base("/"+l.Name), " ", "_")
	cmd, err := l.text(strings.TrimRight(name+" "+l.Cmdline, " "))
	if err != nil {
		return err
	}
	loader, err := l.text("Basalt")
	if err != nil {
		return err
	}
	mm := make([]byte, 24*len(l.Map))
	upper := uint64(0)
	for i, a := range l.Map {
		le.PutUint32(mm[24*i:], 20)
		le.PutUint64(mm[24*i+4:], a.Start)
		le.PutUint64(mm[24*i+12:], a.Size)
		le.PutUint32(mm[24*i+20:], a.Type)
		if a.Type == 1 && a.Start == lowest {
			upper = a.Size / 1024
		}
	}
	if len(mm) > 0x2000 {
		return bad("the memory map has %d entries", len(l.Map))
	}
	b := make([]byte, 120)
	le.PutUint32(b, mbInfoMemory|mbInfoCmdline|mbInfoModules|mbInfoMap|mbInfoLoader)
	le.PutUint32(b[4:], lowKiB)
	le.PutUint32(b[8:], uint32(upper))
	le.PutUint32(b[16:], uint32(cmd))
	le.PutUint32(b[20:], uint32(len(mods)))
	le.PutUint32(b[24:], modAt)
	le.PutUint32(b[44:], uint32(len(mm)))
	le.PutUint32(b[48:], mapAt)
	le.PutUint32(b[64:], uint32(loader))
	for _, w := range []struct {
		at uint64
		b  []byte
	}{{modAt, list}, {mapAt, mm}, {infoAt, b}} {
		if err := l.put(w.at, w.b); err != nil {
			return err
		}
	}
	return nil
}
