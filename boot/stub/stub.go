package stub

import (
	"basalt/boot/asm"
	"fmt"
)

// Blob is the built boot blob.
type Blob struct {
	Bytes []byte // FileSize bytes, loaded at Base
	// PVHEntry and MultibootEntry are physical addresses.
	PVHEntry, MultibootEntry uint64
	NoteOff, NoteSize        uint64 // the Xen note inside Bytes
	Code                     *asm.Code
}

// Control bits, with the manual's names.
const (
	cr0PE, cr0MP, cr0EM, cr0TS, cr0NE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 5
	cr0WP, cr0NW, cr0CD, cr0PG        = 1 << 16, 1 << 29, 1 << 30, 1 << 31
	cr4PAE, cr4OSFXSR, cr4OSXMMEXCPT  = 1 << 5, 1 << 9, 1 << 10
	cr4LA57                           = 1 << 12
	efer, eferLME, eferNXE            = 0xc0000080, 1 << 8, 1 << 11
	cpuidLM, cpuidNX                  = 1 << 29, 1 << 20 // leaf 0x80000001, EDX
	ptePresent, pteWrite, ptePS       = 1, 2, 0x80
	selCode, selData, selCode32       = 0x08, 0x10, 0x18
	mb2Magic                          = 0x36d76289
	com1                              = 0x3f8
)

// Build makes the blob for a kernel described by h (Magic, Version, BlobStart
// and BlobEnd are filled in here).
func Build(h Header) (*Blob, error) {
	h.Magic, h.Version, h.BlobStart, h.BlobEnd = Magic, HeaderVersion, Base, End
	c := asm.New(Base, 32)
	multibootHeader(c)
	c.PadTo(HeaderOff)
	c.Label("header")
	enc := h.Append(nil)
	c.Data("boot header", enc[:len(enc)-16]...)
	c.Label("sum")
	c.Data("Sum", enc[len(enc)-16:len(enc)-8]...)
	c.Label("entry")
	c.Data("Entry", enc[len(enc)-8:]...)
	c.PadTo(noteOff)
	noteSize := xenNote(c)
	c.PadTo(UEFIEntry - Base)
	c.Jmp("uefi", "the fixed entry; the same bytes in mode 32")
	c.PadTo(codeOff)

	entries32(c)
	copyMultiboot(c)
	longMode(c)
	pageTables(c)
	entry64(c)
	whole(c, h)
	leave57(c)
	noLongMode(c)
	tablesData(c)
	c.PadTo(FileSize)

	b, err := c.Link()
	if err != nil {
		return nil, fmt.Errorf("stub: building the boot blob: %w", err)
	}
	at := func(label string) uint64 { o, _ := c.Offset(label); return Base + uint64(o) }
	return &Blob{
		Bytes: b, PVHEntry: at("pvh"), MultibootEntry: at("multiboot2"),
		NoteOff: noteOff, NoteSize: noteSize, Code: c,
	}, nil
}

// entries32 are the 32-bit ways in. From here on ESI is the protocol and EBP
// its information structure.
func entries32(c *asm.Code) {
	c.Label("pvh")
	c.MovRI(asm.SI, ProtocolPVH, "protocol")
	c.Mov(asm.BP, asm.BX, "hvm_start_info")
	c.Jmp("start32", "")

	c.Label("multiboot2")
	c.OpI(asm.Cmp, asm.AX, mb2Magic, "really multiboot2?")
	c.Jcc(asm.CNE, "halt", "no: nothing can be trusted")
	c.Raw("string instructions count up", 0xfc)
	c.MovRI(asm.SP, StackTop, "")
	c.Call("copyinfo", "out of the way of the BSS; gives EBP")
	c.MovRI(asm.SI, ProtocolMultiboot2, "protocol")
	c.Jmp("start32", "")
}

