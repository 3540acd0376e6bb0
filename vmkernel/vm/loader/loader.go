package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vcpu"
)

var (
	// ErrImage says that an image is not what it should be.
	ErrImage = errors.New("bad boot image")
	// ErrTooLarge says that the images do not fit into the guest's memory.
	ErrTooLarge = errors.New("does not fit into the guest's memory")
)

// Format is how a kernel is loaded.
type Format string

// The formats.
const (
	BzImage    Format = "bzimage"
	PVH        Format = "pvh"
	Multiboot1 Format = "multiboot1"
)

// Source is an image. It does not change while it is used.
type Source interface {
	io.ReaderAt
	Size() int64
}

// Module is a Multiboot module with its string.
type Module struct {
	Source Source
	String string
}

// Boot is what is to be loaded. Initrd may be nil. Name is the kernel's name
// for Multiboot, whose command lines start with it.
type Boot struct {
	Kernel  Source
	Name    string
	Initrd  Source
	Cmdline string
	Modules []Module
}

// Area is an entry of the guest's memory map; Type as in e820: 1 RAM, 2
// reserved, 3 ACPI tables, 4 ACPI NVS.
type Area struct {
	Start, Size uint64
	Type        uint32
}

// Env is the machine that the kernel finds.
type Env struct {
	Mem  *gmem.Memory
	Map  []Area
	RSDP uint64 // 0: none
	// Top is the end of the memory below 4 GiB that a kernel may use.
	Top uint64
}

// Start sets the first processor up.
type Start func(r *vcpu.Regs, s *vcpu.System)

const (
	infoAt    = 0x1000
	gdtAt     = 0x6000
	paramsAt  = 0x7000
	tablesAt  = 0x9000
	stringsAt = 0x20000
	stringsN  = 0x10000
	lowest    = 0x100000
	page      = 4096
)

func bad(format string, a ...any) error {
	return fmt.Errorf("loader: "+format+": %w", append(a, ErrImage)...)
}

func large(format string, a ...any) error {
	return fmt.Errorf("loader: "+format+": %w", append(a, ErrTooLarge)...)
}

// Recognise says what a kernel is, or why it is none.
func Recognise(k Source) (Format, error) {
	head, err := readHead(k)
	if err != nil {
		return "", err
	}
	return recognise(k, head)
}

func recognise(k Source, head []byte) (Format, error) {
	if len(head) >= 0x206 && string(head[0x202:0x206]) == "HdrS" && head[0x1fe] == 0x55 && head[0x1ff] == 0xaa {
		return BzImage, nil
	}
	if off := findMultiboot(head); off >= 0 {
		return Multiboot1, nil
	}
	if len(head) >= 4 && string(head[:4]) == "\x7fELF" {
		f, err := parseELF(k)
		if err != nil {
			return "", err
		}
		if _, ok, err := f.pvhEntry(); err != nil {
			return "", err
		} else if ok {
			return PVH, nil
		}
		return "", bad("the kernel is an ELF file with neither a PVH note nor a Multiboot header")
	}
	return "", bad("the kernel is not a bzImage, a PVH ELF file or a Multiboot image")
}

// readHead is the first 32 KiB of an image, or all of it.
func readHead(k Source) ([]byte, error) {
	if k == nil || k.Size() <= 0 {
		return nil, bad("the kernel is empty")
	}
	b := make([]byte, min(k.Size(), 32<<10))
	if _, err := k.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("loader: read the kernel: %w", err)
	}
	return b, nil
}

// Load loads everything and returns the state that the kernel starts in.
func Load(e Env, b Boot) (Format, Start, error) {
	head, err := readHead(b.Kernel)
	if err != nil {
		return "", nil, err
	}
	f, err := recognise(b.Kernel, head)
	if err != nil {
		return "", nil, err
	}
	l := &load{Env: e, Boot: b, str: stringsAt}
	var s Start
	switch f {
	case BzImage:
		s, err = l.bzImage(head)
	case PVH:
		s, err = l.pvh()
	default:
		s, err = l.multiboot(head)
	}
	if err == nil {
		err = l.bios()
	}
	if err != nil {
		return f, nil, err
	}
	return f, s, nil
}

// load is one loading.
type load struct {
	Env
	Boot
	str uint64 // next free string
}

