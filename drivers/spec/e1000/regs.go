// Package e1000 is the register and descriptor layout of Intel's 8254x gigabit
// controllers and of the 82574, shared by the host driver and by emulators. Names
// are the manuals'.
//
// World W2, constants only. Specifications: PCI/PCI-X Family of Gigabit Ethernet
// Controllers Software Developer's Manual (82540EM and others), revision 4.0,
// chapters 3 and 13; Intel 82574 GbE Controller Family Datasheet, revision 3.4,
// chapters 7 and 10.
package e1000

// PCI identities.
const (
	Vendor    = 0x8086
	ID82540EM = 0x100e
	ID82545EM = 0x100f
	ID82574L  = 0x10d3
)

// Registers in BAR 0, 32 bits each.
const (
	CTRL    = 0x0000
	STATUS  = 0x0008
	EERD    = 0x0014
	CTRLEXT = 0x0018
	FCAL    = 0x0028
	FCAH    = 0x002c
	FCT     = 0x0030
	ICR     = 0x00c0 // read clears
	ITR     = 0x00c4
	ICS     = 0x00c8
	IMS     = 0x00d0 // write sets mask bits
	IMC     = 0x00d8 // write clears mask bits
	EIAC    = 0x00dc // 82574
	IAM     = 0x00e0
	IVAR    = 0x00e4 // 82574
	EITR    = 0x00e8 // 82574: 5 of them
	RCTL    = 0x0100
	FCTTV   = 0x0170
	TCTL    = 0x0400
	TIPG    = 0x0410
	RDBAL   = 0x2800
	RDBAH   = 0x2804
	RDLEN   = 0x2808
	RDH     = 0x2810
	RDT     = 0x2818
	RDTR    = 0x2820
	RXDCTL  = 0x2828
	RADV    = 0x282c
	TDBAL   = 0x3800
	TDBAH   = 0x3804
	TDLEN   = 0x3808
	TDH     = 0x3810
	TDT     = 0x3818
	TXDCTL  = 0x3828
	MPC     = 0x4010 // missed packets; read clears
	RXCSUM  = 0x5000
	RFCTL   = 0x5008
	MTA     = 0x5200 // 128 entries
	RAL     = 0x5400
	RAH     = 0x5404
	Size    = 0x20000 // bytes of BAR 0
	MTALen  = 128
)

// CTRL bits.
const (
	CtrlFD               = 1 << 0
	CtrlGIOMasterDisable = 1 << 2 // 82574
	CtrlLRST             = 1 << 3
	CtrlASDE             = 1 << 5
	CtrlSLU              = 1 << 6
	CtrlILOS             = 1 << 7
	CtrlFRCSPD           = 1 << 11
	CtrlFRCDPX           = 1 << 12
	CtrlRST              = 1 << 26
	CtrlPHYRST           = 1 << 31
)

// STATUS bits.
const (
	StatusFD        = 1 << 0
	StatusLU        = 1 << 1
	StatusGIOMaster = 1 << 19 // 82574: master enable status
)

// CTRL_EXT bits.
const (
	CtrlExtEIAME  = 1 << 24 // 82574
	CtrlExtIAME   = 1 << 27
	CtrlExtPBACLR = 1 << 31 // 82574
)

// EERD: start, done and address shift differ between the two.
const (
	EERDStart       = 1 << 0
	EERDDone8254x   = 1 << 4
	EERDShift8254x  = 8
	EERDDone82574   = 1 << 1
	EERDShift82574  = 2
	EERDDataShift   = 16
	EEPROMMACWords  = 3
	EEPROMFirstWord = 0
)

// Interrupt causes in ICR, IMS, IMC.
const (
	IntTXDW   = 1 << 0
	IntTXQE   = 1 << 1
	IntLSC    = 1 << 2
	IntRXDMT0 = 1 << 4
	IntRXO    = 1 << 6
	IntRXT0   = 1 << 7
	IntRXQ0   = 1 << 20 // 82574 with MSI-X
	IntTXQ0   = 1 << 22
	IntOther  = 1 << 24
	IntAll    = 0xffffffff
)

// IVAR fields of the 82574: 4 bits each, the top one says valid.
const (
	IVARRXQ0Shift  = 0
	IVARTXQ0Shift  = 8
	IVAROtherShift = 16
	IVARValid      = 8
	IVARTxEveryWB  = 1 << 31
)

// RCTL bits.
const (
	RctlEN    = 1 << 1
	RctlUPE   = 1 << 3
	RctlMPE   = 1 << 4
	RctlBAM   = 1 << 15
	RctlSECRC = 1 << 26 // BSIZE 00: 2048-byte buffers
)

// TCTL bits and fields.
const (
	TctlEN        = 1 << 1
	TctlPSP       = 1 << 3
	TctlCTShift   = 4
	TctlCOLDShift = 12
	TctlCT        = 0x0f
	TctlCOLD      = 0x40 // full duplex
)

// TIPGCopper is the inter-packet gap for copper: IPGT 10, IPGR1 8, IPGR2 6.
const TIPGCopper = 10 | 8<<10 | 6<<20

// TXDCTL bits of the 82574.
const (
	TxdctlWTHRESH1  = 1 << 16
	TxdctlCountDesc = 1 << 22
	TxdctlGRAN      = 1 << 24
)

// RAHAddressValid in RAH.
const RAHAddressValid = 1 << 31

// Legacy descriptors are 16 bytes: the buffer's address, then this.
const (
	DescSize   = 16
	DescAddr   = 0
	DescLength = 8 // 16 bits

	RxStatus  = 12 // 8 bits
	RxErrors  = 13 // 8 bits
	TxCommand = 11 // 8 bits
	TxStatus  = 12 // 8 bits

	RxStatusDD  = 1 << 0
	RxStatusEOP = 1 << 1
	// RxErrorMask is CE, SE, SEQ, CXE and RXE: the frame is damaged. The
	// checksum errors TCPE and IPE are not: offload is off.
	RxErrorMask = 0x97

	TxCommandEOP  = 1 << 0
	TxCommandIFCS = 1 << 1
	TxCommandRS   = 1 << 3
	TxStatusDD    = 1 << 0
)
