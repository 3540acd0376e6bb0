package vswitch

import "encoding/binary"

const (
	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeVLAN = 0x8100

	protoTCP      = 6
	tcpMin        = 20
	ipv4Min       = 20
	ipv6Header    = 40
	tcpCSumOffset = 16
)

// checkOffload checks what a sender says about a frame without tag against its
// head, and fills HdrLen. False means that it makes no sense.
func checkOffload(f *Frame) bool {
	o := &f.Offload
	if !o.Partial {
		ok := o.GSO == GSONone
		*o = Offload{}
		return ok
	}
	// The field must be in the head: no protocol of today has it later.
	if o.CSumStart < EthernetHeader || int(o.CSumStart)+int(o.CSumOffset)+2 > len(f.Head) {
		return false
	}
	if o.GSO == GSONone {
		o.ECN, o.GSOSize, o.HdrLen = false, 0, 0
		return true
	}
	if o.GSOSize < MinGSOSize || o.CSumOffset != tcpCSumOffset {
		return false
	}
	transport, ok := transportOffset(f.Head, o.GSO)
	if !ok || transport != int(o.CSumStart) || transport+tcpMin > len(f.Head) {
		return false
	}
	n := int(f.Head[transport+12]>>4) * 4
	if n < tcpMin || transport+n > len(f.Head) {
		return false
	}
	o.HdrLen = uint16(transport + n)
	return true
}

// transportOffset finds the TCP header of a frame without tag.
func transportOffset(head []byte, kind GSO) (int, bool) {
	ip := head[EthernetHeader:]
	switch t := binary.BigEndian.Uint16(head[12:]); {
	case kind == GSOTCP4 && t == typeIPv4:
		if len(ip) < ipv4Min || ip[0]>>4 != 4 || ip[9] != protoTCP {
			return 0, false
		}
		n := int(ip[0]&15) * 4
		// A fragment cannot be cut.
		if n < ipv4Min || n > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return 0, false
		}
		return EthernetHeader + n, true
	case kind == GSOTCP6 && t == typeIPv6:
		if len(ip) < ipv6Header || ip[0]>>4 != 6 {
			return 0, false
		}
		next, off := ip[6], ipv6Header
		// Hop-by-hop and destination options, in units of 8 bytes after the first. A
		// routing header would change the pseudo header: not taken.
		for next == 0 || next == 60 {
			if off+8 > len(ip) {
				return 0, false
			}
			next, off = ip[off], off+8+int(ip[off+1])*8
		}
		return EthernetHeader + off, next == protoTCP && off <= len(ip)
	}
	return 0, false
}

// shift moves the offsets by d bytes, when a tag comes or goes.
func (o *Offload) shift(d int) {
	if o.Partial {
		o.CSumStart = uint16(int(o.CSumStart) + d)
		if o.GSO != GSONone {
			o.HdrLen = uint16(int(o.HdrLen) + d)
		}
	}
}

// Features say which unfinished frames a receiver takes.
type Features struct {
	CSum bool // Partial
	TSO4 bool // GSOTCP4; needs CSum
	TSO6 bool // GSOTCP6; needs CSum
	ECN  bool // GSO with the ECN flag
}

// takes says whether a receiver can have the frame as it is.
func (t Features) takes(o *Offload) bool {
	switch o.GSO {
	case GSOTCP4:
		return t.CSum && t.TSO4 && (t.ECN || !o.ECN)
	case GSOTCP6:
		return t.CSum && t.TSO6 && (t.ECN || !o.ECN)
	}
	return t.CSum || !o.Partial
}
