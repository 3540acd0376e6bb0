package acpitables

import (
	"encoding/binary"
	"errors"
	"fmt"

	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/cpuhp"
	"basalt/vmkernel/vdev/ioapic"
	"basalt/vmkernel/vdev/lapic"
	"basalt/vmkernel/vdev/rtc"
)

// Config is what the tables describe.
type Config struct {
	CPUs int // 1 to MaxCPUs
	// IDShift spreads the APIC IDs: n<<IDShift is that of processor UID n. At most 15.
	IDShift uint8
	// MaxCPUs is how many there can be while the machine runs, CPUs to cpuhp.Max; 0:
	// none comes.
	MaxCPUs     int
	SerialPorts int // 0 to 4
	VGA         bool
	PCIe        *PCIe      // nil: no PCI
	NUMA        []Node     // none: no SRAT; more than one: SLIT too
	HotMemory   *HotMemory // nil: no memory comes
	HPET        bool
	// GenerationID is the guest-physical address of the VM generation ID, page
	// aligned; 0: none. Build does not write the ID.
	GenerationID uint64
}

// MaxCPUs is how many processors the DSDT can name.
const MaxCPUs = 4096

// DefaultBase is the customary place: the BIOS area, which old systems search
// for the RSDP.
const DefaultBase = 0xE_0000

// ErrConfig is a configuration that no table can describe.
var ErrConfig = errors.New("bad configuration")

var le = binary.LittleEndian

// Build makes the image to be placed at guest-physical address base, a multiple
// of 64. The RSDP is its first byte.
func Build(cfg Config, base uint64) (image []byte, rsdp uint64, err error) {
	switch {
	case cfg.CPUs < 1 || cfg.CPUs > MaxCPUs:
		return nil, 0, fmt.Errorf("acpitables: %d processors: %w", cfg.CPUs, ErrConfig)
	case cfg.MaxCPUs != 0 && (cfg.MaxCPUs < cfg.CPUs || cfg.MaxCPUs > cpuhp.Max):
		return nil, 0, fmt.Errorf("acpitables: %d processors of %d: %w", cfg.CPUs, cfg.MaxCPUs, ErrConfig)
	case cfg.IDShift > maxIDShift:
		return nil, 0, fmt.Errorf("acpitables: APIC IDs shifted by %d: %w", cfg.IDShift, ErrConfig)
	case cfg.SerialPorts < 0 || cfg.SerialPorts > 4:
		return nil, 0, fmt.Errorf("acpitables: %d serial ports: %w", cfg.SerialPorts, ErrConfig)
	case base%64 != 0 || base > 1<<32-1<<20:
		return nil, 0, fmt.Errorf("acpitables: base %#x: %w", base, ErrConfig)
	}
	if err := errors.Join(cfg.PCIe.check(), checkNUMA(&cfg), checkHotMemory(&cfg), checkGenerationID(cfg.GenerationID)); err != nil {
		return nil, 0, err
	}
	// The RSDP comes first, because it is searched at 16-byte borders; its
	// content follows when the other addresses are known.
	image = make([]byte, 64)
	place := func(t []byte) uint64 {
		for len(image)%64 != 0 {
			image = append(image, 0)
		}
		at := base + uint64(len(image))
		image = append(image, t...)
		return at
	}
	facs := place(buildFACS())
	d := place(sdt("DSDT", 2, dsdt(cfg)))
	list := le.AppendUint64(nil, place(sdt("FACP", 6, fadt(cfg, facs, d))))
	add := func(signature string, revision byte, body []byte) {
		list = le.AppendUint64(list, place(sdt(signature, revision, body)))
	}
	add("APIC", 5, madt(cfg))
	if cfg.PCIe != nil {
		add("MCFG", 1, mcfg(cfg.PCIe))
	}
	if len(cfg.NUMA) > 0 {
		add("SRAT", 3, srat(cfg))
	}
	if len(cfg.NUMA) > 1 {
		add("SLIT", 1, slit(len(cfg.NUMA)))
	}
	if cfg.HPET {
		add("HPET", 1, hpet())
	}
	if cfg.SerialPorts > 0 {
		add("SPCR", 2, spcr())
	}
	x := place(sdt("XSDT", 1, list))
	copy(image, buildRSDP(x))
	return image, base, nil
}

// sum makes the bytes of b add up to 0 by setting b[at].
func sum(b []byte, at int) {
	b[at] = 0
	s := byte(0)
	for _, v := range b {
		s += v
	}
	b[at] = -s
}

// sdt puts the system description table header (5.2.6) in front of body.
func sdt(signature string, revision byte, body []byte) []byte {
	t := append([]byte(signature), 0, 0, 0, 0, revision, 0)
	t = append(t, "BASALT"...)
	t = append(t, "BASALTVM"...)
	t = le.AppendUint32(t, 1)
	t = append(t, "BSLT"...)
	t = le.AppendUint32(t, 1)
	t = append(t, body...)
	le.PutUint32(t[4:], uint32(len(t)))
	sum(t, 9)
	return t
}

