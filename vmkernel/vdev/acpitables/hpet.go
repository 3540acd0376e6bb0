package acpitables

// Where the HPET is, and its event timer block ID as its capabilities register
// must give it: revision 1, three comparators, 64-bit counter, legacy replacement,
// vendor 8086.
const (
	HPETBase    = 0xFED0_0000
	HPETSize    = 0x400
	HPETBlockID = 0x8086_A201
)

// hpet is IA-PC HPET Specification 1.0a, 3.2.4, without the header.
func hpet() []byte {
	t := le.AppendUint32(nil, HPETBlockID)
	t = append(t, 0, 64, 0, 0) // a 64-bit register block in memory
	t = le.AppendUint64(t, HPETBase)
	return append(t, 0, 0x80, 0, 0) // number 0; 128 ticks at least; no page protection
}

func hpetDevice(on bool) aml {
	if !on {
		return nil
	}
	return device("HPET", name("_HID", eisaID("PNP0103")), resources(fixedMemory(HPETBase, HPETSize)))
}
