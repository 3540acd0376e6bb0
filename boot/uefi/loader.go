package uefi

import (
	"fmt"

	"basalt/boot/asm"
	"basalt/boot/info"
	"basalt/boot/stub"
)

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

// handleProtocol calls HandleProtocol(RCX, guid, &where).
func handleProtocol(c *asm.Code, guid, where string) {
	c.Lea(asm.DX, asm.Ref(guid), "")
	c.Lea(asm.R8, asm.Ref(where), "")
	c.CallMem(asm.At(rBoot, bsHandleProtocol), "HandleProtocol(handle, GUID, &interface)")
	c.Test64(asm.AX, "")
}

// openFile opens the file named by the string at RDX on the volume of the
// handle RCX. ZF set and the file in "file" if it worked. Called with RSP 8
// off alignment, as every function is.
func openFile(c *asm.Code) {
	c.Label("open")
	c.Push(asm.SI, "aligns the stack, too")
	c.OpI64(asm.Sub, asm.SP, 0x30, "room for arguments")
	c.Mov64(asm.SI, asm.DX, "name")
	handleProtocol(c, "guidFileSystem", "volume")
	c.Jcc(asm.CNE, "openend", "not a volume")
	c.Load64(asm.CX, asm.Ref("volume"), "")
	c.Lea(asm.DX, asm.Ref("root"), "")
	c.CallMem(asm.At(asm.CX, fsOpenVolume), "OpenVolume(volume, &root)")
	c.Test64(asm.AX, "")
	c.Jcc(asm.CNE, "openend", "")
	c.Load64(asm.CX, asm.Ref("root"), "")
	c.Lea(asm.DX, asm.Ref("file"), "")
	c.Mov64(asm.R8, asm.SI, "name")
	c.MovRI(asm.R9, modeRead, "")
	c.StoreI64(asm.At(asm.SP, 0x20), 0, "attributes")
	c.CallMem(asm.At(asm.CX, fileOpen), "Open(root, &file, name, read, 0)")
	c.Test64(asm.AX, "")
	c.Label("openend")
	c.Lea(asm.SP, asm.At(asm.SP, 0x30), "keeps the flags")
	c.Pop(asm.SI, "")
	c.Raw("", 0xc3)
}

// findKernel opens basalt.elf on the own volume or the first other one.
func findKernel(c *asm.Code) {
	c.Load64(asm.CX, asm.Ref("image"), "")
	handleProtocol(c, "guidLoadedImage", "loaded")
	fail(c, asm.CNE, "no loaded image protocol")
	c.Load64(asm.CX, asm.Ref("loaded"), "")
	c.Load64(asm.CX, asm.At(asm.CX, liDeviceHandle), "the volume of the loader")
	c.Lea(asm.DX, asm.Ref("kernelName"), "")
	c.Call("open", "")
	c.Jcc(asm.CE, "opened", "")

	c.MovRI(asm.CX, byProtocol, "")
	c.Lea(asm.DX, asm.Ref("guidFileSystem"), "")
	c.MovRI(asm.R8, 0, "no search key")
	c.Lea(asm.R9, asm.Ref("handleCount"), "")
	c.Lea(asm.AX, asm.Ref("handles"), "")
	c.Store64(asm.At(asm.SP, 0x20), asm.AX, "")
	c.CallMem(asm.At(rBoot, bsLocateHandleBuffer), "LocateHandleBuffer(ByProtocol, GUID, 0, &count, &handles)")
	c.Test64(asm.AX, "")
	fail(c, asm.CNE, "no volume that can be read")
	c.Load64(rCount, asm.Ref("handleCount"), "")
	c.Load64(rEntry, asm.Ref("handles"), "")
	c.Label("nextvolume")
	c.OpI64(asm.Sub, rCount, 1, "")
	fail(c, asm.CS, "basalt.elf not found")
	c.Load64(asm.CX, asm.At(rEntry, 0), "handle")
	c.OpI64(asm.Add, rEntry, 8, "")
	c.Lea(asm.DX, asm.Ref("kernelName"), "")
	c.Call("open", "")
	c.Jcc(asm.CNE, "nextvolume", "")
	c.Label("opened")
	c.Load64(rFile, asm.Ref("file"), "")
}