// copyMultiboot copies the information at EBX, and the first module that it
// names, into the blob. Result in EBP. Uses EAX ECX EDX ESI EDI.
func copyMultiboot(c *asm.Code) {
	c.Label("copyinfo")
	c.Mov(asm.BP, asm.BX, "where it is, should it stay there")
	c.Load(asm.CX, asm.At(asm.BX, 0), "total_size")
	c.OpI(asm.Cmp, asm.CX, copyLimit, "")
	c.Jcc(asm.CA, "copied", "too large: leave it")
	c.OpI(asm.Cmp, asm.CX, 16, "fixed part and one end tag")
	c.Jcc(asm.CB, "copied", "nonsense: the parser will say so")
	c.Mov(asm.SI, asm.BX, "from")
	c.MovRI(asm.DI, infoCopy, "to")
	c.Mov(asm.BP, asm.DI, "the copy counts from now on")
	c.Raw("copy ECX bytes", 0xf3, 0xa4)
	c.Mov(asm.DX, asm.DI, "end of the copy")
	c.MovRI(asm.BX, infoCopy+8, "first tag")
	c.Label("tag")
	c.Mov(asm.AX, asm.DX, "")
	c.Op(asm.Sub, asm.AX, asm.BX, "bytes left")
	c.Jcc(asm.CB, "copied", "behind the end")
	c.OpI(asm.Cmp, asm.AX, 16, "room for a module tag?")
	c.Jcc(asm.CB, "copied", "")
	c.OpMemI(asm.Cmp, asm.At(asm.BX, 0), 3, "type: module")
	c.Jcc(asm.CE, "module", "")
	c.Load(asm.CX, asm.At(asm.BX, 4), "size of the tag")
	c.OpI(asm.Cmp, asm.CX, 8, "")
	c.Jcc(asm.CB, "copied", "nonsense: stop")
	c.Op(asm.Cmp, asm.CX, asm.AX, "")
	c.Jcc(asm.CA, "copied", "nonsense: stop")
	c.OpI(asm.Add, asm.CX, 7, "tags start at multiples of 8")
	c.OpI(asm.And, asm.CX, ^uint32(7), "")
	c.Op(asm.Add, asm.BX, asm.CX, "next tag")
	c.Jmp("tag", "")
	c.Label("module")
	c.Load(asm.SI, asm.At(asm.BX, 8), "mod_start")
	c.Load(asm.CX, asm.At(asm.BX, 12), "mod_end")
	c.Op(asm.Sub, asm.CX, asm.SI, "size")
	c.Jcc(asm.CB, "copied", "nonsense: leave it")
	c.OpI(asm.Cmp, asm.CX, copyLimit, "")
	c.Jcc(asm.CA, "copied", "too large: leave it")
	c.MovRI(asm.DI, modCopy, "to")
	c.Store(asm.At(asm.BX, 8), asm.DI, "mod_start of the copy")
	c.Raw("copy ECX bytes", 0xf3, 0xa4)
	c.Store(asm.At(asm.BX, 12), asm.DI, "mod_end of the copy")
	c.Label("copied")
	c.Raw("", 0xc3)
}

// longMode takes the 32-bit ways to long mode: ESI protocol, EBP information.
func longMode(c *asm.Code) {
	c.Label("start32")
	c.Raw("", 0xfa)
	c.Raw("", 0xfc)
	c.MovRI(asm.SP, StackTop, "")
	c.MovRI(asm.AX, 0x80000000, "largest extended leaf")
	c.Raw("", 0x0f, 0xa2)
	c.OpI(asm.Cmp, asm.AX, 0x80000001, "")
	c.Jcc(asm.CB, "nolm", "no extended features at all")
	c.MovRI(asm.AX, 0x80000001, "extended features")
	c.Raw("", 0x0f, 0xa2)
	c.TestI(asm.DX, cpuidLM, "long mode?")
	c.Jcc(asm.CE, "nolm", "")
	c.Mov(asm.BX, asm.DX, "keep for NX")

	c.Call("pagetables", "")
	c.MovRI(asm.AX, cr4PAE|cr4OSFXSR|cr4OSXMMEXCPT, "nothing of the loader's stays: four levels")
	c.Raw("mov cr4, eax", 0x0f, 0x22, 0xe0)
	c.MovRI(asm.AX, tables, "PML4")
	c.Raw("mov cr3, eax", 0x0f, 0x22, 0xd8)
	c.MovRI(asm.CX, efer, "")
	c.Raw("", 0x0f, 0x32)
	c.OpI(asm.Or, asm.AX, eferLME, "")
	c.TestI(asm.BX, cpuidNX, "NX known?")
	c.Jcc(asm.CE, "nonx32", "")
	c.OpI(asm.Or, asm.AX, eferNXE, "")
	c.Label("nonx32")
	c.Raw("", 0x0f, 0x30)
	c.Raw("mov eax, cr0", 0x0f, 0x20, 0xc0)
	cr0Bits(c)
	c.Raw("mov cr0, eax: paging on", 0x0f, 0x22, 0xc0)
	c.LGDT(asm.Ref("gdtr"), "")
	c.JmpFar(selCode, "long", "now in 64-bit mode")
}

