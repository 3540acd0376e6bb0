package rtc

// The ports.
const (
	IndexPort = 0x70
	DataPort  = 0x71
	// IndexPort2 and DataPort2 reach cells 0x80 to 0xFF.
	IndexPort2 = 0x72
	DataPort2  = 0x73
)

// Cells.
const (
	Seconds      = 0x00
	SecondsAlarm = 0x01
	Minutes      = 0x02
	MinutesAlarm = 0x03
	Hours        = 0x04
	HoursAlarm   = 0x05
	DayOfWeek    = 0x06 // 1 is Sunday
	DayOfMonth   = 0x07
	Month        = 0x08
	Year         = 0x09
	RegA         = 0x0A
	RegB         = 0x0B
	RegC         = 0x0C
	RegD         = 0x0D
	Shutdown     = 0x0F
	Equipment    = 0x14
	Century      = 0x32
)

// Register A.
const (
	aUIP       = 0x80
	aDivMask   = 0x70
	aDivNormal = 0x20
	aRate      = 0x0F
)

// Register B.
const (
	bSET  = 0x80
	bPIE  = 0x40
	bAIE  = 0x20
	bUIE  = 0x10
	bDM   = 0x04 // binary
	b24   = 0x02
	bIRQs = bPIE | bAIE | bUIE
)

// Register C; the flags are at the places of their enables in B.
const (
	cIRQF = 0x80
	cPF   = bPIE
	cAF   = bAIE
	cUF   = bUIE
)

const dVRT = 0x80 // register D: the battery is good

// Times in nanoseconds.
const (
	second  = int64(1e9)
	uipTime = int64(244_000)
)

// anyTime in an alarm register matches every value (two most significant bits).
const anyTime = 0xC0
