package vdev_test

import (
	"fmt"
	"testing"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/ioapic"
	"basalt/vmkernel/vdev/kbd"
	"basalt/vmkernel/vdev/lapic"
	"basalt/vmkernel/vdev/pic"
	"basalt/vmkernel/vdev/pit"
	"basalt/vmkernel/vdev/pmtimer"
	"basalt/vmkernel/vdev/postcode"
	"basalt/vmkernel/vdev/rtc"
	"basalt/vmkernel/vdev/uart"
	"basalt/vmkernel/vtime"
)

// board is a whole machine without processors, wired as a PC is.
type board struct {
	t            *testing.T
	clock        *vtime.Manual
	bus          *vbus.Bus
	apics        *lapic.Set
	pic          *pic.PIC
	io           *ioapic.IOAPIC
	com          *uart.UART
	pm           *acpipm.PM
	out          []byte
	in           []byte
	resets, offs int
}

func (b *board) Write(p []byte) (int, error) { b.out = append(b.out, p...); return len(p), nil }
func (b *board) Receive(p []byte) int {
	n := copy(p, b.in)
	b.in = b.in[n:]
	return n
}
func (b *board) PowerOff() { b.offs++ }
func (b *board) Reset()    { b.resets++ }

func newBoard(t *testing.T) *board {
	return newBoardOf(t, lapic.NewSet(lapic.Config{X2APIC: true}))
}

