package elfpack

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"basalt/boot/info"
	"basalt/boot/stub"
)

// linked makes a file as the Go linker does: text, read-only, data with BSS.
func linked(change func(h *elf.Header64, p []elf.Prog64)) []byte {
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: 0x1000400,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Shentsize: 64}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	prog := func(flags elf.ProgFlag, off, addr, filesz, memsz uint64) elf.Prog64 {
		return elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(flags), Off: off, Vaddr: addr, Paddr: addr, Filesz: filesz, Memsz: memsz, Align: 0x1000}
	}
	p := []elf.Prog64{
		prog(elf.PF_R|elf.PF_X, 0, 0xfff000, 0x2800, 0x2800),
		prog(elf.PF_R, 0x3000, 0x1002000, 0x1000, 0x1000),
		prog(elf.PF_R|elf.PF_W, 0x4000, 0x1003000, 0x123, 0x2000000),
	}
	change(&h, p)
	h.Phnum = uint16(len(p))
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, &h)
	_ = binary.Write(&b, binary.LittleEndian, p)
	for b.Len() < 0x4123 {
		b.WriteByte(byte(b.Len() >> 4))
	}
	return b.Bytes()
}

func unchanged(*elf.Header64, []elf.Prog64) {}

// TestELF reads the packed file back and compares it with the kernel.
func TestELF(t *testing.T) {
	in := linked(unchanged)
	k, err := Read(bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	out := k.ELF()
	f, err := elf.NewFile(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	var loads []*elf.Prog
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_NOTE:
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil || p.Align != 4 || binary.LittleEndian.Uint32(b[8:]) != 18 || string(b[12:16]) != "Xen\x00" {
				t.Errorf("note % x: %v", b, err)
			}
		case elf.PT_LOAD:
			loads = append(loads, p)
		}
	}
	if len(loads) != 4 || loads[0].Paddr != stub.Base || loads[0].Memsz != stub.End-stub.Base {
		t.Fatalf("%d segments, the first at %#x", len(loads), loads[0].Paddr)
	}
	for i, want := range []struct{ addr, off, n, bss uint64 }{{0xfff000, 0, 0x2800, 0}, {0x1002000, 0x3000, 0x1000, 0}, {0x1003000, 0x4000, 0x123, info.EagerBSS}} {
		p := loads[i+1]
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if p.Paddr != want.addr || p.Memsz != p.Filesz+want.bss || !bytes.Equal(b, in[want.off:want.off+want.n]) || p.Off%0x1000 != p.Paddr%0x1000 {
			t.Errorf("segment %d: %+v", i, p.ProgHeader)
		}
	}
	// Multiboot2 Specification 2.0, section 3.1: in the first 32 KiB, 8-aligned.
	if at := bytes.Index(out, []byte{0xd6, 0x50, 0x52, 0xe8}); at < 0 || at%8 != 0 || at > 32<<10-64 {
		t.Errorf("multiboot2 header at %#x", at)
	}
	// A multiboot1 header by chance would make QEMU take the file for one.
	if bytes.Contains(out[:8192], []byte{0x02, 0xb0, 0xad, 0x1b}) {
		t.Error("a multiboot1 magic number in the first 8 KiB")
	}
	h := k.Header
	if h.BSSEnd != 0x3003000 || h.DataEnd != 0x1003123 || h.ImageStart != 0xfff000 || h.ImageEnd != 0x1003123 || h.Entry != 0x1000400 {
		t.Errorf("boot header %#x", h)
	}
	if !bytes.Equal(out, k.ELF()) {
		t.Error("two packings differ")
	}
}

func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*elf.Header64, []elf.Prog64){
		"other machine":        func(h *elf.Header64, _ []elf.Prog64) { h.Machine = uint16(elf.EM_AARCH64) },
		"position independent": func(h *elf.Header64, _ []elf.Prog64) { h.Type = uint16(elf.ET_DYN) },
		"entry outside":        func(h *elf.Header64, _ []elf.Prog64) { h.Entry = 0x1003000 },
		"on the blob":          func(_ *elf.Header64, p []elf.Prog64) { p[0].Vaddr, p[0].Paddr = stub.Base, stub.Base },
		"virtual elsewhere":    func(_ *elf.Header64, p []elf.Prog64) { p[1].Vaddr = 0xffffffff81000000 },
		"above 4 GiB":          func(_ *elf.Header64, p []elf.Prog64) { p[2].Memsz = 1 << 33 },
		"wraps":                func(_ *elf.Header64, p []elf.Prog64) { p[2].Memsz = ^uint64(0) },
		"overlap":              func(_ *elf.Header64, p []elf.Prog64) { p[1].Vaddr, p[1].Paddr = 0x1000000, 0x1000000 },
		"two texts":            func(_ *elf.Header64, p []elf.Prog64) { p[1].Flags = uint32(elf.PF_R | elf.PF_X) },
		"no data":              func(_ *elf.Header64, p []elf.Prog64) { p[2].Type = uint32(elf.PT_NULL) },
		"cut short":            func(_ *elf.Header64, p []elf.Prog64) { p[2].Filesz = 0x10000; p[2].Memsz = 0x10000 },
		"file over memory":     func(_ *elf.Header64, p []elf.Prog64) { p[2].Memsz = 1 },
	} {
		if _, err := Read(bytes.NewReader(linked(change))); !errors.Is(err, ErrKernel) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(bytes.NewReader([]byte("#!/bin/sh"))); !errors.Is(err, ErrKernel) {
		t.Errorf("not an ELF file: %v", err)
	}
}
