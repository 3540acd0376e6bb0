package vm

import (
	"sync"

	"basalt/vmkernel/vbus"
)

const (
	keyboardPort    = 0x64
	resetRegister   = 0xcf9
	debugPortNumber = 0xe9
	keyboardReset   = 0xfe
	maxDebugLine    = 200
	maxDebugLines   = 1000
)

// resetPort is what software uses to reset a PC: the reset control register
// (ICH9 data sheet, 13.7.5) and the keyboard controller's pulse on the reset line.
type resetPort struct {
	ask func(request)
	reg byte
}

func (r *resetPort) Name() string { return "reset" }
func (r *resetPort) Reset()       { r.reg = 0 }

func (r *resetPort) ReadPort(port uint16, data []byte) vbus.Access {
	if port != resetRegister {
		return vbus.NoRegister // there is no keyboard
	}
	data[0] = r.reg
	return vbus.OK
}

func (r *resetPort) WritePort(port uint16, data []byte) vbus.Access {
	if port == keyboardPort {
		if data[0] == keyboardReset {
			r.ask(reqReset)
		}
		return vbus.OK
	}
	was := r.reg
	r.reg = data[0] & 0xe
	if r.reg&4 != 0 && was&4 == 0 { // RST_CPU rises
		r.ask(reqReset)
	}
	return vbus.OK
}

// debugPort is port 0xE9 of Bochs and QEMU: lines for the host's log, bounded.
type debugPort struct {
	log   func(string)
	mu    sync.Mutex
	line  []byte
	lines int
}

func (d *debugPort) Name() string { return "debug" }

func (d *debugPort) Reset() {
	d.mu.Lock()
	d.line, d.lines = d.line[:0], 0
	d.mu.Unlock()
}

func (d *debugPort) ReadPort(_ uint16, data []byte) vbus.Access {
	data[0] = debugPortNumber // how guests find it
	return vbus.OK
}

func (d *debugPort) WritePort(_ uint16, data []byte) vbus.Access {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := data[0]
	if c != '\n' {
		if c < ' ' || c > '~' {
			c = '.'
		}
		if d.line = append(d.line, c); len(d.line) < maxDebugLine {
			return vbus.OK
		}
	}
	if d.lines < maxDebugLines {
		d.lines++
		d.log(string(d.line))
	}
	d.line = d.line[:0]
	return vbus.OK
}
