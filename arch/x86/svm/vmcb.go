package svm

// VMCB is the virtual machine control block: one 4 KiB frame, written back to
// memory by #VMEXIT and read by VMRUN, VMLOAD and VMSAVE (APM Vol. 2, Appendix B
// "Layout of VMCB"). Its frame lies outside the Go heap; it holds no Go pointers.
type VMCB struct {
	Control Control // 000h
	Save    Save    // 400h
	_       [0xC00 - saveSize]byte
}

// Control is the control area (Table B-1); the comments are byte offsets.
type Control struct {
	InterceptCRRead     uint16 // 000h bit n: CRn
	InterceptCRWrite    uint16
	InterceptDRRead     uint16 // 004h bit n: DRn
	InterceptDRWrite    uint16
	InterceptExceptions uint32 // 008h bit n: vector n
	Intercept1          uint32 // 00Ch Intercept1*
	Intercept2          uint32 // 010h Intercept2*
	Intercept3          uint32 // 014h Intercept3*
	_                   [0x24]byte
	PauseFilterThresh   uint16 // 03Ch
	PauseFilterCount    uint16 // 03Eh
	IOPM                uint64 // 040h physical address, 12 KiB
	MSRPM               uint64 // 048h physical address, 8 KiB
	TSCOffset           uint64 // 050h
	ASID                uint32 // 058h
	TLBControl          uint8  // 05Ch TLBControl*
	_                   [3]byte
	VTPR                uint8  // 060h V_TPR: CR8 in bits 3:0
	VIRQ                uint8  // 061h bit 0 V_IRQ, bit 1 VGIF
	VPrio               uint8  // 062h V_INTR_PRIO 3:0, V_IGN_TPR bit 4
	VCtl                uint8  // 063h VCtl*
	VIntrVector         uint32 // 064h bits 7:0
	Shadow              uint64 // 068h bit 0 interrupt shadow, bit 1 guest interrupt mask
	ExitCode            ExitCode
	ExitInfo1           uint64 // 078h
	ExitInfo2           uint64 // 080h
	ExitIntInfo         EventInfo
	NestedCtl           uint64 // 090h bit 0: nested paging
	AVICBar             uint64 // 098h
	GHCB                uint64 // 0A0h
	EventInj            EventInfo
	NCR3                uint64 // 0B0h root of the nested tables
	VirtExt             uint64 // 0B8h bit 0 LBR, bit 1 virtual VMLOAD/VMSAVE
	Clean               uint32 // 0C0h Clean*
	_                   uint32
	NRIP                uint64 // 0C8h next RIP, where the processor saves it
	InstBytesN          uint8  // 0D0h
	InstBytes           [15]byte
	_                   [0x400 - 0xE0]byte
}

// Segment is a segment register as the VMCB stores it. Attrib holds bits 55:52
// and 47:40 of the descriptor: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10,
// G 11.
type Segment struct {
	Selector uint16
	Attrib   uint16
	Limit    uint32
	Base     uint64
}

const saveSize = 0x2E8

// Save is the state-save area (Table B-2); the comments are byte offsets from
// its start. VMRUN and #VMEXIT move what is not marked; VMLOAD and VMSAVE move
// the fields marked L.
type Save struct {
	ES, CS, SS, DS      Segment // 000h
	FS, GS              Segment // 040h L
	GDTR                Segment // 060h
	LDTR                Segment // 070h L
	IDTR                Segment // 080h
	TR                  Segment // 090h L
	_                   [0x2B]byte
	CPL                 uint8 // 0CBh
	_                   [4]byte
	EFER                uint64 // 0D0h
	_                   [0x148 - 0xD8]byte
	CR4                 uint64 // 148h
	CR3                 uint64
	CR0                 uint64
	DR7                 uint64 // 160h
	DR6                 uint64
	RFLAGS              uint64
	RIP                 uint64 // 178h
	_                   [0x1D8 - 0x180]byte
	RSP                 uint64 // 1D8h
	SCET, SSP, ISSTAddr uint64
	RAX                 uint64 // 1F8h
	STAR                uint64 // 200h L
	LSTAR               uint64 // L
	CSTAR               uint64 // L
	SFMASK              uint64 // L
	KernelGSBase        uint64 // 220h L
	SysenterCS          uint64 // L
	SysenterESP         uint64 // L
	SysenterEIP         uint64 // L
	CR2                 uint64 // 240h
	_                   [0x268 - 0x248]byte
	GPAT                uint64 // 268h with nested paging only
	DebugCtl            uint64
	BrFrom, BrTo        uint64
	LastExcpFrom        uint64
	LastExcpTo          uint64 // 290h
	_                   [0x2E0 - 0x298]byte
	SpecCtrl            uint64 // 2E0h with virtual SPEC_CTRL only
}
