package linux

import (
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

func ttyHex(v uint64) {
	ttyString("0x")
	for i := 60; i >= 0; i -= 4 {
		ttyByte("0123456789abcdef"[v>>uint(i)&15])
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
