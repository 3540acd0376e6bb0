package uefi

import "basalt/boot/asm"

// Registers that keep their meaning through the whole loader: the firmware's
// calling convention preserves them.
const (
	rBoot  = asm.BX  // boot services
	rLow   = asm.R12 // the allocation below 4 GiB
	rFile  = asm.R13 // EFI_FILE_PROTOCOL of the file being read
	rCount = asm.R14
	rEntry = asm.R15 // a pointer that walks
)

// frame is the stack frame: 32 bytes for callees, then arguments 5 to 8, and
// what keeps the stack aligned behind 8 pushes and the return address.
const frame = 0x48

// program assembles the loader at address 0x1000 relative to the image. Code
// comes first; the data begins at the label "data", on a page of its own.
func program() *asm.Code {
	c := asm.New(codeRVA, 64)
	start(c)
	findKernel(c)
	readFiles(c)
	acpi(c)
	screen(c)
	loadOptions(c)
	checkTarget(c)
	exitBootServices(c)
	failures(c)
	openFile(c)
	printText(c)
	low(c)
	c.Align(pageSize)
	c.Label("data")
	variables(c)
	c.Align(pageSize)
	return c
}

// start saves what the firmware wants preserved and notes its tables.
func start(c *asm.Code) {
	c.Label("start")
	for _, r := range saved {
		c.Push(r, "")
	}
	c.OpI64(asm.Sub, asm.SP, frame, "room for arguments")
	c.Store64(asm.Ref("image"), asm.CX, "image handle")
	c.Store64(asm.Ref("systable"), asm.DX, "system table")
	c.Load64(rBoot, asm.At(asm.DX, stBootServices), "")
	c.Lea(asm.CX, asm.Ref("hello"), "")
	c.Call("print", "")
	c.Raw("mov rax, cr4", 0x0f, 0x20, 0xe0)
	c.TestI(asm.AX, cr4LA57, "five-level page tables?")
	c.Jcc(asm.CE, "fourlevels", "")
	c.Lea(asm.CX, asm.Ref("fivelevels"), "")
	c.Call("print", "")
	c.Label("fourlevels")
}

const cr4LA57 = 1 << 12

var saved = []asm.Reg{asm.BX, asm.BP, asm.DI, asm.SI, asm.R12, asm.R13, asm.R14, asm.R15}

// failTexts are the messages of the bad ends, each with a label of its own.

var failTexts = []string{
	"no loaded image protocol",
	"no volume that can be read",
	"basalt.elf not found",
	"basalt.elf has an impossible size",
	"not enough memory below 4 GiB",
	"cannot read basalt.elf",
	"basalt.elf is not a Basalt kernel",
	"the memory for the kernel is in use by the firmware",
	"no memory map",
}

// fail leaves with the message if the condition holds.
func fail(c *asm.Code, cc asm.Cond, text string) { c.Jcc(cc, "fail: "+text, "") }

// failures are the bad ends: print, return EFI_LOAD_ERROR.
func failures(c *asm.Code) {
	for _, f := range failTexts {
		c.Label("fail: " + f)
		c.Lea(asm.CX, asm.Ref("text: "+f), "")
		c.Jmp("fail", "")
	}
	c.Label("fail")
	c.Call("print", "")
	c.MovRI64(asm.AX, 1<<63|efiLoadError, "status")
	c.OpI64(asm.Add, asm.SP, frame, "")
	for i := len(saved) - 1; i >= 0; i-- {
		c.Pop(saved[i], "")
	}
	c.Raw("", 0xc3)
}

// printText prints the UCS-2 string at RCX with the loader's name before it.
func printText(c *asm.Code) {
	c.Label("print")
	c.Push(asm.SI, "aligns the stack, too")
	c.OpI64(asm.Sub, asm.SP, 0x20, "room for arguments")
	c.Mov64(asm.SI, asm.CX, "")
	for _, arg := range []string{"prefix", "", "newline"} {
		c.Load64(asm.CX, asm.Ref("systable"), "")
		c.Load64(asm.CX, asm.At(asm.CX, stConOut), "")
		if arg == "" {
			c.Mov64(asm.DX, asm.SI, "the text")
		} else {
			c.Lea(asm.DX, asm.Ref(arg), "")
		}
		c.CallMem(asm.At(asm.CX, conOutputString), "OutputString(ConOut, text)")
	}
	c.OpI64(asm.Add, asm.SP, 0x20, "")
	c.Pop(asm.SI, "")
	c.Raw("", 0xc3)
}
