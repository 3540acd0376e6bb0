// Package pci holds the layout of PCI configuration space, shared by the host's
// enumeration and by whatever emulates a function. Names are the specification's.
//
// World W2, constants only. Specifications: PCI Local Bus Specification,
// revision 3.0, chapter 6; PCI-to-PCI Bridge Architecture Specification,
// revision 1.2, chapter 3; PCI Express Base Specification, revision 3.0,
// section 7.2.2 (ECAM) and 7.8 (express.go); PCI Bus Power Management Interface
// Specification, revision 1.2, section 3.2 (power.go).
package pci

// Offsets in the header that every function has.
const (
	VendorID           = 0x00 // 16 bits; all ones: nothing there
	DeviceID           = 0x02 // 16 bits
	Command            = 0x04 // 16 bits
	Status             = 0x06 // 16 bits
	RevisionID         = 0x08 // 8 bits
	ClassCode          = 0x09 // 24 bits: interface, subclass, base class
	HeaderType         = 0x0e // 8 bits
	BaseAddress0       = 0x10 // 32 bits each
	CapabilitiesPtr    = 0x34 // 8 bits
	InterruptLine      = 0x3c // 8 bits
	InterruptPin       = 0x3d // 8 bits: 0 none, 1 INTA# ... 4 INTD#
	PrimaryBus         = 0x18 // bridge: 8 bits
	SecondaryBus       = 0x19 // bridge: 8 bits
	SubordinateBus     = 0x1a // bridge: 8 bits
	SecondaryStatus    = 0x1e // bridge: 16 bits
	SubsystemVendor    = 0x2c // 16 bits
	SubsystemID        = 0x2e // 16 bits
	ConfigSize         = 256
	ExtendedConfigSize = 4096
)

// Command register.
const (
	CommandIO               = 1 << 0
	CommandMemory           = 1 << 1
	CommandBusMaster        = 1 << 2
	CommandInterruptDisable = 1 << 10
)

// Status register.
const (
	StatusInterrupt    = 1 << 3 // INTx is asserted inside the function
	StatusCapabilities = 1 << 4 // the capability list is there
)

// Header type register.
const (
	HeaderTypeMask      = 0x7f
	HeaderMultiFunction = 0x80
	HeaderNormal        = 0
	HeaderBridge        = 1
)

// Base address register bits, section 6.2.5.1.
const (
	BARIO       = 1 << 0
	BARType64   = 2 << 1 // in BARTypeMask
	BARTypeMask = 3 << 1
	BARPrefetch = 1 << 3
	BARMemMask  = ^uint32(0xf)
	BARIOMask   = ^uint32(0x3)
)

// Capability identifiers, appendix H.
const (
	CapPowerManagement = 0x01
	CapMSI             = 0x05
	CapVendor          = 0x09
	CapPCIExpress      = 0x10
	CapMSIX            = 0x11
)

// MSI capability, section 6.8.1.
const (
	MSIControl         = 2 // 16 bits
	MSIEnable          = 1 << 0
	MSIMultipleEnable  = 7 << 4
	MSI64              = 1 << 7
	MSIPerVectorMask   = 1 << 8
	MSIAddress         = 4  // 32 bits
	MSIAddressHigh     = 8  // 32 bits, if MSI64
	MSIData32          = 8  // 16 bits, if not MSI64
	MSIData64          = 12 // 16 bits, if MSI64
	MSIMask32          = 12 // 32 bits, if not MSI64
	MSIMask64          = 16 // 32 bits, if MSI64
	MSILength          = 10 // bytes of the smallest form
	MSILengthMask64    = 24 // bytes of the largest form
	MSIXControl        = 2  // 16 bits
	MSIXTableSizeMask  = 0x7ff
	MSIXFunctionMask   = 1 << 14
	MSIXEnable         = 1 << 15
	MSIXTable          = 4 // 32 bits: BIR in bits 2:0, offset above
	MSIXPBA            = 8 // 32 bits: the same
	MSIXBIRMask        = 7
	MSIXLength         = 12
	MSIXEntrySize      = 16
	MSIXEntryAddr      = 0  // 32 bits
	MSIXEntryAddrHigh  = 4  // 32 bits
	MSIXEntryData      = 8  // 32 bits
	MSIXEntryControl   = 12 // 32 bits
	MSIXEntryMasked    = 1 << 0
	MSIXMaxEntries     = 2048
	MaxCapabilities    = 48 // dword-aligned entries that fit in 0x40-0xff
	FirstCapability    = 0x40
	ConfigAddressPort  = 0xcf8
	ConfigDataPort     = 0xcfc
	ConfigAddressValid = 1 << 31
)

// Class codes (base class, subclass) in use here.
const (
	ClassNetworkEthernet = 0x0200
	ClassBridgeHost      = 0x0600
	ClassBridgeISA       = 0x0601
	ClassBridgePCI       = 0x0604
)
