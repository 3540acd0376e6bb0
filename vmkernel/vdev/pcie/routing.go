package pcie

import (
	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

// GSIs that INTx goes to.
const (
	FirstGSI = 16
	NumGSIs  = 8
)

// GSI is the global interrupt of pin (1 is INTA#) of a device on bus 0: PIRQ A-H
// are 16-23, devices 25-31 but 30 have the reset values of ICH9's DxxIR, the others
// rotate over E-H as on a Q35. Behind a root port the pin is that of the port's
// device: the card is device 0 (Bridge Architecture 1.2, table 9-1).
func GSI(device, pin uint8) int {
	p := int(pin-1) % spec.InterruptPins
	if device >= 25 && device != 30 {
		return FirstGSI + p
	}
	return FirstGSI + 4 + (int(device)+p)%spec.InterruptPins
}

// lines are the junctions: one per GSI with an output per device of bus 0, one per
// pin of a device with an output per function: its own and that of the card behind.
type lines struct {
	gsi [NumGSIs]*vbus.Shared
	pin [spec.DevicesPerBus][spec.InterruptPins]*vbus.Shared
}

func (l *lines) connect(line func(gsi int) vbus.Line) {
	for i := range l.gsi {
		var to vbus.Line = vbus.NoLine{}
		if line != nil {
			if to = line(FirstGSI + i); to == nil {
				to = vbus.NoLine{}
			}
		}
		l.gsi[i] = vbus.NewShared(to)
	}
}

// output is number n (0 to 31) of those on a pin of a device on bus 0.
func (l *lines) output(at Address, pin uint8, n int) vbus.Line {
	if pin == 0 {
		return nil
	}
	s := &l.pin[at.Device][pin-1]
	if *s == nil {
		*s = vbus.NewShared(l.gsi[GSI(at.Device, pin)-FirstGSI].Output(int(at.Device)))
	}
	return (*s).Output(n)
}