// readFiles allocates memory and reads the kernel and its settings.
func readFiles(c *asm.Code) {
	c.Mov64(asm.CX, rFile, "")
	c.MovRI64(asm.DX, 1<<64-1, "")
	c.CallMem(asm.At(rFile, fileSetPosition), "SetPosition(file, end)")
	c.Mov64(asm.CX, rFile, "")
	c.Lea(asm.DX, asm.Ref("kernelSize"), "")
	c.CallMem(asm.At(rFile, fileGetPosition), "GetPosition(file, &size)")
	c.Mov64(asm.CX, rFile, "")
	c.MovRI(asm.DX, 0, "")
	c.CallMem(asm.At(rFile, fileSetPosition), "SetPosition(file, 0)")
	c.Load64(asm.SI, asm.Ref("kernelSize"), "")
	c.OpI64(asm.Cmp, asm.SI, pageSize+stub.FileSize, "headers and blob")
	fail(c, asm.CB, "basalt.elf has an impossible size")
	c.OpI64(asm.Cmp, asm.SI, kernelLimit, "")
	fail(c, asm.CA, "basalt.elf has an impossible size")

	c.MovRI(asm.CX, allocateMaxAddress, "")
	c.MovRI(asm.DX, loaderCode, "code runs in it")
	c.Lea(asm.R8, asm.At(asm.SI, lowKernel+pageSize-1), "")
	c.ShrI64(asm.R8, 12, "pages")
	c.Lea(asm.R9, asm.Ref("low"), "holds the highest address")
	c.CallMem(asm.At(rBoot, bsAllocatePages), "AllocatePages(MaxAddress, LoaderCode, pages, &low)")
	c.Test64(asm.AX, "")
	fail(c, asm.CNE, "not enough memory below 4 GiB")
	c.Load64(rLow, asm.Ref("low"), "")

	c.Mov64(asm.CX, rFile, "")
	c.Lea(asm.DX, asm.Ref("kernelSize"), "")
	c.Lea(asm.R8, asm.At(rLow, lowKernel), "")
	c.CallMem(asm.At(rFile, fileRead), "Read(file, &size, buffer)")
	c.Test64(asm.AX, "")
	fail(c, asm.CNE, "cannot read basalt.elf")
	c.OpMem64(asm.Cmp, asm.SI, asm.Ref("kernelSize"), "all of it?")
	fail(c, asm.CNE, "cannot read basalt.elf")
	c.Mov64(asm.CX, rFile, "")
	c.CallMem(asm.At(rFile, fileClose), "Close(file)")
	c.MovRI64(asm.AX, stub.Magic, "")
	c.OpMem64(asm.Cmp, asm.AX, asm.At(rLow, lowKernel+pageSize+stub.HeaderOff), "the boot header, where elfpack puts it")
	fail(c, asm.CNE, "basalt.elf is not a Basalt kernel")

	// The structure for the kernel: clear, then what is known already.
	c.Lea(asm.DI, asm.At(rLow, lowInfo), "")
	c.Raw("", 0x31, 0xc0)
	c.MovRI(asm.CX, pageSize/8, "")
	c.Raw("", 0xf3, 0x48, 0xab)
	c.MovRI64(asm.AX, info.UEFIMagic, "")
	c.Lea(asm.SI, asm.At(rLow, lowInfo), "")
	c.Store64(asm.At(asm.SI, 0), asm.AX, "")
	c.StoreI(asm.At(asm.SI, 8), info.UEFIVersion, "")
	c.StoreI(asm.At(asm.SI, 12), info.UEFISize, "")
	c.Load64(asm.AX, asm.Ref("systable"), "")
	c.Store64(asm.At(asm.SI, info.UEFIOffTable), asm.AX, "")

	c.Load64(asm.CX, asm.Ref("loaded"), "")
	c.Load64(asm.CX, asm.At(asm.CX, liDeviceHandle), "the settings lie beside the loader")
	c.Lea(asm.DX, asm.Ref("configName"), "")
	c.Call("open", "")
	c.Jcc(asm.CNE, "noconfig", "none: fine")
	c.Load64(rFile, asm.Ref("file"), "")
	c.Mov64(asm.CX, rFile, "")
	c.Lea(asm.DX, asm.Ref("configSize"), "holds the limit")
	c.Lea(asm.R8, asm.At(rLow, lowConfig), "")
	c.CallMem(asm.At(rFile, fileRead), "Read(file, &size, buffer)")
	c.Test64(asm.AX, "")
	c.Jcc(asm.CNE, "noconfig", "")
	c.Lea(asm.AX, asm.At(rLow, lowConfig), "")
	c.Store64(asm.At(asm.SI, info.UEFIOffConfig), asm.AX, "")
	c.Load64(asm.AX, asm.Ref("configSize"), "")
	c.Store64(asm.At(asm.SI, info.UEFIOffConfig+8), asm.AX, "")
	c.Label("noconfig")
}

