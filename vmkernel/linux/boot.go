package linux

import (
	"unsafe"

	"basalt/arch/x86/apic"
	"basalt/arch/x86/cpu"
	"basalt/arch/x86/io"
	"basalt/arch/x86/paging"
	"basalt/boot/info"
	"basalt/vmkernel/pmem"
)

// eagerBSS is how many bytes of the BSS are backed from the start, at their own
// physical addresses. The linker sorts the BSS by size, so what lies beyond are
// the giant arrays that most hosts never touch; page faults back those. Everything
// in this package must lie before it: boot checks that.
const eagerBSS = info.EagerBSS

// What the processor has; set once by boot.
var (
	bootCPU  cpuState
	fsgsbase uint32
	useXSAVE uint32
	xcr0     uint64
	facts    info.Facts
	image    bootHeader
	stopped  uint32
)

// Facts are the boot facts, for the VMkernel proper. They do not change.
func Facts() *info.Facts { return &facts }

// bootHeader is boot/stub's Header; a test holds the two together.
type bootHeader struct {
	Magic, Version             uint64
	BlobStart, BlobEnd         uint64
	ImageStart, ImageEnd       uint64
	TextStart, TextEnd         uint64
	ReadOnlyStart, ReadOnlyEnd uint64
	DataStart, DataEnd         uint64
	BSSEnd                     uint64
	Sum                        uint64
	Entry                      uint64
}

const bootMagic = 0x48_42_54_4c_41_53_41_42

func parseFacts(protocol info.Protocol, at uint64) info.Problem {
	switch protocol {
	case info.PVH:
		return facts.ParsePVH(readPhysical, at)
	case info.Multiboot2:
		return facts.ParseMultiboot2(readPhysical, at)
	case info.UEFI:
		return facts.ParseUEFI(readPhysical, at)
	}
	return info.ErrMagic
}

const maxReserved = 16 + info.MaxModules

var (
	usable   [info.MaxRegions]pmem.Region
	reserved [maxReserved]pmem.Region
)

// readPhysical copies from physical memory below 4 GiB, as boot/stub mapped it.
func readPhysical(pa uint64, b []byte) bool {
	if pa+uint64(len(b)) < pa || pa+uint64(len(b)) > 1<<32 {
		return false
	}
	// SAFETY: boot/stub mapped the first 4 GiB at DirectMap.
	src := unsafe.Slice((*byte)(at(paging.DirectMap+uintptr(pa))), len(b))
	copy(b, src)
	return true
}

// boot runs on the first processor with interrupts off and never returns.
func boot(protocol, infoAt, headerAt uint64) {
	ttyInit()
	// SAFETY: boot/stub passed the address of its own header.
	image = *(*bootHeader)(at(uintptr(headerAt)))
	if image.Magic != bootMagic {
		die("boot: the boot header is damaged", nil)
	}
	if p := parseFacts(info.Protocol(protocol), infoAt); p != info.None {
		die(p.Error(), nil)
	}
	if uintptr(unsafe.Pointer(&bootCPU))+unsafe.Sizeof(bootCPU) > uintptr(image.DataEnd+eagerBSS) ||
		uintptr(unsafe.Pointer(&sched))+unsafe.Sizeof(sched) > uintptr(image.DataEnd+eagerBSS) ||
		bootStackAt()+unsafe.Sizeof(bootStack) > uintptr(image.DataEnd+eagerBSS) ||
		earlyStacksAt()+unsafe.Sizeof(earlyStacks) > uintptr(image.DataEnd+eagerBSS) {
		die("boot: eagerBSS is too small for this image", nil)
	}
	maskPIC()
	detect()
	initMemory()
	initIDT()
	bootCPU.useEarlyStacks()
	initCPU(&bootCPU)
	mm.init()
	loadMADT()
	initClock()
	sched.init()
	bootCPU.online = 1
	initCPUThreads(&bootCPU)
	startOthers()
	seedRandom()
	startMain()
	pmem.Started()
	bootCPU.useHandlerStack()
	enter()
}

// maskPIC turns the two 8259s off: a BIOS leaves them delivering the PIT's tick
// at vector 8, which here is the double fault (SDM Vol. 3A, 6.15).
func maskPIC() {
	io.Out8(0x21, 0xff)
	io.Out8(0xa1, 0xff)
}

