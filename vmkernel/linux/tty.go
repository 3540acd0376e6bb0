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

var tty struct {
	present bool
	n       uint64 // bytes ever written
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
}

func ttyByte(b byte) {
	tty.ring[tty.n%logSize] = b
	tty.n++
	if !tty.present {
		return
	}
	if b == '\n' {
		serialByte('\r')
	}
	serialByte(b)
}

func serialByte(b byte) {
	for i := 0; i < 1<<16 && io.In8(com1+5)&0x20 == 0; i++ {
	}
	io.Out8(com1, b)
}

func ttyWrite(b []byte) {
	for _, c := range b {
		ttyByte(c)
	}
}

func ttyString(s string) {
	for i := 0; i < len(s); i++ {
		ttyByte(s[i])
	}
}

// Log writes to the log and to the serial line, one writer at a time.
func Log(b []byte) {
	on := irqOff()
	ttyLock.Lock()
	ttyWrite(b)
	ttyLock.Unlock()
	irqOn(on)
}

// ReadLog gives the newest bytes of the log, at most max of them, beginning at
// the start of a line. World W2.
func ReadLog(max int) []byte {
	max = min(max, logSize)
	b := make([]byte, max)
	on := irqOff()
	ttyLock.Lock()
	n := uint64(max)
	if tty.n < n {
		n = tty.n
	}
	for i := uint64(0); i < n; i++ {
		b[i] = tty.ring[(tty.n-n+i)%logSize]
	}
	whole := n == tty.n
	ttyLock.Unlock()
	irqOn(on)
	b = b[:n]
	for i := 0; !whole && i < len(b); i++ {
		if b[i] == '\n' {
			return b[i+1:]
		}
	}
	return b
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
