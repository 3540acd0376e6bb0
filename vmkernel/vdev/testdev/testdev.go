package testdev

import (
	"sync"
	"sync/atomic"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vbus"
)

// Where the device is, and how many lines it drives.
const (
	Lines    = 0x2000
	NumLines = 24
	Register = 0xe0
	RegSize  = 4
)

// Device is the device. Safe for any goroutine.
type Device struct {
	lines  [NumLines]vbus.Line
	levels atomic.Uint32

	mu  sync.Mutex
	reg [RegSize]byte
}

var (
	_ vbus.PortIO   = (*Device)(nil)
	_ vbus.Stateful = (*Device)(nil)
)

// New makes a device that drives line(0) to line(NumLines-1).
func New(line func(n int) vbus.Line) *Device {
	d := &Device{}
	for n := range d.lines {
		d.lines[n] = line(n)
	}
	return d
}

// Plug claims the ports.
func (d *Device) Plug(b *vbus.Bus) error {
	if err := b.AddPortsSized(d, Lines, NumLines, vbus.Size1); err != nil {
		return err
	}
	return b.AddPorts(d, Register, RegSize)
}

// Name implements vbus.Device.
func (d *Device) Name() string { return "testdev" }

// Reset implements vbus.Device.
func (d *Device) Reset() {
	d.set(0)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reg = [RegSize]byte{}
}

func (d *Device) set(levels uint32) {
	d.levels.Store(levels)
	for n, l := range d.lines {
		l.Set(levels>>n&1 != 0)
	}
}

// in says where in the register an access is.
func in(port uint16, n int) (at int, ok bool) {
	at = int(port) - Register
	return at, at >= 0 && at+n <= RegSize
}

// ReadPort implements vbus.PortIO.
func (d *Device) ReadPort(port uint16, data []byte) vbus.Access {
	at, ok := in(port, len(data))
	if !ok {
		return vbus.NoRegister
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(data, d.reg[at:])
	return vbus.OK
}

// WritePort implements vbus.PortIO.
func (d *Device) WritePort(port uint16, data []byte) vbus.Access {
	if n := int(port) - Lines; n >= 0 && n < NumLines && len(data) == 1 {
		high := data[0] != 0
		if bit := uint32(1) << n; high {
			d.levels.Or(bit)
		} else {
			d.levels.And(^bit)
		}
		d.lines[n].Set(high)
		return vbus.OK
	}
	at, ok := in(port, len(data))
	if !ok {
		return vbus.NoRegister
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.reg[at:], data)
	return vbus.OK
}

const stateVersion = 1

// SaveState implements vbus.Stateful.
func (d *Device) SaveState() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U32(d.levels.Load())
	e.Fixed(d.reg[:])
	return e.Bytes(), nil
}

// LoadState implements vbus.Stateful.
func (d *Device) LoadState(b []byte) error {
	dec := checkpoint.NewDecoder(b, stateVersion)
	levels := dec.U32()
	dec.Check(levels>>NumLines == 0, "lines")
	var reg [RegSize]byte
	dec.Fixed(reg[:])
	if err := dec.Done("testdev"); err != nil {
		return err
	}
	d.mu.Lock()
	d.reg = reg
	d.mu.Unlock()
	d.set(levels)
	return nil
}
