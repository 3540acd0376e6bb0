package virtio

// Block device feature bits, section 5.2.3.
const (
	BlkFSizeMax     = 1
	BlkFSegMax      = 2
	BlkFRO          = 5
	BlkFBlkSize     = 6
	BlkFFlush       = 9
	BlkFTopology    = 10
	BlkFConfigWCE   = 11
	BlkFMQ          = 12
	BlkFDiscard     = 13
	BlkFWriteZeroes = 14
)

// Block device configuration, section 5.2.4. Sectors are 512 bytes.
const (
	BlkCapacity          = 0x00 // 64 bits, sectors
	BlkSizeMax           = 0x08 // 32 bits, bytes
	BlkSegMax            = 0x0c // 32 bits
	BlkSize              = 0x14 // 32 bits, bytes
	BlkPhysicalExp       = 0x18 // 8 bits, log2 of blocks
	BlkAlignmentOffset   = 0x19 // 8 bits, blocks
	BlkMinIO             = 0x1a // 16 bits, blocks
	BlkOptIO             = 0x1c // 32 bits, blocks
	BlkWriteback         = 0x20 // 8 bits
	BlkNumQueues         = 0x22 // 16 bits
	BlkMaxDiscard        = 0x24 // 32 bits, sectors
	BlkMaxDiscardSeg     = 0x28 // 32 bits
	BlkDiscardAlignment  = 0x2c // 32 bits, sectors
	BlkMaxWriteZeroes    = 0x30 // 32 bits, sectors
	BlkMaxWriteZeroesSeg = 0x34 // 32 bits
	BlkZeroesMayUnmap    = 0x38 // 8 bits
	BlkCfgSize           = 0x3c

	BlkSector = 512
)

// Block device requests, section 5.2.6: header, data, status.
const (
	BlkTIn          = 0
	BlkTOut         = 1
	BlkTFlush       = 4
	BlkTGetID       = 8
	BlkTDiscard     = 11
	BlkTWriteZeroes = 13

	BlkReqType    = 0 // 32 bits
	BlkReqSector  = 8 // 64 bits
	BlkReqSize    = 16
	BlkStatusSize = 1
	BlkIDSize     = 20

	// A range of discard and write zeroes.
	BlkRangeSector  = 0  // 64 bits
	BlkRangeSectors = 8  // 32 bits
	BlkRangeFlags   = 12 // 32 bits
	BlkRangeSize    = 16
	BlkRangeFUnmap  = 1

	BlkSOK     = 0
	BlkSIOErr  = 1
	BlkSUnsupp = 2
)
