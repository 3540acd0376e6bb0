package acpitables

import (
	"fmt"

	"basalt/vmkernel/vdev/pcie"
)

// PCIe says what the root complex has; nil in Config: there is none.
type PCIe struct {
	Slots   int // root ports, as in pcie.RootConfig
	Fixed   int // integrated endpoints: devices 1 and up of bus 0
	Windows pcie.Windows
}

func (p *PCIe) check() error {
	if p == nil {
		return nil
	}
	if p.Fixed < 0 || p.Fixed > pcie.MaxFixed {
		return fmt.Errorf("acpitables: %d integrated PCIe endpoints: %w", p.Fixed, ErrConfig)
	}
	if p.Slots < 0 || p.Slots > pcie.MaxSlots {
		return fmt.Errorf("acpitables: %d PCIe slots: %w", p.Slots, ErrConfig)
	}
	for _, w := range p.Windows.Low {
		if w.Size == 0 || w.Base+w.Size < w.Base || w.Base+w.Size > 1<<32 {
			return fmt.Errorf("acpitables: 32-bit window %#x+%#x: %w", w.Base, w.Size, ErrConfig)
		}
	}
	if w := p.Windows.High; w.Base+w.Size < w.Base {
		return fmt.Errorf("acpitables: 64-bit window %#x+%#x: %w", w.Base, w.Size, ErrConfig)
	}
	return nil
}

// mcfg is PCI Firmware Specification 3.0, 4.1.2, without the header.
func mcfg(p *PCIe) []byte {
	t := make([]byte, 8)
	t = le.AppendUint64(t, pcie.ECAMBase)
	return append(t, 0, 0, 0, p.lastBus(), 0, 0, 0, 0) // segment 0
}

// lastBus is the highest bus that there can be: one behind each root port, for there
// are no switches. Linux looks at every device number of every bus up to the one in
// the MCFG, with four exits for each: of 256 buses that was 29 million instructions.
func (p *PCIe) lastBus() uint8 { return uint8(p.Slots) }

// onBus0 says whether device d of bus 0 has interrupt pins.
func (p *PCIe) onBus0(d uint8) bool {
	first := pcie.SlotAddress(0).Device
	return d >= 1 && int(d) <= p.Fixed || p.Slots > 0 && d >= first && d <= pcie.SlotAddress(p.Slots-1).Device
}

// Bits of _OSC for PCI host bridges (PCI Firmware Specification 3.0, 4.5.1).
const (
	oscUnknownUUID     = 1 << 2
	oscUnknownRevision = 1 << 3
	oscMasked          = 1 << 4

	oscNativeHotPlug = 1 << 0
	oscNativePME     = 1 << 2
	oscCapability    = 1 << 4 // the PCI Express capability structure
	oscGranted       = oscNativeHotPlug | oscNativePME | oscCapability
)

// oscUUID is 33DB4D5B-1FF7-401C-9657-7441C03DD766 as ToUUID lays it out.
var oscUUID = []byte{0x5B, 0x4D, 0xDB, 0x33, 0xF7, 0x1F, 0x1C, 0x40, 0x96, 0x57, 0x74, 0x41, 0xC0, 0x3D, 0xD7, 0x66}

// osc grants the operating system what the root ports have.
func osc() aml {
	status, control := path("CDW1"), path("CDW3")
	return method("_OSC", 4,
		dwordField(arg(3), 0, "CDW1"),
		when(equal(arg(0), buffer(oscUUID)),
			dwordField(arg(3), 8, "CDW3"),
			and(control, integer(oscGranted), local(0)),
			when(not(equal(arg(1), integer(1))), or(status, integer(oscUnknownRevision), status)),
			when(not(equal(control, local(0))), or(status, integer(oscMasked), status)),
			store(local(0), control)),
		otherwise(or(status, integer(oscUnknownUUID), status)),
		returns(arg(3)))
}

// route is one entry of a _PRT (6.2.13): a GSI, not a link device.
func route(device, pin uint8, gsi int) aml {
	return pkg(integer(uint64(device)<<16|0xFFFF), integer(uint64(pin-1)), integer(0), integer(uint64(gsi)))
}

// rootRoutes are the pins of the devices that bus 0 has. Linux evaluates the whole
// package for each interrupt that it looks up.
func rootRoutes(p *PCIe) aml {
	var list []aml
	for d := range uint8(32) {
		if !p.onBus0(d) {
			continue
		}
		for pin := uint8(1); pin <= 4; pin++ {
			list = append(list, route(d, pin, pcie.GSI(d, pin)))
		}
	}
	return name("_PRT", pkg(list...))
}

// rootPort describes slot n: what is in it is device 0 of the bus behind.
func rootPort(n int) aml {
	at := pcie.SlotAddress(n)
	var list []aml
	for pin := uint8(1); pin <= 4; pin++ {
		list = append(list, route(0, pin, pcie.GSI(at.Device, pin)))
	}
	return device(fmt.Sprintf("RP%02X", n), name("_ADR", integer(uint64(at.Device)<<16|uint64(at.Func))), name("_PRT", pkg(list...)))
}

// pciRoot is the host bridge, and the reservation of ECAM that the PCI Firmware
// Specification 3.0, 4.1.2, asks for.
func pciRoot(p *PCIe) aml {
	if p == nil {
		return nil
	}
	crs := [][]byte{wordSpace(spaceBus, 0, 0, uint16(p.lastBus())), ioPorts(0xCF8, 8), wordSpace(spaceIO, ioEntireRange, pcie.IOBase, pcie.IOBase+pcie.IOSize-1)}
	for _, w := range p.Windows.Low {
		crs = append(crs, dwordMemory(uint32(w.Base), uint32(w.Size)))
	}
	if w := p.Windows.High; w.Size != 0 {
		crs = append(crs, qwordMemory(w.Base, w.Size))
	}
	body := join(
		name("_HID", eisaID("PNP0A08")), name("_CID", eisaID("PNP0A03")),
		name("_UID", integer(0)), name("_SEG", integer(0)), name("_BBN", integer(0)),
		resources(crs...), osc(), rootRoutes(p))
	for n := range p.Slots {
		body = join(body, rootPort(n))
	}
	return join(device("PCI0", body),
		device("ECAM", name("_HID", eisaID("PNP0C02")), name("_UID", integer(1)), resources(fixedMemory(pcie.ECAMBase, pcie.ECAMSize))))
}
