package uefi

import (
	"fmt"

	"basalt/boot/asm"
	"basalt/boot/info"
	"basalt/boot/stub"
)

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
