package linux

import (
	"unsafe"

	"basalt/arch/x86/io"
	"basalt/vmkernel/spin"
)

var ttyLock spin.Mutex

// The host's first serial line (PC16550D data sheet, "Registers"), polled: the
// log must get out of a kernel in which nothing else works any more.
const com1 = 0x3f8

// logSize is how many bytes of the log are kept.
const logSize = 64 << 10

// The log is a ring; the serial line follows behind it at its own speed, from Log,
// from the timer and, when the host ends, in one go. Nobody waits for the line.
var tty struct {
	present bool
	fifo    uint32 // bytes that the transmitter takes at once
	n       uint64 // bytes ever written
	sent    uint64 // of them over the line; what it lost sight of counts too
	cr      bool   // the carriage return before the next byte is out
	ring    [logSize]byte
}

func ttyInit() {
	io.Out8(com1+1, 0)
	io.Out8(com1+3, 0x80)
	io.Out8(com1, 1) // 115200
	io.Out8(com1+1, 0)
	io.Out8(com1+3, 3)
	io.Out8(com1+2, 0xc7)
	io.Out8(com1+4, 3)
	io.Out8(com1+7, 0x5a)
	tty.present = io.In8(com1+7) == 0x5a
	tty.fifo = 1
	if io.In8(com1+2)>>6 == 3 {
		tty.fifo = 16
	}
}

// Bits of the line status register.
const (
	lsrHoldingEmpty = 0x20
	lsrAllSent      = 0x40
)

//go:nosplit
func serialByte(b byte) {
	for i := 0; i < 1<<16 && io.In8(com1+5)&lsrHoldingEmpty == 0; i++ {
	}
	io.Out8(com1, b)
}

// ttyPut appends to the log. The lock is held, or nobody else runs.
//
//go:nosplit
func ttyPut(b byte) {
	tty.ring[tty.n%logSize] = b
	tty.n++
}

// ttyPump gives the line what it can take at this moment, max bytes at most. The
// lock is held, or nobody else runs.
//
//go:nosplit
func ttyPump(max int) {
	if !tty.present {
		tty.sent = tty.n
	}
	if tty.n-tty.sent > logSize {
		tty.sent = tty.n - logSize
	}
	room := uint32(0)
	for ; max > 0 && tty.sent != tty.n; max-- {
		if room == 0 {
			if io.In8(com1+5)&lsrHoldingEmpty == 0 {
				return
			}
			room = tty.fifo
		}
		room--
		b := tty.ring[tty.sent%logSize]
		if b == '\n' && !tty.cr {
			tty.cr = true
			io.Out8(com1, '\r')
			continue
		}
		tty.cr = false
		tty.sent++
		io.Out8(com1, b)
	}
}

// ttyBehind says that the line has not got the whole log yet.
//
//go:nosplit
func ttyBehind() bool { return tty.sent != tty.n && tty.present }

// ttyTick goes on with the line from the timer.
func ttyTick() {
	if ttyBehind() && ttyLock.TryLock() {
		ttyPump(256)
		ttyLock.Unlock()
	}
}

// ttyDrain waits for the line, for the end of the host. It takes no lock: whoever
// has it may be dead.
func ttyDrain() {
	const most = 8 << 10 // less than a second
	if tty.n-tty.sent > most {
		tty.sent = tty.n - most
	}
	for idle := 0; ttyBehind() && idle < 1<<16; idle++ {
		before := tty.sent
		if ttyPump(64); tty.sent != before {
			idle = 0
		}
	}
	for i := 0; tty.present && i < 1<<16 && io.In8(com1+5)&lsrAllSent == 0; i++ {
	}
}

// ttyString is for start-up and the end, when there is one processor.
func ttyString(s string) {
	for i := 0; i < len(s); i++ {
		ttyPut(s[i])
	}
	ttyDrain()
}

// Log writes to the log; the serial line follows. Up to 1 KiB stays together.
func Log(b []byte) {
	var piece [1024]byte
	for len(b) > 0 {
		n := copy(piece[:], b) // b may be memory that faults, piece is not
		logPiece(&piece, n)
		b = b[n:]
	}
}

//go:nosplit
func logPiece(p *[1024]byte, n int) {
	on := irqOff()
	ttyLock.Lock()
	for i := 0; i < n; i++ {
		ttyPut(p[i])
	}
	ttyPump(2 * len(p))
	ttyLock.Unlock()
	irqOn(on)
}

// ReadLog gives the newest bytes of the log, at most max of them, beginning at
// the start of a line. World W2.
func ReadLog(max int) []byte {
	max = min(max, logSize)
	b := make([]byte, max)
	for i := 0; i < max; i += 512 {
		b[i] = 1 // now nothing of it faults under the lock
	}
	n, whole := copyLog(b)
	b = b[:n]
	for i := 0; !whole && i < len(b); i++ {
		if b[i] == '\n' {
			return b[i+1:]
		}
	}
	return b
}

// copyLog fills b with the newest bytes; whole says that there are no others.
//
//go:nosplit
func copyLog(b []byte) (n uint64, whole bool) {
	on := irqOff()
	ttyLock.Lock()
	n = uint64(len(b))
	if tty.n < n {
		n = tty.n
	}
	for i := uint64(0); i < n; i++ {
		b[i] = tty.ring[(tty.n-n+i)%logSize]
	}
	whole = n == tty.n
	ttyLock.Unlock()
	irqOn(on)
	return n, whole
}

// RawByte sends a byte over the serial line without the log. World W1.
func RawByte(b byte) {
	if tty.present {
		serialByte(b)
	}
}

var crashLog [4096]byte

// CrashLog is the end of the log for the crash screen: from the runtime's own
// words on if it stopped the host. World W1, without locks.
func CrashLog() []byte {
	n := uint64(len(crashLog))
	if fatalAt != 0 && tty.n-fatalAt < n {
		n = tty.n - fatalAt
	} else if fatalAt == 0 && n > 2048 {
		n = 2048
	}
	start := tty.n - min(n, tty.n)
	if fatalAt != 0 {
		start = fatalAt
	}
	k := 0
	for ; k < len(crashLog) && start+uint64(k) < tty.n; k++ {
		crashLog[k] = tty.ring[(start+uint64(k))%logSize]
	}
	return crashLog[:k]
}

// fatalAt is where in the log the runtime began to say why it stops.
var fatalAt uint64

// noteFatal looks whether the runtime begins to report its own end.
func noteFatal(b []byte) {
	for _, p := range [...]string{"panic: ", "fatal error: ", "runtime: "} {
		if len(b) >= len(p) && string(b[:len(p)]) == p && fatalAt == 0 {
			fatalAt = tty.n
		}
	}
}

// fatalCause is the first line of what the runtime said, or a general sentence.
func fatalCause() string {
	if fatalAt == 0 {
		return "the VMkernel ended itself"
	}
	b := CrashLog()
	n := 0
	for n < len(b) && b[n] != '\n' {
		n++
	}
	// SAFETY: crashLog is a package variable that nobody changes any more.
	return unsafe.String(&b[0], n)
}