// detect finds the features that entry code asks for on every path.
func detect() {
	max, _, _, _ := cpu.CPUID(0, 0)
	_, _, c, _ := cpu.CPUID(1, 0)
	if max >= 7 {
		_, b, _, _ := cpu.CPUID(7, 0)
		if b&1 != 0 {
			fsgsbase = 1
		}
	}
	if c&(1<<26) != 0 && max >= 0xd {
		useXSAVE = 1
		lo, _, _, hi := cpu.CPUID(0xd, 0)
		xcr0 = (uint64(hi)<<32 | uint64(lo)) & 0xe7 // x87 SSE AVX, AVX-512
	}
}

// initMemory gives the usable memory to pmem, less what holds something.
func initMemory() {
	n := 0
	for i := 0; i < facts.NumRegions; i++ {
		if r := &facts.Regions[i]; r.Kind == info.Usable {
			usable[n] = pmem.Region{Start: r.Start, End: r.End}
			n++
		}
	}
	eager := image.DataEnd + eagerBSS
	if eager > image.BSSEnd {
		eager = image.BSSEnd
	}
	reserved[0] = pmem.Region{Start: 0, End: 1 << 20}
	reserved[1] = pmem.Region{Start: image.BlobStart, End: image.BlobEnd}
	reserved[2] = pmem.Region{Start: image.ImageStart &^ 4095, End: (eager + 4095) &^ 4095}
	m := 3
	for i := 0; i < facts.NumModules; i++ {
		reserved[m] = pmem.Region{Start: facts.Modules[i].Start, End: facts.Modules[i].End}
		m++
	}
	// Until our own tables are loaded only the first 4 GiB can be reached.
	if !pmem.Init(usable[:n], reserved[:m]) {
		die("boot: no memory for the frame table", nil)
	}
}

// initCPU loads descriptor tables and control registers of the processor that
// runs it.
func initCPU(c *cpuState) {
	initDescriptors(c)
	cr4 := cpu.ReadCR4() | 1<<9 | 1<<10 // OSFXSR OSXMMEXCPT
	max, _, _, _ := cpu.CPUID(0, 0)
	if max >= 7 {
		_, b, _, _ := cpu.CPUID(7, 0)
		if b&(1<<7) != 0 {
			cr4 |= 1 << 20 // SMEP
		}
	}
	if fsgsbase != 0 {
		cr4 |= 1 << 16
	}
	if useXSAVE != 0 {
		cr4 |= 1 << 18
	}
	cpu.WriteCR4(cr4)
	if useXSAVE != 0 {
		cpu.XSETBV(0, xcr0)
	}
	// Caches on (INIT leaves CD and NW as they were), EM and TS off; WP NE MP on.
	cpu.WriteCR0(cpu.ReadCR0()&^(1<<30|1<<29|1<<2|1<<3) | 1<<16 | 1<<5 | 1<<1)
	if _, _, _, d := cpu.CPUID(1, 0); d&(1<<16) != 0 {
		cpu.WRMSR(msrPAT, patReset) // firmware may leave another, and another on each processor
	}
	cpu.WRMSR(msrEFER, cpu.RDMSR(msrEFER)|1|1<<11) // SCE NXE
	_, syscallAt, _, _, _ := addresses()
	cpu.WRMSR(msrSTAR, 0x08<<32)
	cpu.WRMSR(msrLSTAR, uint64(syscallAt))
	cpu.WRMSR(msrSFMASK, 1<<9|1<<10|1<<8|1<<18) // IF DF TF AC
}

const (
	msrPAT    = 0x277
	patReset  = 0x0007_0406_0007_0406 // SDM Vol. 3A, 12.12.4: entry 3 is uncached
	msrEFER   = 0xc000_0080
	msrSTAR   = 0xc000_0081
	msrLSTAR  = 0xc000_0082
	msrSFMASK = 0xc000_0084
)

func addresses() (vectors, syscall, idle, rt0, clock uintptr)
func setVDSO()
func enter()
func loadSegments(tss uint16)