// acpi looks through the configuration tables for the root pointer; the GUID
// of ACPI 2.0 wins over that of 1.0. UEFI 2.10, section 4.6.
func acpi(c *asm.Code) {
	c.Load64(asm.DX, asm.Ref("systable"), "")
	c.Load64(rCount, asm.At(asm.DX, stTableCount), "")
	c.Load64(rEntry, asm.At(asm.DX, stTables), "")
	c.Label("nexttable")
	c.OpI64(asm.Sub, rCount, 1, "")
	c.Jcc(asm.CS, "acpiend", "")
	for _, g := range []string{"guidACPI20", "guidACPI10"} {
		c.Load64(asm.AX, asm.At(rEntry, 0), "GUID, first half")
		c.OpMem64(asm.Cmp, asm.AX, asm.Ref(g), "")
		c.Jcc(asm.CNE, "not"+g, "")
		c.Load64(asm.AX, asm.At(rEntry, 8), "GUID, second half")
		c.OpMem64(asm.Cmp, asm.AX, asm.Ref(g+"+8"), "")
		c.Jcc(asm.CNE, "not"+g, "")
		c.Load64(asm.AX, asm.At(rEntry, 16), "the table")
		c.Store64(asm.At(asm.SI, info.UEFIOffRSDP), asm.AX, "")
		if g == "guidACPI20" {
			c.Jmp("acpiend", "nothing is better")
		}
		c.Label("not" + g)
	}
	c.OpI64(asm.Add, rEntry, 24, "")
	c.Jmp("nexttable", "")
	c.Label("acpiend")
}

// screen notes the graphics output, if there is one.
func screen(c *asm.Code) {
	c.Lea(asm.CX, asm.Ref("guidGOP"), "")
	c.MovRI(asm.DX, 0, "no registration")
	c.Lea(asm.R8, asm.Ref("gop"), "")
	c.CallMem(asm.At(rBoot, bsLocateProtocol), "LocateProtocol(GUID, 0, &gop)")
	c.Test64(asm.AX, "")
	c.Jcc(asm.CNE, "noscreen", "")
	c.Load64(asm.CX, asm.Ref("gop"), "")
	c.Load64(asm.CX, asm.At(asm.CX, gopMode), "")
	c.Load64(asm.AX, asm.At(asm.CX, modeBase), "FrameBufferBase")
	c.Store64(asm.At(asm.SI, info.UEFIOffScreen), asm.AX, "")
	c.Load64(asm.CX, asm.At(asm.CX, modeInfo), "")
	c.Load64(asm.AX, asm.At(asm.CX, infoWidth), "width and height")
	c.Store64(asm.At(asm.SI, info.UEFIOffScreen+8), asm.AX, "")
	c.Load(asm.AX, asm.At(asm.CX, infoLine), "PixelsPerScanLine")
	c.Store(asm.At(asm.SI, info.UEFIOffScreen+16), asm.AX, "")
	c.Load(asm.AX, asm.At(asm.CX, infoFormat), "PixelFormat")
	c.Store(asm.At(asm.SI, info.UEFIOffScreen+20), asm.AX, "")
	for i := int32(0); i < 16; i += 8 {
		c.Load64(asm.AX, asm.At(asm.CX, infoMasks+i), "PixelInformation")
		c.Store64(asm.At(asm.SI, info.UEFIOffScreen+24+i), asm.AX, "")
	}
	c.Label("noscreen")
}

