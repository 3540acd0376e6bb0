package acpitables

import (
	"fmt"

	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/pit"
	"basalt/vmkernel/vdev/rtc"
	"basalt/vmkernel/vdev/uart"
)

// dsdt is the definition block: S5, processors, and the devices that cannot be
// probed.
func dsdt(cfg Config) aml {
	body := join(
		name("\\_S5", pkg(integer(acpipm.S5), integer(acpipm.S5), integer(0), integer(0))),
		scope("\\_SB",
			processors(cfg),
			memoryDevices(cfg),
			device("MBRD", // motherboard resources
				name("_HID", eisaID("PNP0C02")), name("_UID", integer(0)),
				resources(ioPorts(acpipm.Base, 16), ioPorts(acpipm.ResetPort, 1), ioPorts(0x92, 1), ioPorts(0x80, 1))),
			device("TIMR", name("_HID", eisaID("PNP0100")), resources(ioPorts(pit.Counter0, 4), irqEdge(0))),
			device("RTC", name("_HID", eisaID("PNP0B00")), resources(ioPorts(rtc.IndexPort, 2), irqEdge(8))),
			serial(cfg),
			hpetDevice(cfg.HPET),
			generationID(cfg.GenerationID),
			pciRoot(cfg.PCIe),
		),
		generationEvent(cfg.GenerationID),
		processorEvent(cfg),
		memoryEvent(cfg),
	)
	return body
}

func serial(cfg Config) aml {
	ports := []struct {
		base uint16
		irq  uint8
	}{{uart.COM1, uart.COM1IRQ}, {uart.COM2, uart.COM2IRQ}, {uart.COM3, uart.COM3IRQ}, {uart.COM4, uart.COM4IRQ}}
	var out aml
	for i := range min(cfg.SerialPorts, len(ports)) {
		out = join(out, device(fmt.Sprintf("COM%d", i+1),
			name("_HID", eisaID("PNP0501")), name("_UID", integer(uint64(i+1))), name("_STA", integer(0xF)),
			resources(ioPorts(ports[i].base, uart.NumPorts), irqEdge(ports[i].irq))))
	}
	return out
}
