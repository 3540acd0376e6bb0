package pci

// Header of a PCI-to-PCI bridge (type 1), PCI-to-PCI Bridge Architecture
// Specification 1.2, section 3.2.5. In PCI Express, a root port's.
const (
	IOBase             = 0x1c // 8 bits: address bits 15:12 in 7:4
	IOLimit            = 0x1d // 8 bits
	MemoryBase         = 0x20 // 16 bits: address bits 31:20 in 15:4
	MemoryLimit        = 0x22 // 16 bits
	PrefetchBase       = 0x24 // 16 bits: the same, type in 3:0
	PrefetchLimit      = 0x26 // 16 bits
	PrefetchBaseUpper  = 0x28 // 32 bits
	PrefetchLimitUpper = 0x2c // 32 bits
	BridgeControl      = 0x3e // 16 bits

	Prefetch64            = 1      // type: 64-bit addresses
	WindowMask            = 0xfff0 // of the memory registers
	WindowGranule         = 1 << 20
	IOWindowMask          = 0xf0
	IOWindowGranule       = 1 << 12
	BridgeControlParity   = 1 << 0
	BridgeControlSERR     = 1 << 1
	BridgeControlBusReset = 1 << 6
	BridgeControlDiscard  = 1 << 11
	MaxBuses              = 256
	ECAMBusSize           = 1 << 20
	ECAMFunctionSize      = ExtendedConfigSize
	DevicesPerBus         = 32
	FunctionsPerDevice    = 8
	InterruptPins         = 4
	IntelVendor           = 0x8086
	IntelQ35HostBridge    = 0x29c0 // 82G33/Q35 memory controller hub, device 0
	IntelICH9LPC          = 0x2918 // 82801IB ICH9 LPC interface controller
	MCHPCIEXBAR           = 0x60   // of the memory controller hub: 64 bits
	MCHPCIEXBAREnable     = 1 << 0
	MCHPCIEXBAR256Buses   = 0 << 1
	RedHatVendor          = 0x1b36 // its ID registry serves virtual hardware
	RedHatGenericRootPort = 0x000c
	MessageAddressBase    = 0xfee00000 // of interrupt messages on x86
	MessageAddressMask    = ^uint64(0xfffff)
)
