package uefi

// The loader's memory below 4 GiB, as offsets in one allocation.
const (
	lowCode    = 0x00000 // the code that runs after the boot services
	lowTables  = 0x01000 // PML4, PDPT, four page directories
	lowPML5    = 0x07000 // above the PML4, for firmware with five levels
	lowStack   = 0x08000
	lowInfo    = 0x09000 // boot/info's structure
	lowConfig  = 0x0a000
	lowCmdLine = 0x1a000
	lowMap     = 0x1b000
	lowKernel  = 0x3b000 // basalt.elf

	configLimit  = lowCmdLine - lowConfig
	cmdLineLimit = lowMap - lowCmdLine
	mapLimit     = lowKernel - lowMap
	kernelLimit  = 64 << 20
)

// Offsets in the firmware's tables and protocols. UEFI 2.10, sections 4.3,
// 4.4, 9.1, 12.4, 12.9, 13.4 and 13.5.
const (
	stConOut, stBootServices, stTableCount, stTables = 0x40, 0x60, 0x68, 0x70

	bsAllocatePages, bsFreePages, bsGetMemoryMap = 0x28, 0x30, 0x38
	bsHandleProtocol, bsExitBootServices         = 0x98, 0xe8
	bsLocateHandleBuffer, bsLocateProtocol       = 0x138, 0x140
	conOutputString                              = 0x08
	liDeviceHandle, liOptionsSize, liOptions     = 0x18, 0x30, 0x38
	fsOpenVolume                                 = 0x08
	fileOpen, fileClose, fileRead                = 0x08, 0x10, 0x20
	fileGetPosition, fileSetPosition             = 0x30, 0x38
	gopMode                                      = 0x18
	modeInfo, modeBase                           = 0x08, 0x18
	infoWidth, infoFormat, infoMasks, infoLine   = 0x04, 0x0c, 0x10, 0x20

	allocateMaxAddress, loaderCode = 1, 1
	byProtocol                     = 2
	modeRead                       = 1
	efiLoadError                   = 1 // with the top bit: EFI_LOAD_ERROR
)

// guid encodes an EFI_GUID: three little-endian numbers and eight bytes.
func guid(a uint32, b, c uint16, d [8]byte) []byte {
	g := []byte{byte(a), byte(a >> 8), byte(a >> 16), byte(a >> 24), byte(b), byte(b >> 8), byte(c), byte(c >> 8)}
	return append(g, d[:]...)
}

// ucs2 encodes ASCII text as the firmware's strings, with a final zero.
func ucs2(s string) []byte {
	var b []byte
	for i := 0; i < len(s); i++ {
		b = append(b, s[i], 0)
	}
	return append(b, 0, 0)
}
