package uart

// Offsets from the base port; some names share an offset.
const (
	RBR = 0 // read; DLL with DLAB
	THR = 0 // write
	IER = 1 // DLM with DLAB
	IIR = 2 // read
	FCR = 2 // write
	LCR = 3
	MCR = 4
	LSR = 5
	MSR = 6
	SCR = 7

	NumPorts = 8
)

// Bases of the four ports of a PC and their interrupt lines.
const (
	COM1, COM1IRQ = 0x3F8, 4
	COM2, COM2IRQ = 0x2F8, 3
	COM3, COM3IRQ = 0x3E8, 4
	COM4, COM4IRQ = 0x2E8, 3
)

// Interrupt enable register.
const (
	ierRDA  = 0x01
	ierTHRE = 0x02
	ierRLS  = 0x04
	ierMSR  = 0x08
	ierMask = 0x0F
)

// Interrupt identification register.
const (
	iirNone    = 0x01
	iirMSR     = 0x00
	iirTHRE    = 0x02
	iirRDA     = 0x04
	iirRLS     = 0x06
	iirTimeout = 0x0C
	iirFIFO    = 0xC0
)

// FIFO control register.
const (
	fcrEnable  = 0x01
	fcrResetRX = 0x02
	fcrResetTX = 0x04
	fcrKept    = 0xC9 // enable, DMA mode, trigger
)

// Line control register.
const (
	lcrWord   = 0x03
	lcrStop   = 0x04
	lcrParity = 0x08
	lcrDLAB   = 0x80
)

// Modem control register.
const (
	mcrDTR  = 0x01
	mcrRTS  = 0x02
	mcrOUT1 = 0x04
	mcrOUT2 = 0x08
	mcrLoop = 0x10
	mcrMask = 0x1F
)

// Line status register.
const (
	lsrDR     = 0x01
	lsrOE     = 0x02
	lsrErrors = 0x1E
	lsrTHRE   = 0x20
	lsrTEMT   = 0x40
)

// Modem status register; the low half are the changes.
const (
	msrCTS  = 0x10
	msrDSR  = 0x20
	msrRI   = 0x40
	msrDCD  = 0x80
	msrTERI = 0x04
)

// clockHz is the crystal; the speed is clockHz/16/divisor.
const clockHz = 1843200

const fifoSize = 16

// triggers are the receive FIFO levels of FCR bits 7:6.
var triggers = [4]int{1, 4, 8, 14}
