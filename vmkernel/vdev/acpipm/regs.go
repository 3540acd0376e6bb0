package acpipm

// Where the blocks are. The timer (package pmtimer) is inside the same 16 ports.
const (
	Base      = 0x600
	EventLen  = 4 // PM1_STS, PM1_EN
	ControlAt = Base + 4
	ControlN  = 2 // PM1_CNT
	TimerAt   = Base + 8
	TimerN    = 4
	GPEAt     = Base + 12 // GPE0_STS, GPE0_EN
	GPEN      = 4
	ResetPort = 0xCF9
	SCI       = 9 // interrupt line
)

// ResetValue is what the FADT tells the guest to write to ResetPort.
const ResetValue = 0x06

// S5 is the sleep type of power-off in PM1_CNT.
const S5 = 5

// PM1_STS and PM1_EN bits (tables 4.11 and 4.12).
const (
	tmrBit    = 1 << 0
	gblBit    = 1 << 5
	pwrBit    = 1 << 8
	slpBit    = 1 << 9
	rtcBit    = 1 << 10
	stsBits   = tmrBit | gblBit | pwrBit | slpBit | rtcBit
	enBits    = stsBits
	sciEn     = 1 << 0 // PM1_CNT (table 4.13)
	bmRld     = 1 << 1
	slpTypPos = 10
	slpTyp    = 7 << slpTypPos
	slpEn     = 1 << 13
)

// Reset control register.
const (
	rstSystem = 0x02
	rstCPU    = 0x04
	rstFull   = 0x08
)

// carryBit is the bit of the timer whose changes set TMR_STS: the highest of 32.
const carryBit = 31

// General-purpose events (4.8.4.1): bits of GPE0_STS and GPE0_EN.
const (
	GPEGenerationID = 0 // the VM generation ID changed
	GPEProcessor    = 1 // a processor came
	GPEMemory       = 3 // memory came; the number that QEMU uses

	numGPEs = 8 * GPEN / 2
)
