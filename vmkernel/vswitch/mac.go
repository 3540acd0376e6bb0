package vswitch

import (
	"errors"
	"fmt"
	"net"
)

// MAC is a 48-bit Ethernet address.
type MAC [6]byte

// Broadcast is the address of everybody.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ErrMAC says that an address cannot be that of one station.
var ErrMAC = errors.New("vswitch: not a station's MAC address")

// ParseMAC reads six bytes in any of the forms of net.ParseMAC. Group addresses
// and zero give ErrMAC.
func ParseMAC(s string) (MAC, error) {
	a, err := net.ParseMAC(s)
	if err != nil || len(a) != 6 {
		return MAC{}, fmt.Errorf("%w: %q", ErrMAC, s)
	}
	m := MAC(a)
	if !m.Station() {
		return MAC{}, fmt.Errorf("%w: %q", ErrMAC, s)
	}
	return m, nil
}

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Group says whether it is a multicast or the broadcast address.
func (m MAC) Group() bool { return m[0]&1 != 0 }

// Station says whether it can be the address of one station.
func (m MAC) Station() bool { return !m.Group() && m != MAC{} }

// reserved says whether bridges must not forward it (802.1Q table 8-1).
func (m MAC) reserved() bool {
	return m[0] == 0x01 && m[1] == 0x80 && m[2] == 0xc2 && m[3] == 0 && m[4] == 0 && m[5] < 0x10
}

// key packs an address with a VLAN.
func (m MAC) key(vid uint16) uint64 {
	return uint64(vid)<<48 | uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}
