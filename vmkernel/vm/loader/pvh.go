package loader

import (
	"encoding/binary"

	"basalt/vmkernel/vcpu"
)

const pvhMagic = 0x336ec578

// pvh loads an ELF file and starts it as Xen's PVH ABI says.
func (l *load) pvh() (Start, error) {
	f, err := parseELF(l.Kernel)
	if err != nil {
		return nil, err
	}
	entry, _, err := f.pvhEntry()
	if err != nil {
		return nil, err
	}
	end, err := l.elf(f, false)
	if err != nil {
		return nil, err
	}
	if entry < lowest || entry >= end {
		return nil, bad("the PVH entry %#x is outside of the kernel", entry)
	}
	cmd, err := l.text(l.Cmdline)
	if err != nil {
		return nil, err
	}
	// struct hvm_start_info, then hvm_modlist_entry, then hvm_memmap_table_entry.
	le := binary.LittleEndian
	const modAt, mapAt = infoAt + 0x100, infoAt + 0x200
	b := make([]byte, 56)
	le.PutUint32(b, pvhMagic)
	le.PutUint32(b[4:], 1)
	le.PutUint64(b[24:], cmd)
	le.PutUint64(b[32:], l.RSDP)
	le.PutUint64(b[40:], mapAt)
	le.PutUint32(b[48:], uint32(len(l.Map)))
	if l.Initrd != nil {
		n := uint64(max(l.Initrd.Size(), 0))
		at, err := l.high("the initial RAM disk", n, alignUp(end, page), l.Top)
		if err != nil {
			return nil, err
		}
		if err := l.copyIn("the initial RAM disk", l.Initrd, 0, at, n); err != nil {
			return nil, err
		}
		le.PutUint32(b[12:], 1)
		le.PutUint64(b[16:], modAt)
		m := make([]byte, 32)
		le.PutUint64(m, at)
		le.PutUint64(m[8:], n)
		if err := l.put(modAt, m); err != nil {
			return nil, err
		}
	}
	if len(l.Map) > e820Max {
		return nil, bad("the memory map has %d entries", len(l.Map))
	}
	mm := make([]byte, 24*len(l.Map))
	for i, a := range l.Map {
		le.PutUint64(mm[24*i:], a.Start)
		le.PutUint64(mm[24*i+8:], a.Size)
		le.PutUint32(mm[24*i+16:], a.Type)
	}
	if err := l.put(mapAt, mm); err != nil {
		return nil, err
	}
	if err := l.put(infoAt, b); err != nil {
		return nil, err
	}
	if err := l.gdt(false); err != nil {
		return nil, err
	}
	return func(r *vcpu.Regs, s *vcpu.System) {
		flat(r, s, entry)
		r.GPR[vcpu.RBX] = infoAt
	}, nil
}
