package svm

// Intercepts of the third word of the control area, offset 00Ch (Table B-1).
const (
	Intercept1INTR       uint32 = 1 << 0
	Intercept1NMI        uint32 = 1 << 1
	Intercept1SMI        uint32 = 1 << 2
	Intercept1INIT       uint32 = 1 << 3
	Intercept1VINTR      uint32 = 1 << 4
	Intercept1CR0Sel     uint32 = 1 << 5
	Intercept1ReadIDTR   uint32 = 1 << 6
	Intercept1ReadGDTR   uint32 = 1 << 7
	Intercept1ReadLDTR   uint32 = 1 << 8
	Intercept1ReadTR     uint32 = 1 << 9
	Intercept1WriteIDTR  uint32 = 1 << 10
	Intercept1WriteGDTR  uint32 = 1 << 11
	Intercept1WriteLDTR  uint32 = 1 << 12
	Intercept1WriteTR    uint32 = 1 << 13
	Intercept1RDTSC      uint32 = 1 << 14
	Intercept1RDPMC      uint32 = 1 << 15
	Intercept1PUSHF      uint32 = 1 << 16
	Intercept1POPF       uint32 = 1 << 17
	Intercept1CPUID      uint32 = 1 << 18
	Intercept1RSM        uint32 = 1 << 19
	Intercept1IRET       uint32 = 1 << 20
	Intercept1INTn       uint32 = 1 << 21
	Intercept1INVD       uint32 = 1 << 22
	Intercept1PAUSE      uint32 = 1 << 23
	Intercept1HLT        uint32 = 1 << 24
	Intercept1INVLPG     uint32 = 1 << 25
	Intercept1INVLPGA    uint32 = 1 << 26
	Intercept1IOIO       uint32 = 1 << 27
	Intercept1MSR        uint32 = 1 << 28
	Intercept1TaskSwitch uint32 = 1 << 29
	Intercept1FERRFreeze uint32 = 1 << 30
	Intercept1Shutdown   uint32 = 1 << 31
	Intercept2VMRUN      uint32 = 1 << 0 // offset 010h from here; VMRUN must be set
	Intercept2VMMCALL    uint32 = 1 << 1
	Intercept2VMLOAD     uint32 = 1 << 2
	Intercept2VMSAVE     uint32 = 1 << 3
	Intercept2STGI       uint32 = 1 << 4
	Intercept2CLGI       uint32 = 1 << 5
	Intercept2SKINIT     uint32 = 1 << 6
	Intercept2RDTSCP     uint32 = 1 << 7
	Intercept2ICEBP      uint32 = 1 << 8
	Intercept2WBINVD     uint32 = 1 << 9
	Intercept2MONITOR    uint32 = 1 << 10
	Intercept2MWAIT      uint32 = 1 << 11
	Intercept2MWAITArmed uint32 = 1 << 12
	Intercept2XSETBV     uint32 = 1 << 13
	Intercept2RDPRU      uint32 = 1 << 14
	Intercept2EFERTrap   uint32 = 1 << 15
	Intercept3INVLPGB    uint32 = 1 << 0 // offset 014h from here
	Intercept3INVLPGBBad uint32 = 1 << 1
	Intercept3INVPCID    uint32 = 1 << 2
	Intercept3MCOMMIT    uint32 = 1 << 3
	Intercept3TLBSYNC    uint32 = 1 << 4
	Intercept3BusLock    uint32 = 1 << 5
	Intercept3IdleHLT    uint32 = 1 << 6
)

// Values of TLB_CONTROL (15.16.2).
const (
	TLBNothing   uint8 = 0
	TLBFlushAll  uint8 = 1 // every ASID
	TLBFlushASID uint8 = 3 // this ASID; needs reg.SVM_FlushByAsid
)

// Bits of the virtual interrupt control, byte by byte (15.21.4).
const (
	VIRQPending  uint8 = 1 << 0 // byte 61h
	VPrioMax     uint8 = 0xF    // byte 62h
	VIgnoreTPR   uint8 = 1 << 4
	VCtlMasking  uint8 = 1 << 0 // byte 63h: V_INTR_MASKING
	ShadowSTI          = 1      // quadword 68h
	NestedPaging       = 1      // quadword 90h
)

// Bits of the VMCB clean field: a one lets the processor keep what it cached
// (15.15.3).
const (
	CleanIntercepts uint32 = 1 << 0
	CleanIOPM       uint32 = 1 << 1
	CleanASID       uint32 = 1 << 2
	CleanTPR        uint32 = 1 << 3
	CleanNP         uint32 = 1 << 4
	CleanCRx        uint32 = 1 << 5
	CleanDRx        uint32 = 1 << 6
	CleanDT         uint32 = 1 << 7
	CleanSEG        uint32 = 1 << 8
	CleanCR2        uint32 = 1 << 9
	CleanLBR        uint32 = 1 << 10
)

// Base intercepts that every guest of ours has. RDTSC, RDTSCP, INVLPG, CR3,
// task switches and interrupt-flag instructions run without an exit.
const (
	BaseIntercept1 = Intercept1INTR | Intercept1NMI | Intercept1INIT | Intercept1RDPMC |
		Intercept1CPUID | Intercept1RSM | Intercept1INVD | Intercept1HLT | Intercept1INVLPGA |
		Intercept1IOIO | Intercept1MSR | Intercept1Shutdown
	BaseIntercept2 = Intercept2VMRUN | Intercept2VMMCALL | Intercept2VMLOAD | Intercept2VMSAVE |
		Intercept2STGI | Intercept2CLGI | Intercept2SKINIT | Intercept2WBINVD |
		Intercept2MONITOR | Intercept2MWAIT | Intercept2XSETBV | Intercept2RDPRU
)
