package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"basalt/drivers/netio"
)

var (
	self    = netip.AddrFrom4([4]byte{10, 0, 2, 15})
	gateway = netip.AddrFrom4([4]byte{10, 0, 2, 2})
)

const answerTime = 5 * time.Second

// station is a link with just enough protocol for one conversation.
type station struct {
	link netio.Link
	got  chan []byte
	peer [6]byte
}

// talk runs the conversation and prints what came back.
func talk(l netio.Link, pings, size, window int) error {
	s := &station{link: l, got: make(chan []byte, 64)}
	go s.receive()
	for end := time.Now().Add(answerTime); !l.LinkUp(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("no carrier")
		}
	}
	if err := s.dhcp(); err != nil {
		return err
	}
	if err := s.arp(); err != nil {
		return err
	}
	start := time.Now()
	for i := 0; i < pings; i += window {
		if err := s.ping(i, min(window, pings-i), size); err != nil {
			return fmt.Errorf("ping %d: %w", i, err)
		}
	}
	fmt.Printf("nics: %s: %d pings answered, %v each\n", l.Name(), pings, time.Since(start)/time.Duration(max(pings, 1)))
	return nil
}

func (s *station) receive() {
	n := s.link.BatchSize()
	bufs, sizes := make([][]byte, n), make([]int, n)
	for i := range bufs {
		bufs[i] = make([]byte, netio.MaxFrame)
	}
	for {
		n, err := s.link.Receive(bufs, sizes)
		if err != nil {
			close(s.got)
			return
		}
		for i := range n {
			s.got <- append([]byte(nil), bufs[i][:sizes[i]]...)
		}
	}
}

// exchange sends frames until accept has seen enough of what comes back.
func (s *station) exchange(what string, frames [][]byte, accept func(f []byte) bool) error {
	for range 3 {
		if _, err := s.link.Send(frames); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		late := time.After(answerTime)
		for waiting := true; waiting; {
			select {
			case g, ok := <-s.got:
				if !ok {
					return fmt.Errorf("%s: link closed", what)
				}
				if accept(g) {
					return nil
				}
			case <-late:
				waiting = false
			}
		}
	}
	return fmt.Errorf("%s: no answer, %+v", what, s.link.Stats())
}

func one(f []byte) [][]byte { return [][]byte{f} }

func (s *station) frame(dst [6]byte, kind uint16, payload []byte) []byte {
	m := s.link.MAC()
	f := append(append(dst[:6:6], m[:]...), byte(kind>>8), byte(kind))
	return append(f, payload...)
}

var broadcast = [6]byte{255, 255, 255, 255, 255, 255}

func (s *station) arp() error {
	m := s.link.MAC()
	p := append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, m[:]...)
	p = append(p, self.AsSlice()...)
	p = append(append(p, 0, 0, 0, 0, 0, 0), gateway.AsSlice()...)
	return s.exchange("ARP", one(s.frame(broadcast, 0x806, p)), func(f []byte) bool {
		if len(f) < 42 || f[12] != 8 || f[13] != 6 || f[21] != 2 || string(f[28:32]) != string(gateway.AsSlice()) {
			return false
		}
		s.peer = [6]byte(f[22:28])
		fmt.Printf("nics: %s: %v is at % x\n", s.link.Name(), gateway, s.peer)
		return true
	})
}

// ping sends n echo requests as one batch and waits for all answers. The peer may
// drop some of a large batch; then all are sent again.
func (s *station) ping(seq, n, size int) error {
	var batch [][]byte
	for i := range n {
		icmp := make([]byte, 8+size)
		icmp[0] = 8
		binary.BigEndian.PutUint16(icmp[6:], uint16(seq+i))
		binary.BigEndian.PutUint16(icmp[2:], checksum(icmp))
		batch = append(batch, s.frame(s.peer, 0x800, ipv4(1, self, gateway, icmp)))
	}
	seen := make([]bool, n)
	left := n
	return s.exchange("ping", batch, func(f []byte) bool {
		if len(f) < 42+size || f[23] != 1 || f[34] != 0 {
			return false
		}
		if i := int(binary.BigEndian.Uint16(f[40:]) - uint16(seq)); i < n && !seen[i] {
			seen[i] = true
			left--
		}
		return left == 0
	})
}

func (s *station) dhcp() error {
	b := make([]byte, 240)
	b[0], b[1], b[2] = 1, 1, 6
	copy(b[4:], "BSLT")
	b[10] = 0x80 // answer by broadcast
	m := s.link.MAC()
	copy(b[28:], m[:])
	copy(b[236:], []byte{99, 130, 83, 99})
	b = append(b, 53, 1, 1, 255) // discover
	udp := make([]byte, 8, 8+len(b))
	binary.BigEndian.PutUint16(udp, 68)
	binary.BigEndian.PutUint16(udp[2:], 67)
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(b)))
	udp = append(udp, b...)
	any, all := netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return s.exchange("DHCP", one(s.frame(broadcast, 0x800, ipv4(17, any, all, udp))), func(f []byte) bool {
		const bootp = 14 + 20 + 8
		if len(f) < bootp+244 || f[23] != 17 || f[bootp] != 2 || string(f[bootp+4:bootp+8]) != "BSLT" {
			return false
		}
		a, _ := netip.AddrFromSlice(f[bootp+16 : bootp+20])
		fmt.Printf("nics: %s: DHCP offers %v\n", s.link.Name(), a)
		self = a
		return true
	})
}

func ipv4(proto byte, src, dst netip.Addr, payload []byte) []byte {
	h := make([]byte, 20, 20+len(payload))
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	copy(h[12:], src.AsSlice())
	copy(h[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, payload...)
}

func checksum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}