// cr0Bits sets EAX to what CR0 shall be. The same bytes in both modes.
func cr0Bits(c *asm.Code) {
	c.OpI(asm.And, asm.AX, ^uint32(cr0EM|cr0TS|cr0NW|cr0CD), "SSE on, caches on")
	c.OpI(asm.Or, asm.AX, cr0PE|cr0MP|cr0NE|cr0WP|cr0PG, "")
}

// pageTables maps 4 GiB at 0 and at DirectMap. Only encodings that mean the
// same in mode 32 and mode 64; called from both. Uses EAX ECX EDX EDI.
func pageTables(c *asm.Code) {
	const next = ptePresent | pteWrite
	c.Label("pagetables")
	c.MovRI(asm.DI, tables, "PML4 and PDPT")
	c.Raw("", 0x31, 0xc0)
	c.MovRI(asm.CX, 2*4096/4, "")
	c.Raw("all zero; EDI = first directory", 0xf3, 0xab)
	c.MovRI(asm.DX, tables, "")
	c.StoreI(asm.At(asm.DX, 0), tables+0x1000|next, "PML4[0] -> PDPT")
	c.StoreI(asm.At(asm.DX, 256*8), tables+0x1000|next, "PML4[256] -> PDPT")
	for i := int32(0); i < 4; i++ {
		c.StoreI(asm.At(asm.DX, 0x1000+8*i), uint32(tables+0x2000+0x1000*i)|next, fmt.Sprintf("PDPT[%d] -> directory %d", i, i))
	}
	c.MovRI(asm.AX, ptePresent|pteWrite|ptePS, "2 MiB page at 0")
	c.Raw("", 0x31, 0xd2)
	c.MovRI(asm.CX, 4*512, "pages")
	c.Label("page")
	c.Store(asm.At(asm.DI, 0), asm.AX, "entry, low half")
	c.Store(asm.At(asm.DI, 4), asm.DX, "entry, high half: 0")
	c.OpI(asm.Add, asm.AX, 0x200000, "next page")
	c.OpI(asm.Add, asm.DI, 8, "next entry")
	c.OpI(asm.Sub, asm.CX, 1, "")
	c.Jcc(asm.CNE, "page", "")
	c.Raw("", 0xc3)
}

