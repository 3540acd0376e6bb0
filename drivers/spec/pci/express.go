package pci

// PCI Express capability, PCI Express Base Specification 3.0, section 7.8.
// Offsets from the capability's start.
const (
	ExpCapabilities  = 0x02 // 16 bits
	ExpDeviceCap     = 0x04 // 32 bits
	ExpDeviceControl = 0x08 // 16 bits
	ExpDeviceStatus  = 0x0a // 16 bits
	ExpLinkCap       = 0x0c // 32 bits
	ExpLinkControl   = 0x10 // 16 bits
	ExpLinkStatus    = 0x12 // 16 bits
	ExpSlotCap       = 0x14 // 32 bits
	ExpSlotControl   = 0x18 // 16 bits
	ExpSlotStatus    = 0x1a // 16 bits
	ExpRootControl   = 0x1c // 16 bits
	ExpRootStatus    = 0x20 // 32 bits
	ExpDeviceCap2    = 0x24 // 32 bits
	ExpDeviceCtl2    = 0x28 // 16 bits
	ExpLinkCap2      = 0x2c // 32 bits
	ExpLinkControl2  = 0x30 // 16 bits
	ExpLength        = 0x3c
)

// PCI Express capabilities register, 7.8.2.
const (
	ExpVersion2       = 2
	ExpTypeEndpoint   = 0 << 4
	ExpTypeRootPort   = 4 << 4
	ExpTypeIntegrated = 9 << 4 // root complex integrated endpoint
	ExpTypeMask       = 15 << 4
	ExpSlot           = 1 << 8
)

// Device capabilities and control, 7.8.3 and 7.8.4.
const (
	ExpRoleBasedErrors = 1 << 15
	ExpFLR             = 1 << 28
	ExpInitiateFLR     = 1 << 15
)

// Link capabilities and status, 7.8.6 and 7.8.8.
const (
	ExpLink8GT          = 3      // speed in bits 3:0
	ExpLinkX1           = 1 << 4 // width in bits 9:4
	ExpLinkReporting    = 1 << 20
	ExpLinkActive       = 1 << 13
	ExpLinkSpeeds8GT    = 7 << 1 // link capabilities 2: 2.5, 5 and 8 GT/s
	ExpLinkPortShift    = 24
	ExpLinkSpeedAndSize = 0x3ff
)

// Slot capabilities, 7.8.9.
const (
	SlotAttentionButton    = 1 << 0
	SlotPowerController    = 1 << 1
	SlotAttentionIndicator = 1 << 3
	SlotPowerIndicator     = 1 << 4
	SlotSurprise           = 1 << 5
	SlotHotPlug            = 1 << 6
	SlotNoCommandCompleted = 1 << 18
	SlotNumberShift        = 19
)

// Slot control, 7.8.10.
const (
	SlotAttentionEnable  = 1 << 0
	SlotFaultEnable      = 1 << 1
	SlotPresenceEnable   = 1 << 3
	SlotInterruptEnable  = 1 << 5
	SlotAttentionLEDMask = 3 << 6
	SlotAttentionLEDOff  = 3 << 6
	SlotPowerLEDMask     = 3 << 8
	SlotPowerLEDOn       = 1 << 8
	SlotPowerLEDBlink    = 2 << 8
	SlotPowerLEDOff      = 3 << 8
	SlotPowerOff         = 1 << 10
	SlotLinkEnable       = 1 << 12
)

// Slot status, 7.8.11.
const (
	SlotAttentionPressed = 1 << 0
	SlotPowerFault       = 1 << 1
	SlotPresenceChanged  = 1 << 3
	SlotPresence         = 1 << 6
	SlotLinkChanged      = 1 << 8
)
