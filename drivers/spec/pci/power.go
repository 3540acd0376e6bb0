package pci

// Power management capability, PCI Bus Power Management Interface Specification
// 1.2, section 3.2. Offsets from the capability's start.
const (
	PMCapabilities = 2 // 16 bits
	PMControl      = 4 // 16 bits
	PMLength       = 8

	PMVersion3    = 3
	PMStateMask   = 3
	PMStateD0     = 0
	PMStateD3Hot  = 3
	PMNoSoftReset = 1 << 3
)
