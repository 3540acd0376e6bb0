package pic

// The ports.
const (
	MasterCommand = 0x20
	MasterData    = 0x21
	SlaveCommand  = 0xA0
	SlaveData     = 0xA1
	MasterELCR    = 0x4D0
	SlaveELCR     = 0x4D1
)

// cascade is the master's pin that the slave's INT drives.
const cascade = 2

// The pins that may be level-triggered: not timer, keyboard, cascade; not RTC
// and coprocessor.
const (
	masterLevel = 0xF8
	slaveLevel  = 0xDE
)

// NumPins is the number of interrupt requests; number 2 does not exist outside.
const NumPins = 16

// spurious is the pin that answers when nothing asks any more.
const spurious = 7
