package acpitables

import "basalt/vmkernel/vdev/uart"

// spcr is the Serial Port Console Redirection Table, revision 2 (Microsoft, "Serial Port
// Console Redirection Table"), without the header: COM1 at 115200 bits a second, 8N1. A
// guest uses it when it is told to (Linux: earlycon), never by itself.
func spcr() []byte {
	t := []byte{0, 0, 0, 0} // a full 16550
	t = append(t, gas(8, 1, uart.COM1)...)
	t = append(t, 1|1<<1, uart.COM1IRQ) // both controllers; the PIC's input
	t = le.AppendUint32(t, uart.COM1IRQ)
	t = append(t, 7, 0, 1, 0)             // 115200, no parity, one stop bit, no flow control
	t = append(t, 3, 0)                   // ANSI terminal
	t = append(t, 0xFF, 0xFF, 0xFF, 0xFF) // not a PCI device
	t = append(t, 0, 0, 0)
	t = le.AppendUint32(t, 0)
	return le.AppendUint32(append(t, 0), 0)
}
