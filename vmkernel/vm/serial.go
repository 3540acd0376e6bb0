package vm

import (
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/uart"
)

// serials are what stands behind a machine's serial ports, for its life: the console
// first.
type serials [host.NumSerial]*host.Console

func newSerials() (s serials) {
	s[0] = host.NewConsole()
	for i := 1; i < len(s); i++ {
		s[i] = host.NewSerial()
	}
	return s
}

// connect gives input to the ports, or, with nil, to nobody.
func (s *serials) connect(ports []*uart.UART) {
	for i, c := range s {
		if ports == nil {
			c.OnInput(nil)
		} else {
			c.OnInput(ports[i].InputReady)
		}
	}
}

func (s *serials) close() {
	for _, c := range s {
		c.Close()
	}
}

// comPorts are the places of a PC's serial ports.
var comPorts = [host.NumSerial]struct {
	base uint16
	irq  int
}{{uart.COM1, uart.COM1IRQ}, {uart.COM2, uart.COM2IRQ}, {uart.COM3, uart.COM3IRQ}, {uart.COM4, uart.COM4IRQ}}

// addSerials makes the ports. Those that share an interrupt are a wired OR, as on a PC.
func (b *board) addSerials(w *wiring, isa func(int) vbus.Line, behind *serials) {
	shared := map[int]*vbus.Shared{}
	for i, c := range comPorts {
		if shared[c.irq] == nil {
			shared[c.irq] = vbus.NewShared(isa(c.irq))
		}
		u := uart.New(fmt.Sprintf("com%d", i+1), c.base, b.clock, shared[c.irq].Output(i), behind[i])
		w.ports(u, c.base, uart.NumPorts)
		b.uarts = append(b.uarts, u)
	}
}