// loadOptions takes the boot entry's options as the command line, if they are
// printable text: firmware puts binary data of its own there, too.
func loadOptions(c *asm.Code) {
	c.Load64(asm.DX, asm.Ref("loaded"), "")
	c.Load(asm.CX, asm.At(asm.DX, liOptionsSize), "bytes")
	c.Load64(asm.DX, asm.At(asm.DX, liOptions), "")
	c.ShrI64(asm.CX, 1, "characters")
	c.OpI64(asm.Cmp, asm.CX, cmdLineLimit, "")
	c.Jcc(asm.CA, "nooptions", "too long for text")
	c.Lea(asm.DI, asm.At(rLow, lowCmdLine), "")
	c.Label("nextchar")
	c.OpI64(asm.Sub, asm.CX, 1, "")
	c.Jcc(asm.CS, "optionsend", "")
	c.Load16(asm.AX, asm.At(asm.DX, 0), "")
	c.OpI64(asm.Add, asm.DX, 2, "")
	c.OpI(asm.Cmp, asm.AX, 0, "")
	c.Jcc(asm.CE, "optionsend", "")
	c.OpI(asm.Cmp, asm.AX, 0x20, "")
	c.Jcc(asm.CB, "nooptions", "not text")
	c.OpI(asm.Cmp, asm.AX, 0x7e, "")
	c.Jcc(asm.CA, "nooptions", "not text")
	c.Raw("store a byte", 0xaa)
	c.Jmp("nextchar", "")
	c.Label("optionsend")
	c.Lea(asm.AX, asm.At(rLow, lowCmdLine), "")
	c.Op64(asm.Sub, asm.DI, asm.AX, "length")
	c.Store64(asm.At(asm.SI, info.UEFIOffCmdLine), asm.AX, "")
	c.Store64(asm.At(asm.SI, info.UEFIOffCmdLine+8), asm.DI, "")
	c.Label("nooptions")
}

// getMap calls GetMemoryMap into the low memory; ZF says that it worked. The
// size goes into the structure.
func getMap(c *asm.Code) {
	c.StoreI64(asm.Ref("mapSize"), mapLimit, "")
	c.Lea(asm.CX, asm.Ref("mapSize"), "")
	c.Lea(asm.DX, asm.At(rLow, lowMap), "")
	c.Lea(asm.R8, asm.Ref("mapKey"), "")
	c.Lea(asm.R9, asm.Ref("descSize"), "")
	c.Lea(asm.AX, asm.Ref("descVersion"), "")
	c.Store64(asm.At(asm.SP, 0x20), asm.AX, "")
	c.CallMem(asm.At(rBoot, bsGetMemoryMap), "GetMemoryMap(&size, map, &key, &descriptor size, &version)")
	c.Test64(asm.AX, "")
}

// checkTarget refuses if the firmware keeps memory (any type but loader, boot
// services and conventional) where blob, image or BSS will be, or if our own
// allocation begins below the end of the BSS.
func checkTarget(c *asm.Code) {
	const header = lowKernel + pageSize + stub.HeaderOff
	const bssEnd, imageStart = header + 12*8, header + 4*8
	c.OpMem64(asm.Cmp, rLow, asm.At(rLow, bssEnd), "")
	fail(c, asm.CB, "not enough memory below 4 GiB")
	getMap(c)
	fail(c, asm.CNE, "no memory map")
	c.Lea(rEntry, asm.At(rLow, lowMap), "")
	c.Mov64(rCount, rEntry, "")
	c.OpMem64(asm.Add, rCount, asm.Ref("mapSize"), "end of the map")
	c.Label("nextdesc")
	c.Op64(asm.Cmp, rEntry, rCount, "")
	c.Jcc(asm.CAE, "targetfree", "")
	c.Load(asm.AX, asm.At(rEntry, 0), "type")
	c.OpI(asm.Cmp, asm.AX, 7, "conventional")
	c.Jcc(asm.CE, "descfine", "")
	c.OpI(asm.Sub, asm.AX, 1, "")
	c.OpI(asm.Cmp, asm.AX, 4, "loader and boot services: 1 to 4")
	c.Jcc(asm.CB, "descfine", "")
	c.Load64(asm.CX, asm.At(rEntry, 8), "start")
	c.Load64(asm.DX, asm.At(rEntry, 24), "pages")
	c.ShlI64(asm.DX, 12, "")
	c.Op64(asm.Add, asm.DX, asm.CX, "end")
	c.OpI64(asm.Cmp, asm.CX, stub.End, "starts behind the blob?")
	c.Jcc(asm.CAE, "blobfree", "")
	c.OpI64(asm.Cmp, asm.DX, stub.Base, "ends before the blob?")
	fail(c, asm.CA, "the memory for the kernel is in use by the firmware")
	c.Label("blobfree")
	c.OpMem64(asm.Cmp, asm.CX, asm.At(rLow, bssEnd), "starts behind the kernel?")
	c.Jcc(asm.CAE, "descfine", "")
	c.OpMem64(asm.Cmp, asm.DX, asm.At(rLow, imageStart), "ends before the kernel?")
	fail(c, asm.CA, "the memory for the kernel is in use by the firmware")
	c.Label("descfine")
	c.OpMem64(asm.Add, rEntry, asm.Ref("descSize"), "")
	c.Jmp("nextdesc", "")
	c.Label("targetfree")
}

