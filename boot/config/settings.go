package config

import (
	"log/slog"
	"net/netip"
)

// Settings are the host's settings. Default gives the ones of an empty file.
type Settings struct {
	Hostname    string
	IP          IP
	Password    Secret // of root; empty: the host makes one up and shows it
	Console     Console
	Panic       PanicAction
	LogLevel    slog.Level
	Mitigations bool
	Interrupts  Interrupts
	GuestCPUs   uint64 // bit n: virtual machines run on processor n; 0: the host chooses

	// Warnings are lines for the log, in the order of the input.
	Warnings []string
}

// Interrupts says who delivers the interrupts of a guest's local APIC.
type Interrupts uint8

// The choices, in the order of vmxcpu.Interrupts: the processor where it can and does it
// well, the hypervisor at an entry, or the processor where it can.
const (
	InterruptsAuto Interrupts = iota
	InterruptsInjected
	InterruptsVirtual
)

// IP is the address of the management network.
type IP struct {
	DHCP    bool
	Address netip.Prefix // invalid with DHCP
	Gateway netip.Addr   // invalid: none
	DNS     []netip.Addr
}

// Secret is text that does not show itself.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(hidden)"
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides it from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides it from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Console says where the host writes its log.
type Console uint8

// The consoles; they can be combined.
const (
	Serial Console = 1 << iota // COM1, 115200 8N1
	Screen
)

// PanicAction is what follows the purple screen.
type PanicAction uint8

// The actions.
const (
	Halt PanicAction = iota
	Reboot
)

// String gives the value as in the file.
func (a PanicAction) String() string {
	if a == Reboot {
		return "reboot"
	}
	return "halt"
}

// Default gives the settings that hold when nothing is said.
func Default() Settings {
	return Settings{Hostname: "basalt", IP: IP{DHCP: true}, Console: Serial | Screen, LogLevel: slog.LevelInfo, Mitigations: true}
}
