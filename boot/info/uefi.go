package info

// The structure that boot/uefi's stub leaves, little endian:
//
//	0   magic "BASALTUE"
//	8   version (1), size (UEFISize), both 32 bits
//	16  memory map: address, 24 its size in bytes, 32 size of a descriptor
//	40  RSDP address or 0
//	48  framebuffer: address or 0, 56 width, 60 height, 64 pixels a line,
//	    68 EFI_GRAPHICS_PIXEL_FORMAT, 72 masks of red, green, blue, reserved
//	88  command line: address or 0, 96 its length in bytes
//	104 basalt.conf: address or 0, 112 its length in bytes
//	120 system table
const (
	UEFIMagic   = 0x45_55_54_4c_41_53_41_42
	UEFIVersion = 1
	UEFISize    = 128

	// Offsets in the structure, for the stub that fills it in.
	UEFIOffMap      = 16
	UEFIOffMapSize  = 24
	UEFIOffDescSize = 32
	UEFIOffRSDP     = 40
	UEFIOffScreen   = 48
	UEFIOffCmdLine  = 88
	UEFIOffConfig   = 104
	UEFIOffTable    = 120

	uefiMaxMap = 1 << 20 // bytes
)

// ConfigName is the name under which a settings file appears as a module.
const ConfigName = "basalt.conf"

// EFI_MEMORY_TYPE, UEFI 2.10, section 7.2.1.
const (
	efiLoaderCode       = 1
	efiLoaderData       = 2
	efiBootServicesCode = 3
	efiBootServicesData = 4
	efiConventional     = 7
	efiUnusable         = 8
	efiACPIReclaim      = 9
	efiACPINVS          = 10
	efiPersistent       = 14
)

// ParseUEFI fills f from our UEFI stub's structure at pa.
func (f *Facts) ParseUEFI(read Reader, pa uint64) Problem {
	*f = Facts{Protocol: UEFI}
	b, ok := f.get(read, pa, 48)
	if !ok {
		return ErrUnreadable
	}
	if u64(b, 0) != UEFIMagic {
		return ErrMagic
	}
	if u32(b, 8) != UEFIVersion {
		return ErrVersion
	}
	mmap, mapSize, descSize, rsdp := u64(b, UEFIOffMap), u64(b, UEFIOffMapSize), u64(b, UEFIOffDescSize), u64(b, UEFIOffRSDP)
	if u32(b, 12) != UEFISize || descSize < 40 || descSize%8 != 0 || mapSize > uefiMaxMap {
		return ErrSize
	}
	for off := uint64(0); descSize <= mapSize-off; off += descSize {
		if b, ok = f.get(read, mmap+off, 40); !ok {
			break
		}
		pages := u64(b, 24)
		if pages > maxPhysical>>12 {
			f.Flags |= BadRegion
			continue
		}
		f.addRegion(u64(b, 8), pages<<12, efiKind(u32(b, 0)))
	}
	if rsdp != 0 {
		f.setRSDP(read, rsdp)
	}
	if b, ok = f.get(read, pa+UEFIOffScreen, 40); ok && u64(b, 0) != 0 {
		f.uefiFramebuffer(b)
	}
	if b, ok = f.get(read, pa+UEFIOffCmdLine, 40); ok {
		cmdline, length := u64(b, 0), u64(b, 8)
		conf, confLen := u64(b, 16), u64(b, 24)
		f.SystemTable = u64(b, 32)
		if cmdline != 0 {
			f.setCmdLine(read, cmdline, length)
		}
		if conf != 0 {
			f.addModule(read, conf, confLen, 0, 0)
			if f.NumModules == 1 {
				f.Modules[0].NameLen = copy(f.Modules[0].Name[:], ConfigName)
			}
		}
	}
	return f.finish(mapSize >= descSize)
}

// efiKind translates a memory type as it counts after ExitBootServices.
func efiKind(t uint32) Kind {
	switch t {
	case efiLoaderCode, efiLoaderData, efiBootServicesCode, efiBootServicesData, efiConventional:
		return Usable
	case efiUnusable:
		return Defective
	case efiACPIReclaim:
		return ACPIReclaimable
	case efiACPINVS:
		return ACPINVS
	case efiPersistent:
		return Persistent
	}
	return Reserved
}

// uefiFramebuffer takes the screen: b is the structure from UEFIOffScreen on.
func (f *Facts) uefiFramebuffer(b []byte) {
	const rgbx, bgrx, bitMask = 0, 1, 2 // EFI_GRAPHICS_PIXEL_FORMAT, UEFI 2.10, section 12.9.2
	width, height, line, format := u32(b, 8), u32(b, 12), u32(b, 16), u32(b, 20)
	if line > 1<<18 {
		f.Flags |= BadTag
		return
	}
	fb := Framebuffer{Kind: RGB, Addr: u64(b, 0), Width: width, Height: height, Pitch: line * 4, BPP: 32,
		GreenPos: 8, RedSize: 8, GreenSize: 8, BlueSize: 8}
	switch format {
	case rgbx:
		fb.BluePos = 16
	case bgrx:
		fb.RedPos = 16
	case bitMask:
		fb.RedPos, fb.RedSize = maskBits(u32(b, 24))
		fb.GreenPos, fb.GreenSize = maskBits(u32(b, 28))
		fb.BluePos, fb.BlueSize = maskBits(u32(b, 32))
	default: // PixelBltOnly: there is no memory to draw in
		return
	}
	f.setFramebuffer(fb)
}

// maskBits gives position and count of the lowest run of ones.
func maskBits(m uint32) (pos, size uint8) {
	if m == 0 {
		return 0, 0
	}
	for ; m&1 == 0; m >>= 1 {
		pos++
	}
	for ; m&1 == 1; m >>= 1 {
		size++
	}
	return pos, size
}
