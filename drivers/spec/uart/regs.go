// Package uart is the register layout of the 16550A serial port, shared by the host
// driver and by emulators. Names are the datasheet's.
//
// World W2, constants only. Specification: National Semiconductor PC16550D
// datasheet, June 1995, section 8.
package uart

// Registers, 8 bits each. With LCR.DLAB set, 0 and 1 are the divisor.
const (
	RBR = 0 // read: received byte
	THR = 0 // write: byte to send
	DLL = 0
	IER = 1
	DLM = 1
	IIR = 2 // read
	FCR = 2 // write
	LCR = 3
	MCR = 4
	LSR = 5
	MSR = 6
	SCR = 7

	Size = 8
)

// IER bits.
const (
	IERReceive  = 1 << 0
	IERTransmit = 1 << 1
	IERLine     = 1 << 2
)

// IIR values.
const (
	IIRNone      = 1 << 0 // no interrupt is pending
	IIRFIFO      = 3 << 6 // FIFOs are on: a 16550A
	FCREnable    = 1 << 0
	FCRClearRx   = 1 << 1
	FCRClearTx   = 1 << 2
	FCRTrigger8  = 2 << 6
	LCR8N1       = 3
	LCRDLAB      = 1 << 7
	MCRDTR       = 1 << 0
	MCRRTS       = 1 << 1
	MCROut2      = 1 << 3 // on PCs: gate of the interrupt line
	MCRLoop      = 1 << 4
	FIFODepth    = 16
	BaudRateBase = 115200
)

// LSR bits.
const (
	LSRReady   = 1 << 0 // a byte was received
	LSROverrun = 1 << 1
	LSRParity  = 1 << 2
	LSRFraming = 1 << 3
	LSRBreak   = 1 << 4
	LSRTHRE    = 1 << 5 // room to send
	LSRIdle    = 1 << 6
)
