package vm

import "basalt/vmkernel/host"

// Hardware versions. A saved state has a section for every device of the board that
// it was saved on, and none for others: a board with a device more could not load it,
// and its guest would not know the device. So a board is built for the version in
// the machine's configuration, and every version that was ever on main can be built
// for ever.
//
// To add a device, or to move one: raise host.HardwareNewest, say below what the new
// version has, and build it only if c.Hardware is at least that:
//
//	if c.Hardware >= 2 {
//		b.hpet = hpet.New(...)
//	}
//
// Its rows of the ACPI tables depend on the version in the same way, because a reset
// writes them anew. A device's own new state is a new version of its section instead
// (checkpoint.Decoder.Version). TestGolden has a state of each version.
//
//	1  PIC, I/O APIC, local APICs, PIT, RTC, HPET, COM1 to COM4, ACPI PM, PM timer, keyboard
//	   controller, POST and debug ports, root complex with hot-plug slots, entropy, balloon
//	2  the guest's processors flush the TLBs of halted ones by a flag in memory: CPUID has
//	   KVM_FEATURE_PV_TLB_FLUSH

// created is the configuration of a new machine.
func created(c host.Config) host.Config {
	c = c.Clone()
	if c.Hardware == 0 {
		c.Hardware = host.HardwareNewest
	}
	return c
}

// saved is the configuration as a state has it: one without the
// field is older than it, and of board 1.
func saved(c host.Config) host.Config {
	if c.Hardware == 0 {
		c.Hardware = 1
	}
	return c
}