// newBoardOf is newBoard with these local APICs.
func newBoardOf(t *testing.T, apics *lapic.Set) *board {
	b := &board{t: t, clock: vtime.NewManual(0), bus: vbus.New(), apics: apics}
	b.pic = pic.New(b.apics.APIC(0).LINT0)
	b.io = ioapic.New(b.apics)
	b.apics.ConnectEOI(b.io)
	isa := func(n int) vbus.Line {
		gsi := n
		if n == 0 {
			gsi = 2
		}
		return vbus.Fan{b.pic.Line(n), b.io.Line(gsi)}
	}
	b.com = uart.New("com1", uart.COM1, b.clock, isa(uart.COM1IRQ), b)
	b.pm = acpipm.New(b.clock, isa(acpipm.SCI), b)
	for _, err := range []error{
		b.bus.AddPorts(b.pic, pic.MasterCommand, 2), b.bus.AddPorts(b.pic, pic.SlaveCommand, 2), b.bus.AddPorts(b.pic, pic.MasterELCR, 2),
		b.bus.AddMMIO(b.io, 0, ioapic.DefaultBase, ioapic.Size),
		b.bus.AddPorts(b.com, uart.COM1, uart.NumPorts),
		b.pm.Plug(b.bus, pmtimer.New(b.clock, true)),
		kbd.New(b.Reset).Plug(b.bus),
		b.bus.AddPorts(&postcode.PostCode{}, postcode.Port, 1),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := pit.New(b.clock, isa(0))
	r := rtc.New(b.clock, isa(8), rtc.Config{MemBelow4: 512 << 20, CPUs: 1})
	for _, err := range []error{
		b.bus.AddPorts(p, pit.Counter0, 4), b.bus.AddPorts(p, pit.PortB, 1), b.bus.AddPorts(r, rtc.IndexPort, 4),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.apics.APIC(0).VirtualWire()
	return b
}

func (b *board) outb(port uint16, v ...byte) {
	for _, x := range v {
		b.bus.WritePort(port, []byte{x})
	}
}

func (b *board) inb(port uint16) byte {
	d := []byte{0}
	b.bus.ReadPort(port, d)
	return d[0]
}

func (b *board) rte(pin int, v uint64) {
	for half := range 2 {
		b.bus.WriteMMIO(ioapic.DefaultBase, []byte{byte(0x10 + 2*pin + half), 0, 0, 0})
		w := uint32(v >> (32 * half))
		b.bus.WriteMMIO(ioapic.DefaultBase+0x10, []byte{byte(w), byte(w >> 8), byte(w >> 16), byte(w >> 24)})
	}
}

// interrupts takes everything that is pending, as the run loop does, and ends it.
func (b *board) interrupts() (vectors []int) {
	a := b.apics.APIC(0)
	for range 100 {
		if a.ExtINTOpen() && b.pic.Pending() {
			v := b.pic.Ack()
			vectors = append(vectors, int(v))
			if v >= 0x38 && v < 0x40 {
				b.outb(pic.SlaveCommand, 0x20)
			}
			b.outb(pic.MasterCommand, 0x20)
			continue
		}
		v, ok := a.Pending()
		if !ok {
			return vectors
		}
		a.Ack(v)
		vectors = append(vectors, int(v))
		a.Write(lapic.EOI, 0, 0)
	}
	b.t.Fatal("interrupts do not end")
	return nil
}

// init8259 is Linux's init_8259A with vectors 0x30 to 0x3F; everything masked
// but the cascade and the given master pins.
func (b *board) init8259(open byte) {
	b.outb(pic.MasterData, 0xFF)
	b.outb(pic.MasterCommand, 0x11)
	b.outb(pic.MasterData, 0x30, 0x04, 0x01)
	b.outb(pic.SlaveCommand, 0x11)
	b.outb(pic.SlaveData, 0x38, 0x02, 0x01)
	b.outb(pic.MasterData, ^(open | 4))
	b.outb(pic.SlaveData, 0xFF)
}

func (b *board) timerHz(hz int) {
	n := (pit.Hz + hz/2) / hz
	b.outb(pit.Control, 0x34)
	b.outb(pit.Counter0, byte(n), byte(n>>8))
}

func count(list []int, v int) (n int) {
	for _, x := range list {
		if x == v {
			n++
		}
	}
	return
}

// TestLinuxCheckTimer: arch/x86/kernel/apic/io_apic.c expects more than four
// ticks within ten periods, first through IOAPIC pin 2, and has
// fall-backs through the 8259A. All three ways work.
func TestLinuxCheckTimer(t *testing.T) {
	for _, way := range []string{"IOAPIC pin 2", "8259A as virtual wire, fixed", "8259A as ExtINT"} {
		b := newBoard(t)
		a := b.apics.APIC(0)
		b.init8259(0)
		b.timerHz(250)
		vector := 0x30
		switch way {
		case "IOAPIC pin 2":
			a.Write(lapic.LVT0, 0x10700, 0)
			b.rte(2, 0x30)
		case "8259A as virtual wire, fixed":
			a.Write(lapic.LVT0, 0x31, 0)
			vector = 0x31
			b.outb(pic.MasterCommand, 0x11)
			b.outb(pic.MasterData, 0x30, 0x04, 0x03, 0xFA) // init(1): automatic EOI
		case "8259A as ExtINT":
			a.Write(lapic.LVT0, 0x700, 0)
			b.outb(pic.MasterData, 0xFA)
		}
		ticks := 0
		for range 10 {
			b.clock.Advance(4_000_000)
			ticks += count(b.interrupts(), vector)
		}
		if ticks <= 4 {
			t.Errorf("%s: %d ticks", way, ticks)
		}
	}
}

func TestPCBootWithoutAPIC(t *testing.T) { // "noapic nolapic": PIT through the PIC
	b := newBoard(t)
	b.init8259(1)
	b.timerHz(100)
	n := 0
	for range 100 {
		b.clock.Advance(10_000_000)
		n += count(b.interrupts(), 0x30)
	}
	if n < 99 || n > 101 {
		t.Errorf("%d ticks in a second at 100 Hz", n)
	}
}

func TestSerialConsoleThroughIOAPIC(t *testing.T) {
	b := newBoard(t)
	b.apics.APIC(0).Write(lapic.LVT0, 0x10000, 0)
	b.rte(4, 0x24)
	b.outb(uart.COM1+uart.FCR, 0x01)
	b.outb(uart.COM1+uart.MCR, 0x0B)
	b.outb(uart.COM1+uart.IER, 0x05)
	b.in = append(b.in, "ls\n"...)
	b.com.InputReady()
	if got := b.interrupts(); count(got, 0x24) != 1 {
		t.Fatalf("input: %v", got)
	}
	line := ""
	for b.inb(uart.COM1+uart.LSR)&1 != 0 {
		line += string(rune(b.inb(uart.COM1)))
	}
	if line != "ls\n" {
		t.Errorf("read %q", line)
	}
	b.outb(uart.COM1+uart.IER, 0x07)
	for _, c := range "root" { // one interrupt a byte, as a driver without FIFO would
		if got := b.interrupts(); count(got, 0x24) != 1 {
			t.Fatalf("THRE: %v", got)
		}
		b.inb(uart.COM1 + uart.IIR)
		b.outb(uart.COM1, byte(c))
	}
	if string(b.out) != "root" {
		t.Errorf("wrote %q", b.out)
	}
}

func TestSCIIsLevelTriggered(t *testing.T) {
	b := newBoard(t)
	b.apics.APIC(0).Write(lapic.LVT0, 0x10000, 0)
	b.rte(9, 0x29|1<<15)
	b.bus.WritePort(acpipm.Base+2, []byte{0x20, 0x01})
	b.pm.PowerButton()
	a := b.apics.APIC(0)
	for range 3 { // the handler does not clear the status: it comes again after each EOI
		v, ok := a.Pending()
		if !ok || v != 0x29 {
			t.Fatal("no SCI")
		}
		a.Ack(v)
		a.Write(lapic.EOI, 0, 0)
	}
	v, _ := a.Pending()
	a.Ack(v)
	b.bus.WritePort(acpipm.Base, []byte{0x00, 0x01})
	a.Write(lapic.EOI, 0, 0)
	if got := b.interrupts(); len(got) != 0 {
		t.Errorf("still there: %x", got)
	}
}

func TestRTCInterruptThroughSlavePIC(t *testing.T) {
	b := newBoard(t)
	b.init8259(0)
	b.outb(pic.SlaveData, 0xFE)
	b.outb(rtc.IndexPort, rtc.RegB)
	b.outb(rtc.DataPort, 0x42)
	n := 0
	for range 64 {
		b.clock.Advance(1e9 / 64)
		got := b.interrupts()
		n += count(got, 0x38)
		b.outb(rtc.IndexPort, rtc.RegC)
		b.inb(rtc.DataPort)
	}
	if n != 64 {
		t.Errorf("%d interrupts", n)
	}
}

func TestWaysToResetAndPowerOff(t *testing.T) { // the order of Linux's native_machine_emergency_restart
	b := newBoard(t)
	b.outb(acpipm.ResetPort, acpipm.ResetValue)
	b.outb(kbd.Command, 0xFE)
	b.outb(kbd.PortA, 0x01)
	if b.resets != 3 {
		t.Errorf("%d resets", b.resets)
	}
	b.bus.WritePort(acpipm.ControlAt, []byte{0, acpipm.S5<<2 | 0x20})
	if b.offs != 1 {
		t.Error("S5")
	}
}

// FuzzBoard is a hostile guest with all devices at once: nothing panics, every
// timer that is armed lies ahead, and a reset brings silence.
func FuzzBoard(f *testing.F) {
	f.Add([]byte{0, 0x43, 0x34, 0, 0x40, 2, 0, 0x40, 0, 2, 1, 0xFF})
	f.Add([]byte{1, 0x10, 0x12, 3, 0, 9, 0, 0x20, 0x11, 4, 0xF0, 0xFF})
	f.Fuzz(func(t *testing.T, in []byte) {
		b := newBoard(t)
		buf := make([]byte, 4)
		bases := []uint16{0, 0x100, 0x300, 0x400, 0x600, 0xC00}
		for ; len(in) >= 3; in = in[3:] {
			buf[0], buf[1] = in[2], in[1]
			port := bases[in[0]>>4%6%6] + uint16(in[1])
			switch in[0] & 7 {
			case 0:
				b.bus.WritePort(port, buf[:1])
			case 1:
				b.bus.WriteMMIO(ioapic.DefaultBase+uint64(in[1]&0x50), buf)
			case 2:
				b.clock.Jump(int64(in[2]) << (in[1] & 31))
			case 3:
				b.bus.ReadPort(port, buf[:1<<(in[2]%3)])
			case 4:
				b.apics.APIC(0).Write(uint32(in[1])<<4, uint32(in[2])*0x10101, 0)
			case 5:
				b.bus.WritePort(port, buf[:1<<(in[2]%3)])
			case 6:
				b.in = append(b.in, in[1], in[2])
				b.com.InputReady()
			case 7:
				if v, ok := b.apics.APIC(0).Pending(); ok {
					b.apics.APIC(0).Ack(v)
				} else if b.pic.Pending() {
					b.pic.Ack()
				}
			}
		}
		b.bus.Reset()
		b.apics.APIC(0).Reset()
		if b.clock.Armed() != 0 {
			t.Fatal("a timer survives the reset")
		}
		if _, ok := b.apics.APIC(0).Pending(); ok || b.pic.Pending() {
			t.Fatal("an interrupt survives the reset")
		}
	})
}

// TestMachineState saves a machine in the middle of things, loads it into a new
// one, and both go on alike.
func TestMachineState(t *testing.T) {
	run := func(b *board) (all []int) {
		for range 50 {
			b.clock.Advance(3_000_000)
			all = append(all, b.interrupts()...)
		}
		return all
	}
	b := newBoard(t)
	b.init8259(1)
	b.outb(pic.SlaveData, 0xFE)
	b.timerHz(100)
	b.outb(rtc.IndexPort, rtc.RegB)
	b.outb(rtc.DataPort, 0x42)
	b.outb(uart.COM1+uart.MCR, 0x0B)
	b.outb(uart.COM1+uart.IER, 0x03)
	run(b)
	c := newBoard(t)
	c.clock.Advance(b.clock.Now())
	saved := map[string][]byte{}
	var order []vbus.Stateful
	var last []vbus.Stateful
	names := map[vbus.Stateful]string{}
	for _, d := range b.bus.Devices() {
		if s, ok := d.(vbus.Stateful); ok {
			saved[d.Name()], _ = s.SaveState()
		}
	}
	for _, d := range c.bus.Devices() {
		if s, ok := d.(vbus.Stateful); ok {
			names[s] = d.Name()
			if d == vbus.Device(c.pic) || d == vbus.Device(c.io) {
				last = append(last, s)
			} else {
				order = append(order, s)
			}
		}
	}
	for _, s := range append(order, last...) {
		if err := s.LoadState(saved[names[s]]); err != nil {
			t.Fatal(err)
		}
	}
	apic, _ := b.apics.APIC(0).SaveState()
	if err := c.apics.APIC(0).LoadState(apic); err != nil {
		t.Fatal(err)
	}
	x, y := run(b), run(c)
	if len(x) < 10 || fmt.Sprint(x) != fmt.Sprint(y) {
		t.Errorf("%v\nand\n%v", x, y)
	}
}

// FuzzLoadState gives each device a state from outside: it is refused, or the
// device works with it, saves one that it takes again, and stays silent after a
// reset.
func FuzzLoadState(f *testing.F) {
	b := newBoard(&testing.T{})
	b.init8259(1)
	b.timerHz(100)
	b.outb(rtc.IndexPort, rtc.RegB)
	b.outb(rtc.DataPort, 0x72)
	b.outb(uart.COM1+uart.FCR, 0xC1)
	for i, d := range b.bus.Devices() {
		if s, ok := d.(vbus.Stateful); ok {
			good, _ := s.SaveState()
			f.Add(uint8(i), good)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, in []byte) {
		b := newBoard(t)
		b.clock.Advance(12345)
		list := b.bus.Devices()
		d := list[int(which)%len(list)]
		s, ok := d.(vbus.Stateful)
		if !ok || s.LoadState(in) != nil {
			return
		}
		for _, step := range []int64{0, 1, 1e6, 1e9, 1e12} {
			b.clock.Jump(step)
			for port := uint16(0x20); port < 0x620; port++ {
				b.inb(port)
			}
			b.outb(pit.Counter0, 1, 0)
			b.outb(pit.PortB, 0)
			b.outb(pit.PortB, 1)
			for i := range byte(0x40) {
				b.outb(rtc.IndexPort, i)
				b.inb(rtc.DataPort)
			}
			b.outb(uart.COM1, 'x')
			for range 8 {
				if b.pic.Pending() {
					b.pic.Ack()
				}
			}
		}
		saved, err := s.SaveState()
		if err == nil {
			err = s.LoadState(saved)
		}
		if err != nil {
			t.Fatalf("%s: own state refused: %v", d.Name(), err)
		}
		b.bus.Reset()
		if b.clock.Armed() != 0 {
			t.Fatal("a timer survives the reset")
		}
	})
}
