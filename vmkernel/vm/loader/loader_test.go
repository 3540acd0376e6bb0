package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"basalt/vmkernel/gmem/gmemtest"
	"basalt/vmkernel/vcpu"
)

var le = binary.LittleEndian

func src(b []byte) Source { return bytes.NewReader(b) }

func env(size uint64) Env {
	return Env{Mem: gmemtest.New(size), Top: size, RSDP: 0xe0000,
		Map: []Area{{0, 0x9fc00, 1}, {0x100000, size - 0x100000, 1}}}
}

// linux makes a bzImage whose code is n bytes of 0x90.
func linux(n int) []byte {
	b := make([]byte, 3*512+n)
	for i := 3 * 512; i < len(b); i++ {
		b[i] = 0x90
	}
	b[hdrSetupSects] = 2
	le.PutUint32(b[0x1f4:], uint32(n/16))
	b[0x1fe], b[0x1ff] = 0x55, 0xaa
	b[hdrJump] = 0x6a
	copy(b[0x202:], "HdrS")
	le.PutUint16(b[hdrVersion:], 0x20f)
	b[hdrLoadFlags] = loadedHigh
	le.PutUint32(b[hdrInitrdMax:], 0x7fffffff)
	le.PutUint32(b[hdrAlign:], 2<<20)
	b[hdrRelocatable] = 1
	le.PutUint16(b[hdrXLoadFlags:], xlfKernel64)
	le.PutUint32(b[hdrCmdlineSize:], 2047)
	le.PutUint64(b[hdrPrefAddress:], 16<<20)
	le.PutUint32(b[hdrInitSize:], 4<<20)
	return b
}

// elf makes an ELF file with one segment at 1 MiB and, if note is set, a PVH note.
func elf(class int, note bool, payload []byte) []byte {
	const vaddr, paddr = 0xc0100000, 0x100000
	b := make([]byte, 0x200)
	copy(b, "\x7fELF")
	b[5], b[6] = 1, 1
	le.PutUint16(b[16:], 2)
	n := uint16(1)
	if note {
		n = 2
	}
	off := uint64(len(b))
	if class == 64 {
		b[4] = 2
		le.PutUint16(b[18:], 62)
		le.PutUint64(b[24:], vaddr+0x10)
		le.PutUint64(b[32:], 64)
		le.PutUint16(b[54:], 56)
		le.PutUint16(b[56:], n)
		p := b[64:]
		le.PutUint32(p, ptLoad)
		le.PutUint64(p[8:], off)
		le.PutUint64(p[16:], vaddr)
		le.PutUint64(p[24:], paddr)
		le.PutUint64(p[32:], uint64(len(payload)))
		le.PutUint64(p[40:], uint64(len(payload))+0x1000)
		p = p[56:]
		le.PutUint32(p, ptNote)
		le.PutUint64(p[8:], 0x180)
		le.PutUint64(p[32:], 20)
		le.PutUint64(p[48:], 4)
	} else {
		b[4] = 1
		le.PutUint16(b[18:], 3)
		le.PutUint32(b[24:], vaddr+0x10)
		le.PutUint32(b[28:], 52)
		le.PutUint16(b[42:], 32)
		le.PutUint16(b[44:], n)
		p := b[52:]
		le.PutUint32(p, ptLoad)
		le.PutUint32(p[4:], uint32(off))
		le.PutUint32(p[8:], vaddr)
		le.PutUint32(p[12:], paddr)
		le.PutUint32(p[16:], uint32(len(payload)))
		le.PutUint32(p[20:], uint32(len(payload))+0x1000)
		p = p[32:]
		le.PutUint32(p, ptNote)
		le.PutUint32(p[4:], 0x180)
		le.PutUint32(p[16:], 20)
		le.PutUint32(p[28:], 4)
	}
	nt := b[0x180:]
	le.PutUint32(nt, 4)
	le.PutUint32(nt[4:], 4)
	le.PutUint32(nt[8:], 18)
	copy(nt[12:], "Xen\x00")
	le.PutUint32(nt[16:], paddr+0x20)
	return append(b, payload...)
}