// entry64 is the way in from UEFI, and the common last part.
func entry64(c *asm.Code) {
	c.SetMode(64)
	c.Label("uefi")
	c.Raw("", 0xfa)
	c.Raw("", 0xfc)
	c.Mov64(asm.BP, asm.SI, "information")
	c.MovRI(asm.SI, ProtocolUEFI, "protocol")
	c.MovRI(asm.SP, StackTop, "")
	c.Raw("mov rax, cr4", 0x0f, 0x20, 0xe0)
	c.TestI(asm.AX, cr4LA57, "five levels of page tables?")
	c.Jcc(asm.CNE, "leave57", "only without paging can that be changed")
	c.Call("pagetables", "the firmware's tables are still in use")
	c.MovRI(asm.AX, 0x80000001, "extended features")
	c.Raw("", 0x0f, 0xa2)
	c.TestI(asm.DX, cpuidNX, "NX known?")
	c.Jcc(asm.CE, "nonx64", "")
	c.MovRI(asm.CX, efer, "")
	c.Raw("", 0x0f, 0x32)
	c.OpI(asm.Or, asm.AX, eferNXE, "")
	c.Raw("", 0x0f, 0x30)
	c.Label("nonx64")
	c.MovRI(asm.AX, cr4PAE|cr4OSFXSR|cr4OSXMMEXCPT, "nothing of the firmware's stays")
	c.Raw("mov cr4, rax", 0x0f, 0x22, 0xe0)
	c.Raw("mov rax, cr0", 0x0f, 0x20, 0xc0)
	cr0Bits(c)
	c.Raw("mov cr0, rax", 0x0f, 0x22, 0xc0)
	c.MovRI(asm.AX, tables, "PML4")
	c.Raw("mov cr3, rax: our tables", 0x0f, 0x22, 0xd8)
	c.LGDT(asm.Ref("gdtr"), "")
	c.MovRI(asm.AX, selCode, "")
	c.Push(asm.AX, "new CS")
	c.Lea(asm.AX, asm.Ref("long"), "")
	c.Push(asm.AX, "new RIP")
	c.Raw("far return: load CS", 0x48, 0xcb)

	c.Label("long")
	c.MovRI(asm.AX, selData, "")
	for _, s := range []struct {
		name string
		reg  byte
	}{{"ds", 0xd8}, {"es", 0xc0}, {"ss", 0xd0}, {"fs", 0xe0}, {"gs", 0xe8}} {
		c.Raw("mov "+s.name+", eax", 0x8e, s.reg)
	}
	c.MovRI(asm.SP, StackTop, "")
	c.Raw("", 0x6a, 0x02)
	c.Raw("RFLAGS = 2", 0x9d)
	c.Raw("x87 at its defaults", 0xdb, 0xe3)
	c.LDMXCSR(asm.Ref("mxcsr"), "SSE at its defaults")
	c.Call("whole", "is the kernel what was loaded? Stops if not")
	c.Mov(asm.DI, asm.SI, "protocol")
	c.Mov64(asm.SI, asm.BP, "information")
	c.MovRA(asm.DX, "header", "boot header")
	c.JmpMem(asm.Ref("entry"), "the kernel")
}

// whole adds up the kernel's segments as Sum does and says on COM1 when they are
// not what was linked: a loader, or firmware that ran after it, wrote over them.
// Mode 64. Uses RAX RCX RDX R8 R9.
func whole(c *asm.Code, h Header) {
	const unit = 8
	c.SetMode(64)
	c.Label("whole")
	c.Raw("the sum", 0x31, 0xc0)
	for _, s := range [...]struct {
		name       string
		start, end uint64
	}{{"text", h.TextStart, h.TextEnd}, {"read-only", h.ReadOnlyStart, h.ReadOnlyEnd}, {"data", h.DataStart, h.DataEnd}} {
		words := (s.end - s.start) / unit
		c.MovRI(asm.R8, uint32(s.start), s.name)
		c.MovRI(asm.CX, uint32(words/4), "steps of four words")
		c.MovRI(asm.DX, uint32(words%4), "words behind them")
		c.Call("addup", "")
	}
	c.OpMem64(asm.Cmp, asm.AX, asm.Ref("sum"), "as linked?")
	c.Jcc(asm.CNE, "damaged", "")
	c.Raw("", 0xc3)

	c.Label("addup")
	c.Test64(asm.CX, "")
	c.Jcc(asm.CE, "addrest", "less than four")
	c.Label("addfour")
	for i := range int32(4) {
		c.OpMem64(asm.Add, asm.AX, asm.At(asm.R8, i*unit), "")
	}
	c.OpI64(asm.Add, asm.R8, 4*unit, "")
	c.OpI64(asm.Sub, asm.CX, 1, "")
	c.Jcc(asm.CNE, "addfour", "")
	c.Label("addrest")
	c.Test64(asm.DX, "")
	c.Jcc(asm.CE, "added", "")
	c.OpMem64(asm.Add, asm.AX, asm.At(asm.R8, 0), "")
	c.OpI64(asm.Add, asm.R8, unit, "")
	c.OpI64(asm.Sub, asm.DX, 1, "")
	c.Jmp("addrest", "")
	c.Label("added")
	c.Raw("", 0xc3)

	c.Label("damaged")
	c.MovRA(asm.SI, "damagedtext", "")
	c.MovRI(asm.DX, com1, "")
	c.Label("damagednext")
	c.Raw("", 0xac)
	c.Raw("the end of the text?", 0x84, 0xc0)
	c.Jcc(asm.CE, "damagedhalt", "")
	c.Raw("", 0xee)
	c.Jmp("damagednext", "")
	c.Label("damagedhalt")
	c.Raw("", 0xfa)
	c.Raw("", 0xf4)
	c.Jmp("damagedhalt", "")
}

