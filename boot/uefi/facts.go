package uefi

import (
	"basalt/boot/asm"
	"basalt/boot/info"
)

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