func header(flags uint32, rest ...uint32) []byte {
	b := make([]byte, 12+4*len(rest))
	le.PutUint32(b, mbMagic)
	le.PutUint32(b[4:], flags)
	le.PutUint32(b[8:], -(mbMagic + flags))
	for i, v := range rest {
		le.PutUint32(b[12+4*i:], v)
	}
	return b
}

func (e Env) u32(t *testing.T, at uint64) uint32 {
	v, ok := e.Mem.Uint32(at)
	if !ok {
		t.Fatalf("%#x is no memory", at)
	}
	return v
}

func (e Env) str(at uint64) string {
	b := make([]byte, 256)
	_ = e.Mem.Read(at, b)
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

func begin(s Start) (r vcpu.Regs, y vcpu.System) {
	vcpu.ResetState(&r, &y, 0)
	s(&r, &y)
	return r, y
}

func TestBzImage(t *testing.T) {
	e := env(64 << 20)
	f, s, err := Load(e, Boot{Kernel: src(linux(4096)), Initrd: src(bytes.Repeat([]byte{7}, 5000)), Cmdline: "console=ttyS0"})
	if err != nil || f != BzImage {
		t.Fatal(f, err)
	}
	r, y := begin(s)
	if r.RIP != 16<<20+0x200 || r.GPR[vcpu.RSI] != paramsAt || !y.Long() || y.CR3 != tablesAt || r.RFLAGS&vcpu.FlagIF != 0 {
		t.Errorf("%+v %+v", r, y)
	}
	if got := e.str(uint64(e.u32(t, paramsAt+hdrCmdline))); got != "console=ttyS0" {
		t.Errorf("%q", got)
	}
	rd := uint64(e.u32(t, paramsAt+hdrInitrd))
	if b, _ := e.Mem.Uint8(rd + 4999); rd%page != 0 || rd != 64<<20-8192 || b != 7 || e.u32(t, paramsAt+hdrInitrdSize) != 5000 {
		t.Errorf("initrd at %#x", rd)
	}
	if n, _ := e.Mem.Uint8(paramsAt + bpE820Count); n != 2 || e.u32(t, paramsAt+bpE820+20) != 0x100000 {
		t.Error("memory map")
	}
	if e.u32(t, paramsAt+bpRSDP) != 0xe0000 {
		t.Error("RSDP")
	}
	if b, _ := e.Mem.Uint8(16<<20 + 4095); b != 0x90 {
		t.Error("code")
	}
	if v, _ := e.Mem.Uint64(tablesAt + 2*page + 8*2047); v != 0xffe00083 {
		t.Errorf("last page table entry %#x", v)
	}
}

func TestBzImageElsewhere(t *testing.T) {
	k := linux(4096)
	_, s, err := Load(env(8<<20), Boot{Kernel: src(k)})
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := begin(s); r.RIP != 2<<20+0x200 {
		t.Errorf("moved to %#x", r.RIP)
	}
	le.PutUint16(k[hdrXLoadFlags:], 0)
	_, s, err = Load(env(64<<20), Boot{Kernel: src(k)})
	if err != nil {
		t.Fatal(err)
	}
	if r, y := begin(s); r.RIP != 16<<20 || y.Bits() != 32 || y.CR0&vcpu.CR0PG != 0 {
		t.Errorf("32-bit entry %#x", r.RIP)
	}
}

func TestPVH(t *testing.T) {
	e := env(16 << 20)
	f, s, err := Load(e, Boot{Kernel: src(elf(64, true, make([]byte, 64))), Initrd: src([]byte("rd")), Cmdline: "a b"})
	if err != nil || f != PVH {
		t.Fatal(f, err)
	}
	r, y := begin(s)
	if r.RIP != 0x100020 || r.GPR[vcpu.RBX] != infoAt || y.CR0 != vcpu.CR0PE|vcpu.CR0ET || y.Bits() != 32 {
		t.Errorf("%+v", r)
	}
	if e.u32(t, infoAt) != pvhMagic || e.u32(t, infoAt+12) != 1 || e.str(uint64(e.u32(t, infoAt+24))) != "a b" || e.u32(t, infoAt+48) != 2 {
		t.Error("start info")
	}
	m := uint64(e.u32(t, infoAt+16))
	if at := uint64(e.u32(t, m)); e.str(at) != "rd" || e.u32(t, m+8) != 2 {
		t.Errorf("module at %#x", at)
	}
}

func TestMultiboot(t *testing.T) {
	for _, class := range []int{32, 64} {
		p := append(header(3), make([]byte, 64)...)
		e := env(16 << 20)
		f, s, err := Load(e, Boot{Kernel: src(elf(class, false, p)), Name: "/boot/xen.gz", Cmdline: "x=1",
			Modules: []Module{{src([]byte("one")), "first arg"}, {src(make([]byte, 5000)), "second"}}})
		if err != nil || f != Multiboot1 {
			t.Fatal(class, f, err)
		}
		r, y := begin(s)
		if r.RIP != 0x100010 || r.GPR[vcpu.RAX] != mbLoaded || r.GPR[vcpu.RBX] != infoAt || y.Bits() != 32 {
			t.Errorf("class %d: %+v", class, r)
		}
		if got := e.str(uint64(e.u32(t, infoAt+16))); got != "xen.gz x=1" {
			t.Errorf("%q", got)
		}
		// Xen finds its place in low memory by the BIOS data area.
		if ports, ebda, kib := e.u32(t, 0x400)&0xffff, e.u32(t, 0x40e)&0xffff, e.u32(t, 0x413)&0xffff; ports != 0x3f8 || ebda != 0x9fc0 || kib != 639 {
			t.Errorf("BIOS data area: COM1 at %#x, EBDA segment %#x, %d KiB", ports, ebda, kib)
		}
		for vector := range uint64(256) {
			want := uint32(biosStub)
			switch {
			case vector == 8:
				want = biosTimer
			case vector>>3 == 1:
				want = biosMaster
			case vector>>3 == 0x70>>3:
				want = biosSlave
			}
			if got := e.u32(t, 4*vector); got != want {
				t.Fatalf("BIOS interrupt %#x goes to %#x", vector, got)
			}
		}
		if e.u32(t, infoAt+20) != 2 || e.u32(t, infoAt+44) != 48 || e.u32(t, infoAt+8) != 15<<10 {
			t.Error("information")
		}
		m := uint64(e.u32(t, infoAt+24))
		a, b := uint64(e.u32(t, m)), uint64(e.u32(t, m+16))
		if e.str(a) != "one" || e.u32(t, m+4) != uint32(a+3) || e.str(uint64(e.u32(t, m+8))) != "first arg" || b%page != 0 || b <= a {
			t.Errorf("modules at %#x %#x", a, b)
		}
	}
}

// TestBIOSCodeFits: no routine runs into the next, nor into what is at 0x1000.
func TestBIOSCodeFits(t *testing.T) {
	end := uint64(0)
	for _, r := range []struct {
		at   uint64
		code []byte
	}{{biosStub, biosCode}, {biosTimer, biosTimerCode}, {biosMaster, biosMasterCode}, {biosSlave, biosSlaveCode}, {infoAt, nil}} {
		if r.at < end {
			t.Errorf("the routine before %#x ends at %#x", r.at, end)
		}
		end = r.at + uint64(len(r.code))
	}
}

func TestMultibootAddresses(t *testing.T) {
	k := append(make([]byte, 64), header(mbAddresses, 0x200040, 0x200000, 0x200080, 0x201000, 0x200060)...)
	k = append(k, bytes.Repeat([]byte{0xcc}, 0x80)...)
	e := env(16 << 20)
	f, s, err := Load(e, Boot{Kernel: src(k)})
	if err != nil || f != Multiboot1 {
		t.Fatal(f, err)
	}
	if r, _ := begin(s); r.RIP != 0x200060 {
		t.Errorf("%#x", r.RIP)
	}
	if b, _ := e.Mem.Uint8(0x20007f); b != 0xcc || e.u32(t, 0x200040) != mbMagic {
		t.Error("not loaded")
	}
	if b, _ := e.Mem.Uint8(0x200080); b != 0 {
		t.Error("loaded beyond the end")
	}
}

func TestRefused(t *testing.T) {
	change := func(b []byte, f func([]byte)) Source { f(b); return src(b) }
	for _, c := range []struct {
		name string
		b    Boot
		want error
		text string
	}{
		{"nothing", Boot{}, ErrImage, "empty"},
		{"empty", Boot{Kernel: src(nil)}, ErrImage, "empty"},
		{"text", Boot{Kernel: src([]byte("#!/bin/sh\n"))}, ErrImage, "not a bzImage"},
		{"plain ELF", Boot{Kernel: src(elf(64, false, make([]byte, 64)))}, ErrImage, "neither a PVH note"},
		{"cut bzImage", Boot{Kernel: src(linux(4096)[:3000])}, ErrImage, "truncated"},
		{"bzImage without code", Boot{Kernel: src(linux(4096)[:1400])}, ErrImage, "truncated"},
		{"header only", Boot{Kernel: src(linux(4096)[:0x210])}, ErrImage, "truncated"},
		{"old protocol", Boot{Kernel: change(linux(64), func(b []byte) { le.PutUint16(b[hdrVersion:], 0x203) })}, ErrImage, "2.03"},
		{"zImage", Boot{Kernel: change(linux(64), func(b []byte) { b[hdrLoadFlags] = 0 })}, ErrImage, "zImage"},
		{"large kernel", Boot{Kernel: change(linux(64), func(b []byte) { le.PutUint32(b[hdrInitSize:], 1<<30) })}, ErrTooLarge, "needs 1024 MiB"},
		{"large initrd", Boot{Kernel: src(linux(64)), Initrd: src(make([]byte, 64<<20))}, ErrTooLarge, "initial RAM disk"},
		{"long command line", Boot{Kernel: src(linux(64)), Cmdline: strings.Repeat("x", 3000)}, ErrImage, "takes 2047"},
		{"zero in command line", Boot{Kernel: src(linux(64)), Cmdline: "a\x00b"}, ErrImage, "zero byte"},
		{"big-endian ELF", Boot{Kernel: change(elf(64, true, nil), func(b []byte) { b[5] = 2 })}, ErrImage, "little-endian"},
		{"ELF for ARM", Boot{Kernel: change(elf(64, true, nil), func(b []byte) { b[18] = 183 })}, ErrImage, "machine 183"},
		{"cut ELF", Boot{Kernel: src(elf(64, true, make([]byte, 64))[:0x210])}, ErrImage, "truncated"},
		{"ELF far away", Boot{Kernel: change(elf(64, true, make([]byte, 64)), func(b []byte) { le.PutUint64(b[64+24:], 1<<40) })}, ErrTooLarge, "memory ends"},
		{"ELF wraps", Boot{Kernel: change(elf(64, true, make([]byte, 64)), func(b []byte) { le.PutUint64(b[64+40:], ^uint64(0)) })}, ErrTooLarge, "memory ends"},
		{"ELF over low memory", Boot{Kernel: change(elf(64, true, make([]byte, 64)), func(b []byte) { le.PutUint64(b[64+24:], 0x7000) })}, ErrImage, "below 1 MiB"},
		{"PVH entry outside", Boot{Kernel: change(elf(64, true, make([]byte, 64)), func(b []byte) { le.PutUint32(b[0x190:], 5) })}, ErrImage, "entry"},
		{"Multiboot wants more", Boot{Kernel: src(elf(32, false, header(1<<5)))}, ErrImage, "0x20"},
		{"Multiboot not ELF", Boot{Kernel: src(append(header(0), make([]byte, 64)...))}, ErrImage, "not an ELF"},
		{"Multiboot contradiction", Boot{Kernel: src(header(mbAddresses, 0x100000, 0x200000, 0, 0, 0))}, ErrImage, "contradict"},
		{"Multiboot cut", Boot{Kernel: src(header(mbAddresses, 0x200000, 0x200000, 0x300000, 0, 0x200000))}, ErrImage, "truncated"},
		{"module too large", Boot{Kernel: src(elf(32, false, append(header(0), make([]byte, 64)...))), Modules: []Module{{src(make([]byte, 33<<20)), "m"}}}, ErrTooLarge, "module m"},
	} {
		_, _, err := Load(env(32<<20), c.b)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestRealKernel loads the kernel named in BASALT_TEST_KERNEL, by hand.
func TestRealKernel(t *testing.T) {
	name := os.Getenv("BASALT_TEST_KERNEL")
	if name == "" {
		t.Skip("BASALT_TEST_KERNEL is not set")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, s, err := Load(env(256<<20), Boot{Kernel: src(b), Name: name, Cmdline: "console=ttyS0"})
	if err != nil {
		t.Fatal(err)
	}
	r, y := begin(s)
	t.Logf("%s: entry %#x, %d bits", f, r.RIP, y.Bits())
}

func fuzz(f *testing.F, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s, "a=b")
	}
	f.Fuzz(func(t *testing.T, b []byte, cmd string) {
		e := env(4 << 20)
		_, s, err := Load(e, Boot{Kernel: src(b), Name: cmd, Initrd: src(b), Cmdline: cmd, Modules: []Module{{src(b), cmd}}})
		if err == nil {
			begin(s)
		} else if !errors.Is(err, ErrImage) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
	})
}

func FuzzBzImage(f *testing.F) {
	k := linux(64)
	le.PutUint32(k[hdrInitSize:], 4096)
	fuzz(f, k, linux(4096)[:600])
}
func FuzzPVH(f *testing.F) { fuzz(f, elf(64, true, make([]byte, 64)), elf(32, true, nil)) }
func FuzzMultiboot(f *testing.F) {
	fuzz(f, elf(32, false, append(header(3), make([]byte, 64)...)), elf(64, false, append(header(3), make([]byte, 64)...)),
		append(header(mbAddresses, 0x200000, 0x200000, 0, 0x201000, 0x200000), make([]byte, 64)...))
}

// A Multiboot kernel may be below 1 MiB, as long as nothing that it is given is there;
// its modules are not.
func TestMultibootBelowOneMiB(t *testing.T) {
	for _, c := range []struct {
		at uint32
		ok bool
	}{{0x8000, true}, {0x1e000, true}, {0x30000, true}, {0x9e000, true}, {0x7000, false}, {0x1f000, false}, {0x20000, false}, {0x9f000, false}, {0xa0000, false}, {0, false}} {
		e := env(16 << 20)
		p := append(header(3), make([]byte, 64)...)
		k := elf(32, false, p)
		le.PutUint32(k[52+12:], c.at)
		_, s, err := Load(e, Boot{Kernel: src(k), Modules: []Module{{src([]byte("one")), "arg"}}})
		if !c.ok {
			if err == nil || !strings.Contains(err.Error(), "below 1 MiB") {
				t.Errorf("%#x: %v", c.at, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%#x: %v", c.at, err)
			continue
		}
		if r, _ := begin(s); r.RIP != uint64(c.at)+0x10 {
			t.Errorf("%#x: entry %#x", c.at, r.RIP)
		}
		if m := e.u32(t, infoAt+0x100); m != 0x100000 {
			t.Errorf("%#x: the module is at %#x", c.at, m)
		}
	}
}
