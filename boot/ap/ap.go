package ap

// Page is the physical address of the trampoline: the start-up interrupt can name
// only pages below 1 MiB, and firmware leaves this one alone.
const Page = 0x8000

// Start is what the trampoline hands a processor.
type Start struct {
	CR3   uint64 // below 4 GiB; maps Page to itself
	CPU   uint64 // goes to RBX
	Stack uint64 // goes to RSP
	Entry uint64 // is jumped to
}

// Offsets of the data in the page.
const (
	offGDT   = 0x100
	offGDTR  = 0x120
	offCR3   = 0x130
	offCPU   = 0x138
	offStack = 0x140
	offEntry = 0x148
	off32    = 0x40
	off64    = 0x80
)

// real is entered at Page:0 with CS = Page>>4.
var real = [...]byte{
	0xfa,       // cli
	0x31, 0xc0, // xor ax, ax
	0x8e, 0xd8, // mov ds, ax
	0x0f, 0x01, 0x16, (Page + offGDTR) & 0xff, (Page + offGDTR) >> 8, // lgdt [GDTR]
	0x0f, 0x20, 0xc0, // mov eax, cr0
	0x0c, 0x01, // or al, 1 (PE)
	0x0f, 0x22, 0xc0, // mov cr0, eax
	0x66, 0xea, off32, Page >> 8, 0, 0, 0x08, 0x00, // jmp far 0x08:protected
}

var protected = [...]byte{
	0xb8, 0x10, 0, 0, 0, // mov eax, 0x10
	0x8e, 0xd8, // mov ds, ax
	0x8e, 0xc0, // mov es, ax
	0x8e, 0xd0, // mov ss, ax
	0xb8, 0x20, 0x06, 0, 0, // mov eax, PAE | OSFXSR | OSXMMEXCPT
	0x0f, 0x22, 0xe0, // mov cr4, eax
	0xa1, offCR3 & 0xff, (Page + offCR3) >> 8, 0, 0, // mov eax, [CR3]
	0x0f, 0x22, 0xd8, // mov cr3, eax
	0xb9, 0x80, 0x00, 0x00, 0xc0, // mov ecx, EFER
	0x0f, 0x32, // rdmsr
	0x0d, 0x00, 0x09, 0x00, 0x00, // or eax, LME | NXE
	0x0f, 0x30, // wrmsr
	0xb8, 0x33, 0x00, 0x01, 0x80, // mov eax, PG | WP | NE | ET | MP | PE
	0x0f, 0x22, 0xc0, // mov cr0, eax
	0xea, off64, Page >> 8, 0, 0, 0x18, 0x00, // jmp far 0x18:long
}

var long = [...]byte{
	0x48, 0x8b, 0x1c, 0x25, offCPU & 0xff, (Page + offCPU) >> 8, 0, 0, // mov rbx, [CPU]
	0x48, 0x8b, 0x24, 0x25, offStack & 0xff, (Page + offStack) >> 8, 0, 0, // mov rsp, [Stack]
	0x48, 0x8b, 0x04, 0x25, offEntry & 0xff, (Page + offEntry) >> 8, 0, 0, // mov rax, [Entry]
	0xff, 0xe0, // jmp rax
}

// gdt: null, 32-bit code, data, 64-bit code. All are marked accessed: the page is
// mapped read-only once paging is on, and a processor that had to set the mark
// would fault (SDM Vol. 3A, 3.4.5.1 "Code- and Data-Segment Descriptor Types", edition 085).
var gdt = [...]uint64{0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff}

// Write fills in the page, of at least 512 bytes, for the next processor.
func Write(page []byte, s Start) {
	copy(page, real[:])
	copy(page[off32:], protected[:])
	copy(page[off64:], long[:])
	for i, d := range gdt {
		put(page, offGDT+8*i, d)
	}
	put(page, offGDTR, uint64(len(gdt)*8-1)|(Page+offGDT)<<16)
	put(page, offCR3, s.CR3)
	put(page, offCPU, s.CPU)
	put(page, offStack, s.Stack)
	put(page, offEntry, s.Entry)
}

func put(b []byte, off int, v uint64) {
	for i := range 8 {
		b[off+i] = byte(v >> (8 * i))
	}
}
