// Package virtio is the layout of virtio's PCI transport, rings, network, console and
// block devices, shared by the host driver and by emulators. Names are the
// specification's.
//
// World W2, constants only. Specification: Virtual I/O Device (VIRTIO) Version
// 1.2, Committee Specification 01, sections 2.1 (status), 2.7 (split virtqueues),
// 2.8 (packed virtqueues), 4.1 (PCI), 5.1 (network), 5.2 (block) and 5.3 (console).
package virtio

// PCI identities, section 4.1.2: modern devices are 0x1040 + device type,
// transitional ones have numbers of their own.
const (
	Vendor           = 0x1af4
	IDModernBase     = 0x1040
	IDTransitional   = 0x1000 // network card
	TypeNet          = 1
	TypeBlock        = 2
	TypeConsole      = 3
	TypeEntropy      = 4
	TypeBalloon      = 5
	NoVector         = 0xffff
	MaxQueueSize     = 32768
	PCICapLength     = 16
	PCICapNotifySize = 20
)

// Vendor capability, section 4.1.4.
const (
	CapType             = 3  // 8 bits
	CapBAR              = 4  // 8 bits
	CapOffset           = 8  // 32 bits
	CapSize             = 12 // 32 bits
	CapNotifyMultiplier = 16 // 32 bits, notify only

	CapCommonCfg = 1
	CapNotifyCfg = 2
	CapISRCfg    = 3
	CapDeviceCfg = 4
	CapPCICfg    = 5

	// VIRTIO_PCI_CAP_PCI_CFG, section 4.1.4.9: pci_cfg_data follows.
	CapPCICfgData    = 16 // 32 bits
	PCICapPCICfgSize = 20
)

// Common configuration, section 4.1.4.3.
const (
	DeviceFeatureSelect = 0x00 // 32 bits
	DeviceFeature       = 0x04 // 32 bits
	DriverFeatureSelect = 0x08 // 32 bits
	DriverFeature       = 0x0c // 32 bits
	ConfigMSIXVector    = 0x10 // 16 bits
	NumQueues           = 0x12 // 16 bits
	DeviceStatus        = 0x14 // 8 bits
	ConfigGeneration    = 0x15 // 8 bits
	QueueSelect         = 0x16 // 16 bits
	QueueSize           = 0x18 // 16 bits
	QueueMSIXVector     = 0x1a // 16 bits
	QueueEnable         = 0x1c // 16 bits
	QueueNotifyOff      = 0x1e // 16 bits
	QueueDesc           = 0x20 // 64 bits, as two 32-bit accesses
	QueueDriver         = 0x28 // 64 bits
	QueueDevice         = 0x30 // 64 bits
	CommonCfgSize       = 0x38
	QueueNotifyData     = 0x38 // 16 bits, with VIRTIO_F_NOTIF_CONFIG_DATA
	QueueReset          = 0x3a // 16 bits, with VIRTIO_F_RING_RESET
	CommonCfgFullSize   = 0x3c
)

// Device status, section 2.1.
const (
	StatusAcknowledge = 1
	StatusDriver      = 2
	StatusDriverOK    = 4
	StatusFeaturesOK  = 8
	StatusNeedsReset  = 64
	StatusFailed      = 128
)

// ISR bits, section 4.1.4.5.
const (
	ISRQueue  = 1
	ISRConfig = 2
)

// Device-independent feature bits, section 6.
const (
	FRingIndirectDesc = 28
	FRingEventIdx     = 29
	FVersion1         = 32
	FAccessPlatform   = 33
	FRingPacked       = 34
	FRingReset        = 40
)

// Split ring, section 2.7: a descriptor is 16 bytes.
const (
	DescSize  = 16
	DescAddr  = 0  // 64 bits
	DescLen   = 8  // 32 bits
	DescFlags = 12 // 16 bits
	DescNext  = 14 // 16 bits

	DescFNext     = 1
	DescFWrite    = 2
	DescFIndirect = 4 // section 2.7.5.3

	// Alignment of the three areas in bytes, section 2.7.
	DescAlign  = 16
	AvailAlign = 2
	UsedAlign  = 4

	AvailFlags = 0 // 16 bits
	AvailIdx   = 2 // 16 bits
	AvailRing  = 4 // 16 bits each, then used_event

	AvailFNoInterrupt = 1

	UsedFlags    = 0 // 16 bits
	UsedIdx      = 2 // 16 bits
	UsedRing     = 4 // 8 bytes each: id and len, 32 bits; then avail_event
	UsedElemSize = 8

	UsedFNoNotify = 1
)

// Packed ring, section 2.8: a descriptor is 16 bytes; address, length and the
// flags of the split ring are where they were or mean the same.
const (
	PackedID    = 12 // 16 bits
	PackedFlags = 14 // 16 bits

	DescFAvail = 1 << 7
	DescFUsed  = 1 << 15

	// Event suppression structure, sections 2.8.10 and 2.8.14.
	EventSize  = 4
	EventAlign = 4
	EventDesc  = 0 // 16 bits: offset in descriptors, and the wrap counter
	EventFlags = 2 // 16 bits, of which two are in use

	EventDescWrap  = 1 << 15
	EventFlagsMask = 3
	EventFEnable   = 0
	EventFDisable  = 1
	EventFDesc     = 2 // only with VIRTIO_F_EVENT_IDX
)

// Network device, section 5.1.
const (
	NetFMTU    = 3
	NetFMAC    = 5
	NetFStatus = 16

	NetQueueRx = 0
	NetQueueTx = 1

	NetCfgMAC    = 0  // 6 bytes
	NetCfgStatus = 6  // 16 bits
	NetCfgMTU    = 10 // 16 bits

	NetStatusLinkUp = 1

	// NetHeaderSize is virtio_net_hdr with num_buffers, as version 1 has it.
	NetHeaderSize       = 12
	NetHeaderNumBuffers = 10
)
