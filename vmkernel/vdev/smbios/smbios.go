package smbios

import (
	"errors"
	"fmt"
)

// Range is guest-physical memory in bytes; whole KiB.
type Range struct{ Start, Size uint64 }

// Config is what the tables describe.
type Config struct {
	UUID    [16]byte // in the order in which it is written (RFC 9562)
	Serial  string
	Version string // of the host's software
	CPUs    int
	// Processor is EAX (low half) and EDX of CPUID leaf 1.
	Processor uint64
	Memory    []Range
}

// MaxSize bounds the image of any configuration with up to 8 ranges, in bytes.
const MaxSize = 2048

// ErrConfig is a configuration that no table can describe.
var ErrConfig = errors.New("bad configuration")

// Build makes the image to be placed at guest-physical address base, a multiple of 16
// in 0xF0000-0xFFFFF. The entry point is its first byte.
func Build(c Config, base uint64) ([]byte, error) {
	switch {
	case base%16 != 0 || base < 0xF_0000 || base+MaxSize > 0x10_0000:
		return nil, fmt.Errorf("smbios: base %#x: %w", base, ErrConfig)
	case c.CPUs < 1 || c.CPUs > 0xFFFE:
		return nil, fmt.Errorf("smbios: %d processors: %w", c.CPUs, ErrConfig)
	case len(c.Memory) < 1 || len(c.Memory) > 8:
		return nil, fmt.Errorf("smbios: %d memory ranges: %w", len(c.Memory), ErrConfig)
	}
	list := []structure{bios(&c), system(&c), enclosure(&c), processor(&c), array(&c), device(&c)}
	for _, r := range c.Memory {
		if r.Start%1024 != 0 || r.Size%1024 != 0 || r.Size == 0 || r.Start+r.Size < r.Start {
			return nil, fmt.Errorf("smbios: memory %#x+%#x: %w", r.Start, r.Size, ErrConfig)
		}
		list = append(list, mapped(r))
	}
	list = append(list, structure{kind: typeBoot, body: make([]byte, 7)}, structure{kind: typeEnd})
	table := join(list)
	const at = (EntrySize + 15) &^ 15
	image := make([]byte, at, at+len(table))
	copy(image, entry(base+at, len(table)))
	return append(image, table...), nil
}

const maker, product = "Basalt", "Basalt Virtual Machine"

// bios is 7.1: there is no BIOS to ask, ACPI is there, and this is a virtual machine.
func bios(c *Config) structure {
	s := structure{kind: typeBIOS}
	s.text(maker)
	s.text(c.Version)
	s.u16(0xE000)
	s.text("01/01/2026")
	s.u8(1)              // 128 KiB
	s.u64(1 << 3)        // characteristics are not supported
	s.u8(1, 1<<4)        // ACPI; a virtual machine
	s.u8(0, 0, 255, 255) // releases: none given
	s.u16(0)
	return s
}

// system is 7.2. The first three fields of a UUID are little-endian here (7.2.1).
func system(c *Config) structure {
	s := structure{kind: typeSystem}
	s.text(maker)
	s.text(product)
	s.text(c.Version)
	s.text(c.Serial)
	u := c.UUID
	s.u8(u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6])
	s.u8(u[8:]...)
	s.u8(6) // power switch
	s.text("")
	s.text("Virtual Machine")
	return s
}

// enclosure is 7.4.
func enclosure(c *Config) structure {
	s := structure{kind: typeEnclosure}
	s.text(maker)
	s.u8(1) // other
	s.text(c.Version)
	s.text(c.Serial)
	s.text("")
	s.u8(3, 3, 3, 2) // boot, power, thermal: safe; security unknown
	s.u32(0)
	s.u8(0, 0, 0, 0)
	s.text("")
	return s
}

// processor is 7.5.
func processor(c *Config) structure {
	s := structure{kind: typeProcessor}
	s.text("CPU 0")
	s.u8(3, 1) // central processor, other family
	s.text(maker)
	s.u64(c.Processor)
	s.text(product)
	s.u8(0)       // voltage
	s.u16(0)      // external clock, maximum and current speed: unknown
	s.u16(0)      //
	s.u16(0)      //
	s.u8(0x41, 1) // populated and enabled; upgrade: other
	for range 3 {
		s.u16(0xFFFF) // caches
	}
	s.u8(0, 0, 0)
	few := byte(min(c.CPUs, 255))
	s.u8(few, few, few)
	s.u16(1<<2 | 1<<3) // 64 bits, several cores
	s.u16(1)
	for range 3 {
		s.u16(uint16(c.CPUs))
	}
	return s
}

func total(c *Config) (n uint64) {
	for _, r := range c.Memory {
		n += r.Size
	}
	return n
}

// array is 7.17.
func array(c *Config) structure {
	s := structure{kind: typeMemoryArray}
	s.u8(3, 3, 3) // on the board, system memory, no correction
	if kib := total(c) >> 10; kib < 1<<31 {
		s.u32(uint32(kib))
	} else {
		s.u32(1 << 31)
	}
	s.u16(0xFFFE)
	s.u16(1)
	if n := total(c); n>>10 < 1<<31 {
		s.u64(0)
	} else {
		s.u64(n)
	}
	return s
}

// device is 7.18.
func device(c *Config) structure {
	s := structure{kind: typeMemory}
	s.u16(handle(typeMemoryArray))
	s.u16(0xFFFE)
	s.u16(0xFFFF)
	s.u16(0xFFFF)
	mib := max(total(c)>>20, 1)
	if mib < 0x7FFF {
		s.u16(uint16(mib))
	} else {
		s.u16(0x7FFF)
	}
	s.u8(9, 0) // DIMM, in no set
	s.text("DIMM 0")
	s.text("")
	s.u8(7) // RAM
	s.u16(1 << 1)
	s.u16(0)
	s.text(maker)
	s.text("")
	s.text("")
	s.text("")
	s.u8(0)
	if mib < 0x7FFF {
		s.u32(0)
	} else {
		s.u32(uint32(min(mib, 1<<31-1)))
	}
	s.u16(0)
	s.u16(0)
	s.u16(0)
	s.u16(0)
	return s
}

// mapped is 7.20: addresses in KiB, or in bytes if those do not fit.
func mapped(r Range) structure {
	s := structure{kind: typeMapped}
	last := r.Start + r.Size - 1
	if last>>10 < 1<<32-1 {
		s.u32(uint32(r.Start >> 10))
		s.u32(uint32(last >> 10))
	} else {
		s.u32(1<<32 - 1)
		s.u32(1<<32 - 1)
	}
	s.u16(handle(typeMemoryArray))
	s.u8(1)
	if last>>10 < 1<<32-1 {
		s.u64(0)
		s.u64(0)
	} else {
		s.u64(r.Start)
		s.u64(last)
	}
	return s
}