// exitBootServices leaves the firmware, builds the tables and goes to the low
// code.
func exitBootServices(c *asm.Code) {
	const present, write, large = 1, 2, 0x80
	c.Lea(asm.CX, asm.Ref("leaving"), "")
	c.Call("print", "the last words through the firmware")

	// The code that will run: nothing of the PE image is mapped then.
	c.Lea(asm.DI, asm.At(rLow, lowCode), "")
	c.Mov64(rEntry, asm.SI, "keep the structure")
	c.Lea(asm.SI, asm.Ref("lowcode"), "")
	c.MovRI(asm.CX, lowCodeSize, "")
	c.Raw("", 0xf3, 0xa4)
	c.Mov64(asm.SI, rEntry, "")

	// Page tables: 4 GiB at 0. RDI = PML4, R8 = a table's entry value.
	c.Lea(asm.DI, asm.At(rLow, lowTables), "")
	c.Raw("", 0x31, 0xc0)
	c.MovRI(asm.CX, 2*pageSize/8, "")
	c.Raw("clear PML4 and PDPT; RDI = first directory", 0xf3, 0x48, 0xab)
	c.Lea(asm.R8, asm.At(asm.DI, -pageSize+(present|write)), "")
	c.Store64(asm.At(asm.DI, -2*pageSize), asm.R8, "PML4[0] -> PDPT")
	for i := int32(0); i < 4; i++ {
		c.OpI64(asm.Add, asm.R8, pageSize, "")
		c.Store64(asm.At(asm.DI, -pageSize+8*i), asm.R8, fmt.Sprintf("PDPT[%d] -> directory %d", i, i))
	}
	c.MovRI(asm.AX, present|write|large, "2 MiB page at 0")
	c.MovRI(asm.CX, 4*512, "pages")
	c.Label("lowpage")
	c.Store64(asm.At(asm.DI, 0), asm.AX, "")
	c.OpI64(asm.Add, asm.DI, 8, "")
	c.OpI64(asm.Add, asm.AX, 0x200000, "")
	c.OpI64(asm.Sub, asm.CX, 1, "")
	c.Jcc(asm.CNE, "lowpage", "")
	// RDI = the PML5, which low loads if the firmware has five levels.
	c.Raw("", 0x31, 0xc0)
	c.MovRI(asm.CX, pageSize/8, "")
	c.Raw("clear it", 0xf3, 0x48, 0xab)
	c.Lea(asm.AX, asm.At(rLow, lowTables+(present|write)), "")
	c.Store64(asm.At(rLow, lowPML5), asm.AX, "PML5[0] -> PML4")

	c.MovRI(rCount, 8, "tries")
	c.Label("again")
	getMap(c)
	c.Jcc(asm.CNE, "stuck", "")
	c.Load64(asm.CX, asm.Ref("image"), "")
	c.Load64(asm.DX, asm.Ref("mapKey"), "")
	c.CallMem(asm.At(rBoot, bsExitBootServices), "ExitBootServices(image, key)")
	c.Test64(asm.AX, "")
	c.Jcc(asm.CE, "left", "")
	c.OpI64(asm.Sub, rCount, 1, "the map changed meanwhile: get it again")
	c.Jcc(asm.CNE, "again", "")
	c.Label("stuck")
	c.Raw("the firmware is half shut down: no way back", 0xf4)
	c.Jmp("stuck", "")

	c.Label("left")
	c.Raw("", 0xfa)
	c.Raw("", 0xfc)
	c.Lea(asm.AX, asm.At(rLow, lowMap), "")
	c.Store64(asm.At(asm.SI, info.UEFIOffMap), asm.AX, "")
	c.Load64(asm.AX, asm.Ref("mapSize"), "")
	c.Store64(asm.At(asm.SI, info.UEFIOffMapSize), asm.AX, "")
	c.Load64(asm.AX, asm.Ref("descSize"), "")
	c.Store64(asm.At(asm.SI, info.UEFIOffDescSize), asm.AX, "")
	c.Mov64(rEntry, asm.SI, "the structure")
	c.JmpReg(rLow, "lowCode is 0")
}

