package uart

import (
	"sync"

	"basalt/vmkernel/vbus"
)

// Backend is the host side of the wire. Both methods return at once and do not
// call the UART.
type Backend interface {
	// Write takes bytes that the guest sent. Fewer than all without an error
	// is back pressure: the UART keeps the rest until OutputReady. After an
	// error they are lost.
	Write(p []byte) (int, error)
	// Receive gives bytes for the guest, 0 when there are none.
	Receive(p []byte) int
}

// UART is one serial port. Safe for any goroutine.
type UART struct {
	name    string
	base    uint16
	clock   vbus.Clock
	irq     vbus.Line
	backend Backend
	timer   vbus.Timer

	mu       sync.Mutex
	ier      uint8
	fcr      uint8 // fcrKept bits
	lcr      uint8
	mcr      uint8
	msr      uint8
	scr      uint8
	errors   uint8 // lsrErrors bits
	divisor  uint16
	rx, tx   fifo
	paused   bool     // nothing moves on the wire
	timedOut bool     // a character timeout is pending
	thre     bool     // a THRE interrupt is pending
	one      [1]byte  // for the backend: a field, so that nothing escapes
	chunk    [16]byte // the same
}

var (
	_ vbus.Device   = (*UART)(nil)
	_ vbus.PortIO   = (*UART)(nil)
	_ vbus.Stateful = (*UART)(nil)
	_ vbus.Pausable = (*UART)(nil)
)

// New makes a reset port with its first register at base.
func New(name string, base uint16, clock vbus.Clock, irq vbus.Line, backend Backend) *UART {
	u := &UART{name: name, base: base, clock: clock, irq: irq, backend: backend}
	u.timer = clock.NewTimer(u.timeout)
	u.Reset()
	return u
}

// Name implements vbus.Device.
func (u *UART) Name() string { return u.name }

// Reset is the master reset (data sheet, table I). Bytes in the transmit FIFO
// are lost, input waits in the backend.
func (u *UART) Reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ier, u.fcr, u.lcr, u.mcr, u.scr, u.errors = 0, 0, 0, 0, 0, 0
	u.divisor = 12 // 9600
	u.msr = u.modemInputs()
	u.rx.clear()
	u.tx.clear()
	u.timedOut, u.thre = false, false
	u.timer.Stop()
	u.update()
}

// InputReady says that the backend has input. Any goroutine.
func (u *UART) InputReady() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fill()
	u.update()
}

// OutputReady says that the backend takes output again. Any goroutine.
func (u *UART) OutputReady() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drain()
	u.update()
}

func (u *UART) fifoOn() bool { return u.fcr&fcrEnable != 0 }

func (u *UART) capacity() int {
	if u.fifoOn() {
		return fifoSize
	}
	return 1
}

func (u *UART) trigger() int {
	if u.fifoOn() {
		return triggers[u.fcr>>6]
	}
	return 1
}

// fill takes input while there is room, and starts the time-out.
func (u *UART) fill() {
	if u.mcr&mcrLoop != 0 || u.paused {
		return
	}
	room := u.capacity() - u.rx.n
	if room <= 0 {
		return
	}
	n := min(u.backend.Receive(u.chunk[:room]), room)
	for i := range n {
		u.rx.push(u.chunk[i])
	}
	if n > 0 {
		u.startTimeout()
	}
}

// startTimeout: data below the trigger level is reported after four character
// times without a read or a new byte.
func (u *UART) startTimeout() {
	u.timedOut = false
	if !u.fifoOn() || u.rx.n == 0 || u.rx.n >= u.trigger() {
		u.timer.Stop()
		return
	}
	bits := int64(u.lcr&lcrWord) + 5 + 2 // start and stop
	if u.lcr&lcrStop != 0 {
		bits++
	}
	if u.lcr&lcrParity != 0 {
		bits++
	}
	char := bits * 16 * int64(max(u.divisor, 1)) * 1e9 / clockHz
	u.timer.Arm(u.clock.Now() + 4*char)
}

func (u *UART) timeout() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fifoOn() && u.rx.n > 0 {
		u.timedOut = true
		u.update()
	}
}

// drain gives the transmit FIFO to the backend; when it gets empty, that is an
// interrupt.
func (u *UART) drain() {
	if u.tx.n == 0 || u.paused {
		return
	}
	for u.tx.n > 0 {
		u.one[0] = u.tx.b[u.tx.head]
		n, err := u.backend.Write(u.one[:])
		if n == 0 && err == nil {
			return
		}
		u.tx.pop()
	}
	u.thre = true
}

// modemInputs is the upper half of MSR: the other end is there and ready, or
// the outputs looped back (data sheet, "Modem Control Register", bit 4).
func (u *UART) modemInputs() uint8 {
	if u.mcr&mcrLoop == 0 {
		return msrCTS | msrDSR | msrDCD
	}
	m := u.mcr & (mcrDTR | mcrRTS | mcrOUT1 | mcrOUT2)
	return m&mcrRTS<<3 | m&mcrDTR<<5 | m&mcrOUT1<<4 | m&mcrOUT2<<4
}