// buildRSDP is 5.2.5.3; there is no RSDT.
func buildRSDP(xsdt uint64) []byte {
	r := make([]byte, 36)
	copy(r, "RSD PTR ")
	copy(r[9:], "BASALT")
	r[15] = 2
	le.PutUint32(r[20:], 36)
	le.PutUint64(r[24:], xsdt)
	sum(r[:20], 8)
	sum(r, 32)
	return r
}

// buildFACS is 5.2.10; it has no checksum.
func buildFACS() []byte {
	f := make([]byte, 64)
	copy(f, "FACS")
	le.PutUint32(f[4:], 64)
	f[32] = 2
	return f
}

// FADT flags (table 5.10) and IA-PC boot flags (table 5.11).
const (
	flagWBINVD  = 1 << 0
	flagC1      = 1 << 2
	flagNoSleep = 1 << 5 // no fixed sleep button
	flagNoRTC   = 1 << 6 // no fixed RTC wake status
	flagTMR32   = 1 << 8
	flagReset   = 1 << 10
	// flagPhysical: local APICs are to be used in physical destination mode.
	flagPhysical = 1 << 19

	bootLegacy = 1 << 0
	bootNoVGA  = 1 << 2
)

// gas is a generic address structure in I/O space (5.2.3.2).
func gas(width, access uint8, port uint64) []byte {
	return le.AppendUint64([]byte{1, width, 0, access}, port)
}

// fadt is 5.2.9, revision 6.5, without the header; offsets are those of the
// specification less 36.
func fadt(cfg Config, facs, dsdt uint64) []byte {
	const header = 36
	t := make([]byte, 276-header)
	at := func(off int) []byte { return t[off-header:] }
	le.PutUint32(at(36), uint32(facs))
	le.PutUint32(at(40), uint32(dsdt))
	le.PutUint16(at(46), acpipm.SCI)
	le.PutUint32(at(56), acpipm.Base)
	le.PutUint32(at(64), acpipm.ControlAt)
	le.PutUint32(at(76), acpipm.TimerAt)
	at(88)[0] = acpipm.EventLen
	at(89)[0] = acpipm.ControlN
	at(91)[0] = acpipm.TimerN
	le.PutUint32(at(80), acpipm.GPEAt)
	at(92)[0] = acpipm.GPEN
	le.PutUint16(at(96), 0xFFFF) // no C2
	le.PutUint16(at(98), 0xFFFF) // no C3
	at(108)[0] = rtc.Century     // CENTURY
	boot := uint16(bootLegacy)   // 8042 bit clear: there is none
	if !cfg.VGA {
		boot |= bootNoVGA
	}
	le.PutUint16(at(109), boot)
	flags := uint32(flagWBINVD | flagC1 | flagNoSleep | flagNoRTC | flagTMR32 | flagReset)
	if cfg.wide() {
		flags |= flagPhysical // a message has no room for their logical IDs
	}
	le.PutUint32(at(112), flags)
	copy(at(116), gas(8, 1, acpipm.ResetPort))
	at(128)[0] = acpipm.ResetValue
	at(131)[0] = 5 // minor version
	le.PutUint64(at(140), dsdt)
	copy(at(148), gas(8*acpipm.EventLen, 2, acpipm.Base))
	copy(at(172), gas(8*acpipm.ControlN, 2, acpipm.ControlAt))
	copy(at(208), gas(8*acpipm.TimerN, 3, acpipm.TimerAt))
	copy(at(220), gas(8*acpipm.GPEN, 1, acpipm.GPEAt))
	copy(at(268), "BASALT")
	return t
}

// MADT entry types (table 5.21) and the flags of an interrupt (table 5.26).
const (
	typeLAPIC    = 0
	typeIOAPIC   = 1
	typeOverride = 2
	typeNMI      = 4
	typeX2APIC   = 9
	typeX2NMI    = 10

	pcatCompat      = 1
	activeHighLevel = 1 | 3<<2
)

// madt is 5.2.12, without the header.
func madt(cfg Config) []byte {
	t := le.AppendUint32(nil, lapic.DefaultBase)
	t = le.AppendUint32(t, pcatCompat)
	for i := range max(cfg.CPUs, cfg.MaxCPUs) {
		flags := uint32(madtEnabled)
		if i >= cfg.CPUs {
			flags = madtCapable
		}
		t = append(t, cfg.apicEntry(i, flags)...)
	}
	t = append(t, typeIOAPIC, 12, 0, 0)
	t = le.AppendUint32(t, ioapic.DefaultBase)
	t = le.AppendUint32(t, 0)
	override := func(irq byte, gsi uint32, flags uint16) {
		t = le.AppendUint32(append(t, typeOverride, 10, 0, irq), gsi)
		t = le.AppendUint16(t, flags)
	}
	override(0, 2, 0)
	override(acpipm.SCI, acpipm.SCI, activeHighLevel)
	t = append(t, typeNMI, 6, 0xFF, 0, 0, 1)
	if cfg.wide() {
		t = append(t, typeX2NMI, 12, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0)
	}
	return t
}