// lowCodeSize bounds the code at "lowcode"; Build checks it.
const lowCodeSize = 0x100

// low runs in the low memory: own tables, own stack, then the kernel to its
// place. R12 is the low memory, R15 the structure.
func low(c *asm.Code) {
	c.Align(16)
	c.Label("lowcode")
	c.Raw("mov rax, cr4", 0x0f, 0x20, 0xe0)
	c.TestI(asm.AX, cr4LA57, "five levels?")
	c.Lea(asm.AX, asm.At(rLow, lowTables), "")
	c.Jcc(asm.CE, "lowroot", "no; the stub switches them off")
	c.Lea(asm.AX, asm.At(rLow, lowPML5), "")
	c.Label("lowroot")
	c.Raw("mov cr3, rax", 0x0f, 0x22, 0xd8)
	c.Lea(asm.SP, asm.At(rLow, lowInfo), "top of the stack")
	c.Lea(asm.BX, asm.At(rLow, lowKernel), "the ELF header")
	c.Load16(asm.BP, asm.At(asm.BX, 56), "e_phnum")
	c.Mov64(asm.DX, asm.BX, "")
	c.OpMem64(asm.Add, asm.DX, asm.At(asm.BX, 32), "e_phoff: program headers")
	c.Label("nextsegment")
	c.OpMemI(asm.Cmp, asm.At(asm.DX, 0), 1, "PT_LOAD")
	c.Jcc(asm.CNE, "skip", "")
	c.Mov64(asm.SI, asm.BX, "")
	c.OpMem64(asm.Add, asm.SI, asm.At(asm.DX, 8), "p_offset")
	c.Load64(asm.DI, asm.At(asm.DX, 24), "p_paddr")
	c.Load64(asm.CX, asm.At(asm.DX, 32), "p_filesz")
	c.Raw("", 0xf3, 0xa4)
	c.Label("skip")
	c.OpI64(asm.Add, asm.DX, 56, "")
	c.OpI64(asm.Sub, asm.BP, 1, "")
	c.Jcc(asm.CNE, "nextsegment", "")
	c.Mov64(asm.SI, rEntry, "the structure")
	c.MovRI(asm.AX, stub.UEFIEntry, "")
	c.JmpReg(asm.AX, "")
	c.Label("lowcodeend")
}

// variables are the data page.
func variables(c *asm.Code) {
	gu := func(name string, b []byte) {
		c.Label(name)
		c.Data("", b[:8]...)
		c.Label(name + "+8")
		c.Data("", b[8:]...)
	}
	gu("guidLoadedImage", guid(0x5b1b31a1, 0x9562, 0x11d2, [8]byte{0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}))
	gu("guidFileSystem", guid(0x964e5b22, 0x6459, 0x11d2, [8]byte{0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}))
	gu("guidGOP", guid(0x9042a9de, 0x23dc, 0x4a38, [8]byte{0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}))
	gu("guidACPI20", guid(0x8868e871, 0xe4f1, 0x11d3, [8]byte{0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}))
	gu("guidACPI10", guid(0xeb9d2d30, 0x2d88, 0x11d3, [8]byte{0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}))
	for _, v := range []struct {
		name  string
		value uint64
	}{
		{"image", 0}, {"systable", 0}, {"loaded", 0}, {"volume", 0}, {"root", 0}, {"file", 0}, {"handleCount", 0}, {"handles", 0},
		{"kernelSize", 0}, {"low", 0xffffffff}, {"configSize", configLimit}, {"gop", 0},
		{"mapSize", 0}, {"mapKey", 0}, {"descSize", 0}, {"descVersion", 0},
	} {
		c.Label(v.name)
		c.Data64("", v.value)
	}
	text := func(label, s string) { c.Align(2); c.Label(label); c.Data(fmt.Sprintf("%q", s), ucs2(s)...) }
	text("kernelName", `\basalt.elf`)
	text("configName", `\basalt.conf`)
	text("prefix", "basalt: ")
	text("newline", "\r\n")
	text("hello", "loading")
	text("leaving", "entering the kernel")
	text("fivelevels", "the firmware has five-level page tables; the kernel switches them off")
	for _, f := range failTexts {
		text("text: "+f, f)
	}
}