// leave57 leaves long mode, switches five-level page tables off and goes the way of
// the 32-bit entries (SDM Vol. 3A, 4.1.1: LA57 cannot be changed in IA-32e mode).
func leave57(c *asm.Code) {
	c.SetMode(64)
	c.Label("leave57")
	c.MovRI(asm.AX, cr4PAE|cr4LA57, "not PCIDE: paging could not be turned off")
	c.Raw("mov cr4, rax", 0x0f, 0x22, 0xe0)
	c.LGDT(asm.Ref("gdtr"), "")
	c.MovRI(asm.AX, selCode32, "")
	c.Push(asm.AX, "new CS")
	c.Lea(asm.AX, asm.Ref("compatible"), "")
	c.Push(asm.AX, "new RIP")
	c.Raw("far return: compatibility mode", 0x48, 0xcb)

	c.SetMode(32)
	c.Label("compatible")
	c.MovRI(asm.AX, selData, "")
	c.Raw("mov ds, eax", 0x8e, 0xd8)
	c.Raw("mov es, eax", 0x8e, 0xc0)
	c.Raw("mov ss, eax", 0x8e, 0xd0)
	c.Raw("mov eax, cr0", 0x0f, 0x20, 0xc0)
	c.OpI(asm.And, asm.AX, ^uint32(cr0PG), "")
	c.Raw("mov cr0, eax: paging off; we run where we are mapped", 0x0f, 0x22, 0xc0)
	c.MovRI(asm.CX, efer, "")
	c.Raw("", 0x0f, 0x32)
	c.OpI(asm.And, asm.AX, ^uint32(eferLME), "")
	c.Raw("", 0x0f, 0x30)
	c.Jmp("start32", "ESI protocol, EBP information")
}

// noLongMode says so on COM1 and stops.
func noLongMode(c *asm.Code) {
	c.SetMode(32)
	c.Label("nolm")
	c.MovRA(asm.SI, "nolmtext", "")
	c.MovRI(asm.DX, com1, "")
	c.Label("nolmnext")
	c.Raw("", 0xac)
	c.Raw("the end of the text?", 0x84, 0xc0)
	c.Jcc(asm.CE, "halt", "")
	c.Raw("", 0xee)
	c.Jmp("nolmnext", "")
	c.Label("halt")
	c.Raw("", 0xfa)
	c.Raw("", 0xf4)
	c.Jmp("halt", "")
}

// tablesData are the constants behind the code.
func tablesData(c *asm.Code) {
	c.Label("nolmtext")
	c.Data("", []byte("basalt: this processor has no 64-bit mode\r\n\x00")...)
	c.Label("damagedtext")
	c.Data("", []byte("basalt: the kernel was written over in memory between its loader and its start "+
		"(firmware uses memory below the end of RAM): give the machine more memory, or load it anew\r\n\x00")...)
	c.Align(16)
	c.Label("gdt")
	c.Data64("null", 0)
	c.Data64("0x08: 64-bit code", 0x00af9b000000ffff)
	c.Data64("0x10: flat data", 0x00cf93000000ffff)
	c.Data64("0x18: 32-bit code", 0x00cf9b000000ffff)
	c.Label("gdtr")
	c.Data("limit", 31, 0)
	c.Addr64("base", "gdt")
	c.Align(4)
	c.Label("mxcsr")
	c.Data32("all exceptions masked, round to nearest", 0x1f80)
}
