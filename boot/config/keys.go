package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
)

// key is one setting.
type key struct {
	name, values string // values as in the documentation
	set          func(s *Settings, value string) error
}

var keys = []key{
	{"hostname", "NAME", setHostname},
	{"ip", "dhcp|ADDRESS/BITS[,GATEWAY[,DNS...]]", setIP},
	{"password", "TEXT", setPassword},
	{"console", "serial|screen|serial,screen|none", setConsole},
	{"panic", "halt|reboot", setPanic},
	{"loglevel", "debug|info|warn|error", setLogLevel},
	{"mitigations", "auto|off", setMitigations},
	{"interrupts", "auto|injected|virtual", setInterrupts},
	{"guestcpus", "auto|LIST", setGuestCPUs},
}

// setHostname takes a host name as RFC 1123, section 2.1 has it, with dots.
func setHostname(s *Settings, v string) error {
	if len(v) == 0 || len(v) > 253 {
		return errors.New("want 1 to 253 characters")
	}
	for label := range strings.SplitSeq(v, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("want labels of 1 to 63 characters that neither begin nor end with a hyphen")
		}
		for _, c := range []byte(label) {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' {
				return errors.New("want letters, digits, hyphens and dots")
			}
		}
	}
	s.Hostname = v
	return nil
}

func setIP(s *Settings, v string) error {
	if v == "dhcp" {
		s.IP = IP{DHCP: true}
		return nil
	}
	parts := strings.Split(v, ",")
	if len(parts) > 10 {
		return errors.New("too many addresses")
	}
	prefix, err := netip.ParsePrefix(parts[0])
	if err != nil {
		return errors.New("want dhcp or ADDRESS/BITS")
	}
	if a := prefix.Addr(); a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return fmt.Errorf("%v is no address for a host", a)
	}
	ip := IP{Address: prefix}
	for i, p := range parts[1:] {
		if p == "" && i == 0 {
			continue // no gateway, but name servers
		}
		a, err := netip.ParseAddr(p)
		switch {
		case err != nil || a.IsUnspecified() || a.IsMulticast():
			return errors.New("a gateway or name server is not an address")
		case i == 0 && a.Is4() != prefix.Addr().Is4():
			return errors.New("the gateway is of the other address family")
		case i == 0:
			ip.Gateway = a
		default:
			ip.DNS = append(ip.DNS, a)
		}
	}
	s.IP = ip
	return nil
}

func setPassword(s *Settings, v string) error {
	if len(v) == 0 || len(v) > 1024 {
		return errors.New("want 1 to 1024 bytes")
	}
	s.Password = Secret(v)
	return nil
}

func setConsole(s *Settings, v string) error {
	var c Console
	for name := range strings.SplitSeq(v, ",") {
		switch name {
		case "serial":
			c |= Serial
		case "screen":
			c |= Screen
		case "none":
		default:
			return errors.New("want serial, screen, both with a comma, or none")
		}
	}
	s.Console = c
	return nil
}

func setPanic(s *Settings, v string) error {
	return choose(v, "halt", "reboot", func(second bool) {
		s.Panic = Halt
		if second {
			s.Panic = Reboot
		}
	})
}

func setMitigations(s *Settings, v string) error {
	return choose(v, "auto", "off", func(second bool) { s.Mitigations = !second })
}

func setInterrupts(s *Settings, v string) error {
	switch v {
	case "auto":
		s.Interrupts = InterruptsAuto
	case "injected":
		s.Interrupts = InterruptsInjected
	case "virtual":
		s.Interrupts = InterruptsVirtual
	default:
		return errors.New("want auto, injected or virtual")
	}
	return nil
}

// setGuestCPUs takes numbers and ranges of them with commas between: 1-3,5.
func setGuestCPUs(s *Settings, v string) error {
	if v == "auto" {
		s.GuestCPUs = 0
		return nil
	}
	var set uint64
	for part := range strings.SplitSeq(v, ",") {
		from, to, ranged := strings.Cut(part, "-")
		lo, err := strconv.ParseUint(from, 10, 8)
		hi := lo
		if err == nil && ranged {
			hi, err = strconv.ParseUint(to, 10, 8)
		}
		if err != nil || hi > 63 || lo > hi {
			return errors.New("want auto or processors from 0 to 63, as in 1-3,5")
		}
		for n := lo; n <= hi; n++ {
			set |= 1 << n
		}
	}
	s.GuestCPUs = set
	return nil
}

func choose(v, first, second string, set func(second bool)) error {
	if v != first && v != second {
		return fmt.Errorf("want %s or %s", first, second)
	}
	set(v == second)
	return nil
}

func setLogLevel(s *Settings, v string) error {
	for name, level := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if name == v {
			s.LogLevel = level
			return nil
		}
	}
	return errors.New("want debug, info, warn or error")
}