// copyIn reads n bytes of src from off to gpa.
func (l *load) copyIn(what string, src Source, off int64, gpa, n uint64) error {
	if off < 0 || n > uint64(src.Size()) || off > src.Size()-int64(n) {
		return bad("%s is truncated: %d bytes at %d, the file has %d", what, n, off, src.Size())
	}
	if !l.Mem.Contains(gpa, n) || gpa+n > l.Top {
		return large("%s at %#x, %d bytes; memory ends at %#x", what, gpa, n, l.Top)
	}
	for n > 0 {
		step := min(n, gmem.FrameSize-gpa%gmem.FrameSize)
		w, err := l.Mem.Pin(gpa, step)
		if err != nil {
			return fmt.Errorf("loader: %s: %w", what, err)
		}
		_, err = src.ReadAt(w.Bytes(), off)
		w.Unpin()
		if err != nil && err != io.EOF {
			return fmt.Errorf("loader: read %s: %w", what, err)
		}
		gpa += step
		off += int64(step)
		n -= step
	}
	return nil
}

// text puts a zero-terminated string into low memory.
func (l *load) text(s string) (uint64, error) {
	at := l.str
	if uint64(len(s))+1 > stringsAt+stringsN-at {
		return 0, large("command line and module strings are longer than %d bytes", stringsN)
	}
	for i := range len(s) {
		if s[i] == 0 {
			return 0, bad("a command line has a zero byte in it")
		}
	}
	l.str += uint64(len(s)) + 1
	return at, l.put(at, append([]byte(s), 0))
}

func (l *load) put(gpa uint64, b []byte) error {
	if err := l.Mem.Write(gpa, b); err != nil {
		return fmt.Errorf("loader: %w", err)
	}
	return nil
}

// high places n bytes as high as possible below limit and above floor.
func (l *load) high(what string, n, floor, limit uint64) (uint64, error) {
	limit = min(limit, l.Top)
	if n > limit || (limit-n)&^(page-1) < floor {
		return 0, large("%s of %d bytes: between %#x and %#x", what, n, floor, limit)
	}
	return (limit - n) &^ (page - 1), nil
}

func alignUp(v, a uint64) uint64 { return (v + a - 1) &^ (a - 1) }

// gdt writes a flat descriptor table: 0x10 code and 0x18 data as Linux wants
// them; code is 64-bit when long is set.
func (l *load) gdt(long bool) error {
	code := uint64(0x00cf9b000000ffff)
	if long {
		code = 0x00af9b000000ffff
	}
	b := make([]byte, 40)
	binary.LittleEndian.PutUint64(b[16:], code)
	binary.LittleEndian.PutUint64(b[24:], 0x00cf93000000ffff)
	return l.put(gdtAt, b)
}

// flat is 32-bit protected mode without paging.
func flat(r *vcpu.Regs, s *vcpu.System, eip uint64) {
	r.RIP = eip
	r.RFLAGS = 2
	r.GPR = [vcpu.NumGPR]uint64{}
	data := vcpu.Segment{Limit: 0xffffffff, Attr: 0xc093, Selector: 0x18}
	s.CR0 = vcpu.CR0PE | vcpu.CR0ET
	s.CS = vcpu.Segment{Limit: 0xffffffff, Attr: 0xc09b, Selector: 0x10}
	s.SS, s.DS, s.ES, s.FS, s.GS = data, data, data, data, data
	s.TR = vcpu.Segment{Limit: 0x67, Attr: 0x8b}
	s.LDTR = vcpu.Segment{Attr: vcpu.AttrUnusable | 0x82}
	s.GDTR = vcpu.Table{Base: gdtAt, Limit: 39}
	s.IDTR = vcpu.Table{}
}

// identity writes tables that map the first 4 GiB to themselves.
func (l *load) identity() error {
	b := make([]byte, 6*page)
	le := binary.LittleEndian
	le.PutUint64(b, tablesAt+page|3)
	for i := range uint64(4) {
		le.PutUint64(b[page+8*i:], tablesAt+(2+i)*page|3)
	}
	for i := range uint64(2048) {
		le.PutUint64(b[2*page+8*i:], i<<21|0x83)
	}
	return l.put(tablesAt, b)
}
