package acpipm

import (
	"sync"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/pmtimer"
)

// Host is what the guest may ask of the machine. Called on the virtual CPU's
// goroutine, without a lock; it must not block: it leaves a note for the VM's
// owner.
type Host interface {
	PowerOff()
	Reset()
}

// PM is the device. Safe for any goroutine.
type PM struct {
	clock vbus.Clock
	irq   vbus.Line
	host  Host
	timer vbus.Timer

	mu    sync.Mutex
	sts   uint16
	en    uint16
	cnt   uint16
	gpe   uint16 // GPE0_STS
	gpeEn uint16 // GPE0_EN
	carry uint64 // carries of the timer that were looked at
	reset uint8
}

var (
	_ vbus.Device   = (*PM)(nil)
	_ vbus.PortIO   = (*PM)(nil)
	_ vbus.Stateful = (*PM)(nil)
)

// New makes the device; irq is the SCI.
func New(clock vbus.Clock, irq vbus.Line, host Host) *PM {
	p := &PM{clock: clock, irq: irq, host: host}
	p.timer = clock.NewTimer(p.expired)
	p.Reset()
	return p
}

// Plug claims the ports of the device and of the timer.
func (p *PM) Plug(b *vbus.Bus, t *pmtimer.Timer) error {
	if err := b.AddPorts(p, Base, EventLen+ControlN); err != nil {
		return err
	}
	if err := b.AddPortsSized(p, ResetPort, 1, vbus.Size1); err != nil {
		return err
	}
	if err := b.AddPorts(p, GPEAt, GPEN); err != nil {
		return err
	}
	return b.AddPorts(t, TimerAt, TimerN)
}

// Name implements vbus.Device.
func (p *PM) Name() string { return "acpipm" }

// Reset implements vbus.Device.
func (p *PM) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sts, p.en, p.cnt, p.reset = 0, 0, sciEn, 0
	p.gpe, p.gpeEn = 0, 0
	p.carry = p.carries()
	p.update()
}

// PowerButton presses the button: the guest may shut down, or not. Any goroutine.
func (p *PM) PowerButton() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sts |= pwrBit
	p.update()
}

// Event raises a general-purpose event, 0 to 15; others do nothing. Any goroutine.
func (p *PM) Event(n int) {
	if n < 0 || n >= numGPEs {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gpe |= 1 << n
	p.update()
}

func (p *PM) carries() uint64 { return pmtimer.Ticks(p.clock.Now()) >> carryBit }

// look sets TMR_STS if the timer's highest bit changed.
func (p *PM) look() {
	if n := p.carries(); n != p.carry {
		p.carry = n
		p.sts |= tmrBit
	}
}

// update sets the SCI and arms the timer when its carry would raise it.
func (p *PM) update() {
	p.irq.Set(p.sts&p.en != 0 || p.gpe&p.gpeEn != 0)
	if p.en&tmrBit != 0 && p.sts&tmrBit == 0 {
		p.timer.Arm(pmtimer.Nanos((p.carry + 1) << carryBit))
	} else {
		p.timer.Stop()
	}
}

func (p *PM) expired() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look()
	p.update()
}

// gpeOff is where GPE0 is, from Base.
const gpeOff = GPEAt - Base

// inside says whether n bytes from port are in one of the two blocks.
func inside(port uint16, n int) bool {
	return port >= Base && int(port-Base)+n <= EventLen+ControlN || port >= GPEAt && int(port-GPEAt)+n <= GPEN
}

// at is byte i of the block from Base.
func (p *PM) at(i uint16) byte {
	switch i {
	case 0, 1:
		return byte(p.sts >> (8 * i))
	case 2, 3:
		return byte(p.en >> (8 * (i - 2)))
	case gpeOff, gpeOff + 1:
		return byte(p.gpe >> (8 * (i - gpeOff)))
	case gpeOff + 2, gpeOff + 3:
		return byte(p.gpeEn >> (8 * (i - gpeOff - 2)))
	}
	return byte(p.cnt >> (8 * (i - 4)))
}

// ReadPort implements vbus.PortIO: any width.
func (p *PM) ReadPort(port uint16, data []byte) vbus.Access {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port == ResetPort {
		data[0] = p.reset
		return vbus.OK
	}
	if !inside(port, len(data)) {
		return vbus.BadSize
	}
	p.look()
	for i := range data {
		data[i] = p.at(port - Base + uint16(i))
	}
	p.update()
	return vbus.OK
}

// WritePort implements vbus.PortIO: any width.
func (p *PM) WritePort(port uint16, data []byte) vbus.Access {
	if port != ResetPort && !inside(port, len(data)) {
		return vbus.BadSize
	}
	p.mu.Lock()
	var off, reset bool
	if port == ResetPort {
		reset = data[0]&rstCPU != 0
		p.reset = data[0] & (rstSystem | rstFull)
	} else {
		p.look()
		for i, v := range data {
			off = p.put(port-Base+uint16(i), v) || off
		}
		p.update()
	}
	p.mu.Unlock()
	switch {
	case reset:
		p.host.Reset()
	case off:
		p.host.PowerOff()
	}
	return vbus.OK
}

// put writes byte i of the block; it says whether the machine goes to S5.
func (p *PM) put(i uint16, v byte) (off bool) {
	switch i {
	case 0, 1: // status: a one clears
		p.sts &^= uint16(v) << (8 * i)
	case 2, 3:
		sh := 8 * (i - 2)
		p.en = (p.en&^(0xFF<<sh) | uint16(v)<<sh) & enBits
	case 4:
		p.cnt = p.cnt&0xFF00 | uint16(v)&bmRld | sciEn
	case 5:
		w := uint16(v) << 8
		p.cnt = p.cnt&0x00FF | w&slpTyp
		return w&slpEn != 0 && w&slpTyp == S5<<slpTypPos
	case gpeOff, gpeOff + 1:
		p.gpe &^= uint16(v) << (8 * (i - gpeOff))
	case gpeOff + 2, gpeOff + 3:
		sh := 8 * (i - gpeOff - 2)
		p.gpeEn = p.gpeEn&^(0xFF<<sh) | uint16(v)<<sh
	}
	return false
}