// startMain makes the runtime's first thread: a Linux process at its entry point
// (System V ABI, AMD64 supplement 1.0, 3.4.1 "Initial Stack and Register State").
func startMain() {
	t := newThread()
	if t == nil {
		die("boot: no memory for the first thread", nil)
	}
	mainTID = t.tid
	const stack = 256 << 10
	top, ok := mm.mapAnon(0, stack, protRead|protWrite, 0)
	if !ok || !mm.ensure(top+stack-8192, 8192) {
		die("boot: no memory for the first stack", nil)
	}
	sp := top + stack
	// SAFETY: ensure backed the top two pages of the stack just above.
	block := (*[1024]uint64)(at(sp - 8192))
	text := (*[4096]byte)(at(sp - 4096))
	args := uint64(0)
	used := 0
	put := func(i int) {
		block[i] = uint64(sp-4096) + uint64(used)
	}
	// The first argument is the program's name; the rest come from the command
	// line behind "--", split at blanks.
	const base = 0
	i := base + 1
	put(i)
	used += copy(text[used:], "vmkernel\x00")
	i++
	args++
	rest := argsOf(&facts)
	for len(rest) > 0 && used < 3500 && i < 300 {
		for len(rest) > 0 && rest[0] == ' ' {
			rest = rest[1:]
		}
		n := 0
		for n < len(rest) && rest[n] != ' ' {
			n++
		}
		if n == 0 {
			break
		}
		put(i)
		used += copy(text[used:3600], rest[:n])
		text[used] = 0
		used++
		i++
		args++
		rest = rest[n:]
	}
	block[base] = args
	i++ // argv ends with nil
	put(i)
	used += copy(text[used:], "HOME=/\x00")
	i++
	put(i)
	used += copy(text[used:], "TMPDIR=/tmp\x00")
	i++
	put(i)
	used += copy(text[used:], "PATH=/\x00")
	i++
	i++                            // environment ends with nil
	block[i], block[i+1] = 6, 4096 // AT_PAGESZ
	block[i+2], block[i+3] = 25, uint64(sp-32)
	random := (*[16]byte)(at(sp - 32))
	fillRandom(random[:])
	block[i+4], block[i+5] = 0, 0
	_, _, _, rt0, _ := addresses()
	t.frame.rip = uint64(rt0)
	t.frame.rsp = uint64(sp - 8192)
	t.frame.vector = vectorSyscall
	setVDSO()
	sched.first(t)
}

// argsOf is what stands behind "--" on the command line.
func argsOf(f *info.Facts) []byte {
	line := f.CmdLine[:f.CmdLineLen]
	for i := 0; i+1 < len(line); i++ {
		if line[i] == '-' && line[i+1] == '-' && (i == 0 || line[i-1] == ' ') && (i+2 == len(line) || line[i+2] == ' ') {
			return line[i+2:]
		}
	}
	return nil
}

// initDescriptors builds and loads GDT, IDT and TSS (SDM Vol. 3A, 3.5, 6.10, 8.7).
func initDescriptors(c *cpuState) {
	c.gdt[1] = 0x00af9a000000ffff // 64-bit code
	c.gdt[2] = 0x00cf92000000ffff // data
	base := uint64(uintptr(unsafe.Pointer(&c.tss)))
	c.gdt[3] = 103 | base&0xffffff<<16 | 0x89<<40 | base>>24&0xff<<56
	c.gdt[4] = base >> 32
	for i, p := range [...]uintptr{c.frameTop, c.istNMI, c.istDF, c.istMC} {
		setTSS(c, i, p)
	}
	c.tss[102], c.tss[103] = 104, 0
	var op [10]byte
	pseudo(&op, 5*8-1, uint64(uintptr(unsafe.Pointer(&c.gdt))))
	cpu.LGDT(uintptr(unsafe.Pointer(&op)))
	pseudo(&op, uint16(unsafe.Sizeof(idt)-1), uint64(uintptr(unsafe.Pointer(&idt))))
	cpu.LIDT(uintptr(unsafe.Pointer(&op)))
	loadSegments(0x18)
}

// setTSS stores interrupt stack i+1.
func setTSS(c *cpuState, i int, p uintptr) {
	off := 0x24 + 8*i
	for k := 0; k < 8; k++ {
		c.tss[off+k] = byte(p >> (8 * k))
	}
}

func pseudo(op *[10]byte, limit uint16, base uint64) {
	op[0], op[1] = byte(limit), byte(limit>>8)
	for k := 0; k < 8; k++ {
		op[2+k] = byte(base >> (8 * k))
	}
}

var idt [256][2]uint64

func initIDT() {
	v, _, _, _, _ := addresses()
	for i := range idt {
		ist := uint64(1)
		switch i {
		case 2:
			ist = 2
		case 8:
			ist = 3
		case 18:
			ist = 4
		}
		a := uint64(v) + uint64(i)*32
		idt[i][0] = a&0xffff | 0x08<<16 | ist<<32 | 0x8e<<40 | a>>16&0xffff<<48
		idt[i][1] = a >> 32
	}
}

// initAPIC turns on the local APIC of the processor that runs it.
func initAPIC(c *cpuState) {
	apic.Init(lapicWindow, vectorSpurious)
	c.apicID = apic.ID()
	apic.TimerVector(vectorTimer)
}
