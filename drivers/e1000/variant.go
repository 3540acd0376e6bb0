package e1000

import spec "basalt/drivers/spec/e1000"

// variant is what tells one part from another.
type variant struct {
	name      string
	eerdDone  uint32
	eerdShift uint
	pcie      bool // quiesce the bus master before reset; TXDCTL must be set
	msix      bool
}

var parts = map[uint16]*variant{
	spec.ID82540EM: {name: "82540EM", eerdDone: spec.EERDDone8254x, eerdShift: spec.EERDShift8254x},
	spec.ID82545EM: {name: "82545EM", eerdDone: spec.EERDDone8254x, eerdShift: spec.EERDShift8254x},
	spec.ID82574L:  {name: "82574L", eerdDone: spec.EERDDone82574, eerdShift: spec.EERDShift82574, pcie: true, msix: true},
}

// Match says whether the driver knows a device.
func Match(vendor, device uint16) bool {
	return vendor == spec.Vendor && parts[device] != nil
}
