package vm

import (
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/uart"
)

// comPorts are the places of a PC's serial ports.
var comPorts = [host.NumSerial]struct {
	base uint16
	irq  int
}{{uart.COM1, uart.COM1IRQ}, {uart.COM2, uart.COM2IRQ}, {uart.COM3, uart.COM3IRQ}, {uart.COM4, uart.COM4IRQ}}

// addSerials makes the ports. Those that share an interrupt are a wired OR, as on a PC.
func (b *board) addSerials(w *wiring, isa func(int) vbus.Line, behind *consoles) {
	shared := map[int]*vbus.Shared{}
	for i, c := range comPorts {
		if shared[c.irq] == nil {
			shared[c.irq] = vbus.NewShared(isa(c.irq))
		}
		u := uart.New(fmt.Sprintf("com%d", i+1), c.base, b.clock, shared[c.irq].Output(i), behind.com[i])
		w.ports(u, c.base, uart.NumPorts)
		b.uarts = append(b.uarts, u)
	}
}
