package pcie

import (
	"encoding/binary"
	"fmt"

	spec "basalt/drivers/spec/pci"
)

var le = binary.LittleEndian

// space is one function's configuration space: values, which bits the guest may
// write, which it clears by writing a one. Bytes from 256 to 4095 read zero: no
// extended capability (PCI Express Base Specification 3.0, 7.9.1).
type space struct {
	b     [spec.ConfigSize]byte
	mask  [spec.ConfigSize]byte
	clear [spec.ConfigSize]byte
	start [spec.ConfigSize]byte // values after reset
	next  int                   // where the next capability goes
	link  int                   // register that will point to it
}

func (s *space) u16(off int) uint16         { return le.Uint16(s.b[off:]) }
func (s *space) u32(off int) uint32         { return le.Uint32(s.b[off:]) }
func (s *space) put16(off int, v uint16)    { le.PutUint16(s.b[off:], v) }
func (s *space) put32(off int, v uint32)    { le.PutUint32(s.b[off:], v) }
func (s *space) allow16(off int, v uint16)  { le.PutUint16(s.mask[off:], v) }
func (s *space) allow32(off int, v uint32)  { le.PutUint32(s.mask[off:], v) }
func (s *space) clears16(off int, v uint16) { le.PutUint16(s.clear[off:], v) }

// set16 changes bits of a register that the guest only reads or clears.
func (s *space) set16(off int, bits uint16, on bool) {
	v := s.u16(off) &^ bits
	if on {
		v |= bits
	}
	s.put16(off, v)
}

// header starts a function.
func (s *space) header(vendor, device uint16, revision uint8, class uint32, kind uint8) {
	s.put16(spec.VendorID, vendor)
	s.put16(spec.DeviceID, device)
	s.put32(spec.RevisionID, class<<8|uint32(revision))
	s.b[spec.HeaderType] = kind
	s.next, s.link = spec.FirstCapability, spec.CapabilitiesPtr
}

// capability appends one to the list: body is what follows the identifier and
// the pointer, writable its mask.
func (s *space) capability(id uint8, body, writable []byte) (at int, err error) {
	at = s.next
	end := at + 2 + len(body)
	if end > spec.ConfigSize || len(writable) > len(body) {
		return 0, fmt.Errorf("pcie: capability %#02x of %d bytes does not fit at %#x", id, 2+len(body), at)
	}
	s.b[s.link] = byte(at)
	s.b[at] = id
	copy(s.b[at+2:], body)
	copy(s.mask[at+2:], writable)
	s.link, s.next = at+1, (end+3)&^3
	s.put16(spec.Status, s.u16(spec.Status)|spec.StatusCapabilities)
	return at, nil
}

// seal makes the present values those of reset.
func (s *space) seal()  { s.start = s.b }
func (s *space) reset() { s.b = s.start }

// read fills data from off; bytes outside read zero.
func (s *space) read(off int, data []byte) {
	clear(data)
	if off < spec.ConfigSize {
		copy(data, s.b[off:])
	}
}

// write stores what the guest may write.
func (s *space) write(off int, data []byte) {
	for i, v := range data {
		at := off + i
		if at >= spec.ConfigSize {
			return
		}
		m := s.mask[at]
		s.b[at] = s.b[at]&^m | v&m
		s.b[at] &^= v & s.clear[at]
	}
}

// load takes the bits of b that a guest could have written, or could still clear;
// the rest describes the present machine and stays.
func (s *space) load(b *[spec.ConfigSize]byte) {
	for i, v := range b {
		m := s.mask[i] | s.clear[i]
		s.b[i] = s.b[i]&^m | v&m
	}
}

// power adds the power management capability: D0 and D3hot, state kept.
func (s *space) power() (at int, err error) {
	body, mask := make([]byte, spec.PMLength-2), make([]byte, spec.PMLength-2)
	le.PutUint16(body, spec.PMVersion3)
	le.PutUint16(body[spec.PMControl-2:], spec.PMNoSoftReset)
	le.PutUint16(mask[spec.PMControl-2:], spec.PMStateMask)
	return s.capability(spec.CapPowerManagement, body, mask)
}

// settlePower keeps the power state to what there is: D1 and D2 are not, and a
// write of one is discarded (PCI Power Management 1.2, 3.2.4).
func (s *space) settlePower(pm int, old uint16) {
	if v := s.u16(pm+spec.PMControl) & spec.PMStateMask; v != spec.PMStateD0 && v != spec.PMStateD3Hot {
		s.set16(pm+spec.PMControl, spec.PMStateMask, false)
		s.set16(pm+spec.PMControl, old&spec.PMStateMask, true)
	}
}

// awake: the function is in D0.
func (s *space) awake(pm int) bool {
	return s.u16(pm+spec.PMControl)&spec.PMStateMask == spec.PMStateD0
}

// express adds the PCI Express capability of a type; the rest is put by the caller.
func (s *space) express(kind uint16) (at int, err error) {
	at, err = s.capability(spec.CapPCIExpress, make([]byte, spec.ExpLength-2), nil)
	if err != nil {
		return 0, err
	}
	s.put16(at+spec.ExpCapabilities, spec.ExpVersion2|kind)
	s.put32(at+spec.ExpDeviceCap, spec.ExpRoleBasedErrors)
	s.put16(at+spec.ExpDeviceControl, 0x2810) // defaults of 7.8.4
	s.allow16(at+spec.ExpDeviceControl, 0x78ff)
	return at, nil
}

// linkRegisters are those of a port or of an endpoint behind one: 8 GT/s, x1.
func (s *space) linkRegisters(exp int, capability uint32) {
	s.put32(exp+spec.ExpLinkCap, spec.ExpLink8GT|spec.ExpLinkX1|capability)
	s.allow16(exp+spec.ExpLinkControl, 0x00c8) // common clock, extended synch, RCB
	s.put16(exp+spec.ExpLinkStatus, spec.ExpLink8GT|spec.ExpLinkX1)
	s.put32(exp+spec.ExpLinkCap2, spec.ExpLinkSpeeds8GT)
	s.put16(exp+spec.ExpLinkControl2, spec.ExpLink8GT)
}
