package uefi

import (
	"basalt/boot/asm"
	"basalt/boot/info"
	"basalt/boot/stub"
)

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
