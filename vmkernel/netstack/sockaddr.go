package netstack

import (
	"encoding/binary"
	"syscall"

	"basalt/vmkernel/sys"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Sizes of struct sockaddr_in and sockaddr_in6 (Linux include/uapi/linux/in.h,
// in6.h).
const (
	sizeSockaddr4 = 16
	sizeSockaddr6 = 28
)

// v4Mapped is the prefix of ::ffff:a.b.c.d.
var v4Mapped = [12]byte{10: 0xff, 11: 0xff}

// parseSockaddr decodes an address given to a socket of domain. An unspecified
// address becomes the empty one, which netstack takes as "any".
func parseSockaddr(sa []byte, domain int) (tcpip.FullAddress, sys.Errno) {
	var a tcpip.FullAddress
	if len(sa) < 2 {
		return a, syscall.EINVAL
	}
	family := int(binary.NativeEndian.Uint16(sa))
	if family != domain {
		return a, syscall.EAFNOSUPPORT
	}
	switch family {
	case syscall.AF_INET:
		if len(sa) < sizeSockaddr4 {
			return a, syscall.EINVAL
		}
		a.Port = binary.BigEndian.Uint16(sa[2:])
		if ip := [4]byte(sa[4:8]); ip != [4]byte{} {
			a.Addr = tcpip.AddrFrom4(ip)
		}
	case syscall.AF_INET6:
		if len(sa) < sizeSockaddr6-4 {
			return a, syscall.EINVAL
		}
		a.Port = binary.BigEndian.Uint16(sa[2:])
		if ip := [16]byte(sa[8:24]); ip != [16]byte{} {
			a.Addr = tcpip.AddrFrom16(ip)
			if len(sa) >= sizeSockaddr6 && (header.IsV6LinkLocalUnicastAddress(a.Addr) || header.IsV6LinkLocalMulticastAddress(a.Addr)) {
				a.NIC = tcpip.NICID(binary.NativeEndian.Uint32(sa[24:]))
			}
		}
	}
	return a, 0
}

// putSockaddr encodes an address for a socket of domain into sa, cut off if sa is
// short, and returns its whole length.
func putSockaddr(sa []byte, a tcpip.FullAddress, domain int) int {
	var b [sizeSockaddr6]byte
	binary.NativeEndian.PutUint16(b[:], uint16(domain))
	binary.BigEndian.PutUint16(b[2:], a.Port)
	if domain == syscall.AF_INET {
		if a.Addr.Len() == 4 {
			ip := a.Addr.As4()
			copy(b[4:], ip[:])
		}
		copy(sa, b[:sizeSockaddr4])
		return sizeSockaddr4
	}
	switch a.Addr.Len() {
	case 4:
		ip := a.Addr.As4()
		copy(b[8:], v4Mapped[:])
		copy(b[20:], ip[:])
	case 16:
		ip := a.Addr.As16()
		copy(b[8:], ip[:])
		if header.IsV6LinkLocalUnicastAddress(a.Addr) {
			binary.NativeEndian.PutUint32(b[24:], uint32(a.NIC))
		}
	}
	copy(sa, b[:])
	return sizeSockaddr6
}
