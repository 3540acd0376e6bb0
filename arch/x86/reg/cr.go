package reg

// Bits of CR0 (APM Vol. 2, 3.1.1).
const (
	CR0_PE uint64 = 1 << 0
	CR0_MP uint64 = 1 << 1
	CR0_EM uint64 = 1 << 2
	CR0_TS uint64 = 1 << 3
	CR0_ET uint64 = 1 << 4
	CR0_NE uint64 = 1 << 5
	CR0_WP uint64 = 1 << 16
	CR0_AM uint64 = 1 << 18
	CR0_NW uint64 = 1 << 29
	CR0_CD uint64 = 1 << 30
	CR0_PG uint64 = 1 << 31
)

// Bits of CR4 (APM Vol. 2, 3.1.3; VMXE and SMXE: SDM Vol. 3A, 2.5).
const (
	CR4_VME        uint64 = 1 << 0
	CR4_PVI        uint64 = 1 << 1
	CR4_TSD        uint64 = 1 << 2
	CR4_DE         uint64 = 1 << 3
	CR4_PSE        uint64 = 1 << 4
	CR4_PAE        uint64 = 1 << 5
	CR4_MCE        uint64 = 1 << 6
	CR4_PGE        uint64 = 1 << 7
	CR4_PCE        uint64 = 1 << 8
	CR4_OSFXSR     uint64 = 1 << 9
	CR4_OSXMMEXCPT uint64 = 1 << 10
	CR4_UMIP       uint64 = 1 << 11
	CR4_LA57       uint64 = 1 << 12
	CR4_VMXE       uint64 = 1 << 13
	CR4_SMXE       uint64 = 1 << 14
	CR4_FSGSBASE   uint64 = 1 << 16
	CR4_PCIDE      uint64 = 1 << 17
	CR4_OSXSAVE    uint64 = 1 << 18
	CR4_SMEP       uint64 = 1 << 20
	CR4_SMAP       uint64 = 1 << 21
	CR4_PKE        uint64 = 1 << 22
	CR4_CET        uint64 = 1 << 23
)

// Bits of RFLAGS (APM Vol. 2, 3.1.6). RFLAGS_1 always reads as one.
const (
	RFLAGS_CF   uint64 = 1 << 0
	RFLAGS_1    uint64 = 1 << 1
	RFLAGS_PF   uint64 = 1 << 2
	RFLAGS_AF   uint64 = 1 << 4
	RFLAGS_ZF   uint64 = 1 << 6
	RFLAGS_SF   uint64 = 1 << 7
	RFLAGS_TF   uint64 = 1 << 8
	RFLAGS_IF   uint64 = 1 << 9
	RFLAGS_DF   uint64 = 1 << 10
	RFLAGS_OF   uint64 = 1 << 11
	RFLAGS_IOPL uint64 = 3 << 12
	RFLAGS_NT   uint64 = 1 << 14
	RFLAGS_RF   uint64 = 1 << 16
	RFLAGS_VM   uint64 = 1 << 17
	RFLAGS_AC   uint64 = 1 << 18
	RFLAGS_VIF  uint64 = 1 << 19
	RFLAGS_VIP  uint64 = 1 << 20
	RFLAGS_ID   uint64 = 1 << 21
)

// Bits of DR6 and DR7 and their values after a reset (APM Vol. 2, 13.1.1).
const (
	DR6_BD    uint64 = 1 << 13
	DR6_BS    uint64 = 1 << 14
	DR6_BT    uint64 = 1 << 15
	DR6_Reset uint64 = 0xFFFF0FF0

	DR7_Enable uint64 = 0xFF // L0..G3
	DR7_GD     uint64 = 1 << 13
	DR7_Reset  uint64 = 0x400
)

// Components of XCR0 (APM Vol. 2, 11.5.2).
const (
	XCR0_X87 uint64 = 1 << 0
	XCR0_SSE uint64 = 1 << 1
	XCR0_AVX uint64 = 1 << 2
)
