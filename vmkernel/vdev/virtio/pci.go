package virtio

import (
	"encoding/binary"

	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vbus"
)

// maxVectors is the largest MSI-X table that 4.1.5.1.2.1 allows.
const maxVectors = 0x800

// PCI is what the device wants of its PCI function.
type PCI struct {
	Vendor, Device, SubVendor, SubDevice uint16
	Revision                             uint8
	Class                                uint32 // 24 bits
	BARSize                              uint64 // of RegistersBAR, bytes; 32-bit memory, not prefetchable
	DoorbellSize                         uint64 // of DoorbellBAR, bytes, in I/O space; 0: none
	Pin                                  uint8  // INTA#
	Vectors                              int    // of MSI-X, in MSIXBAR
	Capabilities                         []Capability
}

// Capability is a vendor capability. Body is what follows ID and next pointer,
// Writable a mask for it or nil. Read and Write are called when the guest accesses
// it, with off in bytes from the capability's start; Read fills what it answers
// for and leaves the rest of data. nil: Body is all.
type Capability struct {
	ID             uint8
	Body, Writable []byte
	Read, Write    func(off int, data []byte)
}

// PCI describes the function, 4.1.2 and 4.1.4.
func (d *Device) PCI() PCI {
	id := spec.IDModernBase + d.cfg.Type
	p := PCI{
		// A revision above 0 and a subsystem of 0x40 and more keep legacy drivers
		// away (4.1.2.1).
		Vendor: spec.Vendor, Device: id, SubVendor: spec.Vendor, SubDevice: id, Revision: 1,
		Class: d.cfg.Class, BARSize: barSize, Pin: 1, Vectors: d.vectors,
	}
	if d.cfg.PortDoorbell {
		// The first one is the one that the driver should take (4.1.4.1): it exits
		// with everything that is to be known.
		p.DoorbellSize = doorbellSize
		bell := structure(spec.CapNotifyCfg, 0, 2, 0, 0, 0, 0)
		bell.Body[spec.CapBAR-2] = DoorbellBAR
		p.Capabilities = append(p.Capabilities, bell)
	}
	p.Capabilities = append(p.Capabilities,
		structure(spec.CapCommonCfg, commonAt, spec.CommonCfgFullSize),
		structure(spec.CapNotifyCfg, notifyAt, uint32(len(d.queues))*NotifyMultiplier, NotifyMultiplier, 0, 0, 0),
		structure(spec.CapISRCfg, isrAt, 1),
	)
	if d.cfg.ConfigSize > 0 {
		p.Capabilities = append(p.Capabilities, structure(spec.CapDeviceCfg, configAt, uint32(d.cfg.ConfigSize)))
	}
	w := structure(spec.CapPCICfg, 0, 0, 0, 0, 0, 0)
	w.Writable = make([]byte, len(w.Body))
	for _, at := range []int{spec.CapBAR, spec.CapOffset, spec.CapSize, spec.CapPCICfgData} {
		n := 4
		if at == spec.CapBAR {
			n = 1
		}
		for i := range n {
			w.Writable[at-2+i] = 0xff
		}
	}
	w.Read, w.Write = d.readWindow, d.writeWindow
	p.Capabilities = append(p.Capabilities, w)
	return p
}

// structure is a virtio_pci_cap, 4.1.4.
func structure(kind byte, off, size uint32, extra ...byte) Capability {
	b := []byte{byte(spec.PCICapLength + len(extra)), kind, RegistersBAR, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, off)
	b = binary.LittleEndian.AppendUint32(b, size)
	return Capability{ID: pcispec.CapVendor, Body: append(b, extra...)}
}

// window is VIRTIO_PCI_CAP_PCI_CFG, 4.1.4.9, from its start: another way to the
// registers. d.mu.
type window [spec.PCICapPCICfgSize]byte

func (w *window) get(at int) uint32 { return binary.LittleEndian.Uint32(w[at:]) }

// target says which access the window stands for. An access that is not one of 1,
// 2 or 4 aligned bytes goes nowhere.
func (w *window) target() (bar int, off uint64, n int) {
	bar, off, n = int(w[spec.CapBAR]), uint64(w.get(spec.CapOffset)), int(w.get(spec.CapSize))
	if n != 1 && n != 2 && n != 4 || off%uint64(n) != 0 {
		n = 0
	}
	return bar, off, n
}

// mutable says which bytes the driver may write.
func mutable(at int) bool {
	return at == spec.CapBAR || at >= spec.CapOffset && at < spec.PCICapPCICfgSize
}

// touches says whether an access covers the first byte of pci_cfg_data.
func touches(off int, data []byte) bool {
	return off <= spec.CapPCICfgData && off+len(data) > spec.CapPCICfgData
}

func (d *Device) readWindow(off int, data []byte) {
	d.mu.Lock()
	w := d.window
	d.mu.Unlock()
	if touches(off, data) {
		bar, at, n := w.target()
		b := w[spec.CapPCICfgData:][:n]
		if n != 0 && d.ReadBAR(bar, at, b) != vbus.OK {
			for i := range b {
				b[i] = 0xff
			}
		}
		d.mu.Lock()
		copy(d.window[spec.CapPCICfgData:], b)
		d.mu.Unlock()
	}
	for i := range data {
		if at := off + i; at >= 0 && at < len(w) && mutable(at) {
			data[i] = w[at]
		}
	}
}

func (d *Device) writeWindow(off int, data []byte) {
	d.mu.Lock()
	for i, v := range data {
		if at := off + i; at >= 0 && at < len(d.window) && mutable(at) {
			d.window[at] = v
		}
	}
	w := d.window
	d.mu.Unlock()
	if touches(off, data) {
		if bar, at, n := w.target(); n != 0 {
			d.WriteBAR(bar, at, w[spec.CapPCICfgData:][:n])
		}
	}
}