// updateMSR sets the inputs and records what changed; RI counts only when it falls.
func (u *UART) updateMSR() {
	old, now := u.msr&0xF0, u.modemInputs()
	changed := (old ^ now) >> 4 &^ msrTERI
	if old&msrRI != 0 && now&msrRI == 0 {
		changed |= msrTERI
	}
	u.msr = u.msr&0x0F | changed | now
}

// pending is the interrupt with the highest priority (data sheet, table IV).
func (u *UART) pending() uint8 {
	switch {
	case u.ier&ierRLS != 0 && u.errors != 0:
		return iirRLS
	case u.ier&ierRDA != 0 && u.rx.n >= u.trigger():
		return iirRDA
	case u.ier&ierRDA != 0 && u.timedOut:
		return iirTimeout
	case u.ier&ierTHRE != 0 && u.thre:
		return iirTHRE
	case u.ier&ierMSR != 0 && u.msr&0x0F != 0:
		return iirMSR
	}
	return iirNone
}

// update sets the interrupt line, which OUT2 gates.
func (u *UART) update() {
	u.irq.Set(u.pending() != iirNone && u.mcr&mcrOUT2 != 0)
}

// ReadPort implements vbus.PortIO.
func (u *UART) ReadPort(port uint16, data []byte) vbus.Access {
	switch {
	case port-u.base >= NumPorts:
		return vbus.NoRegister
	case len(data) != 1:
		return vbus.BadSize
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	data[0] = u.read(port - u.base)
	u.update()
	return vbus.OK
}

func (u *UART) read(reg uint16) uint8 {
	dlab := u.lcr&lcrDLAB != 0
	switch reg {
	case RBR:
		if dlab {
			return uint8(u.divisor)
		}
		return u.receive()
	case IER:
		if dlab {
			return uint8(u.divisor >> 8)
		}
		return u.ier
	case IIR:
		v := u.pending()
		if v == iirTHRE {
			u.thre = false // reading IIR ends this one
		}
		if u.fifoOn() {
			v |= iirFIFO
		}
		return v
	case LCR:
		return u.lcr
	case MCR:
		return u.mcr
	case LSR:
		return u.lineStatus()
	case MSR:
		v := u.msr
		u.msr &= 0xF0
		return v
	}
	return u.scr
}

func (u *UART) receive() uint8 {
	if u.rx.n == 0 {
		return 0
	}
	v := u.rx.pop()
	u.fill()
	u.startTimeout()
	return v
}

func (u *UART) lineStatus() uint8 {
	v := u.errors
	u.errors = 0
	if u.rx.n > 0 {
		v |= lsrDR
	}
	if u.tx.n == 0 {
		v |= lsrTHRE | lsrTEMT
	}
	return v
}

// WritePort implements vbus.PortIO.
func (u *UART) WritePort(port uint16, data []byte) vbus.Access {
	switch {
	case port-u.base >= NumPorts:
		return vbus.NoRegister
	case len(data) != 1:
		return vbus.BadSize
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.write(port-u.base, data[0])
	u.update()
	return vbus.OK
}

func (u *UART) write(reg uint16, v uint8) {
	dlab := u.lcr&lcrDLAB != 0
	switch reg {
	case THR:
		if dlab {
			u.divisor = u.divisor&0xFF00 | uint16(v)
			return
		}
		u.transmit(v)
	case IER:
		if dlab {
			u.divisor = u.divisor&0x00FF | uint16(v)<<8
			return
		}
		// Enabling the THRE interrupt while the register is empty raises it.
		if v&ierTHRE != 0 && u.ier&ierTHRE == 0 && u.tx.n == 0 {
			u.thre = true
		}
		u.ier = v & ierMask
	case FCR:
		u.fifoControl(v)
	case LCR:
		u.lcr = v
	case MCR:
		u.mcr = v & mcrMask
		u.updateMSR()
		u.fill()
	case SCR:
		u.scr = v
	}
}

// transmit is a write of THR. The interrupt goes away and comes back: two
// changes of the line.
func (u *UART) transmit(v uint8) {
	u.thre = false
	u.update()
	if u.mcr&mcrLoop != 0 {
		if u.rx.n >= u.capacity() {
			u.errors |= lsrOE
			if !u.fifoOn() { // the new byte overwrites RBR
				u.rx.clear()
				u.rx.push(v)
			}
		} else {
			u.rx.push(v)
			u.startTimeout()
		}
		u.thre = true
		return
	}
	if u.tx.n >= u.capacity() {
		return // the guest did not look at THRE: lost, as on the chip
	}
	u.tx.push(v)
	u.drain()
}

func (u *UART) fifoControl(v uint8) {
	if (v^u.fcr)&fcrEnable != 0 {
		v |= fcrResetRX | fcrResetTX // changing the mode clears both
	}
	if v&fcrEnable == 0 {
		v &= fcrResetRX | fcrResetTX // other bits need FIFO mode
	}
	u.fcr = v & fcrKept
	if v&fcrResetRX != 0 {
		u.rx.clear()
	}
	if v&fcrResetTX != 0 && u.tx.n > 0 {
		u.tx.clear()
		u.thre = true
	}
	u.fill()
	u.startTimeout()
}
