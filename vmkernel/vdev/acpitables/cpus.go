package acpitables

import (
	"fmt"

	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/cpuhp"
)

// Hot-plug of processors (8.4.1, 5.6.6): AML over the register block of package cpuhp.

const (
	opRegion      = 0x80 // after opExt: OperationRegion
	opField       = 0x81 // after opExt
	spaceSystemIO = 1

	serialized   = 1 << 3 // of a method's flags
	madtEnabled  = 1 << 0
	madtCapable  = 1 << 1 // online capable
	accessDWord  = 3
	accessByte   = 1
	deviceCheck  = 1
	notPluggable = 0
)

// bits is a field of an operation region: a name and its width, or a gap without one.
func bits(n string, width int) aml {
	if n == "" {
		if width < 64 {
			return aml{0, byte(width)}
		}
		return aml{0, 1<<6 | byte(width&15), byte(width >> 4)} // a PkgLength; below 4096
	}
	return append(segment(n), byte(width))
}

func region(n string, space byte, offset, length uint64) aml {
	return join(aml{opExt, opRegion}, path(n), aml{space}, integer(offset), integer(length))
}

func field(region string, access byte, fields ...aml) aml {
	return append(aml{opExt, opField}, pkgLength(join(path(region), aml{access}, join(fields...)))...)
}

func call(n string, args ...aml) aml { return join(path(n), join(args...)) }

func processorName(i int) string { return fmt.Sprintf("C%03X", i) }

// processors are device objects (8.4); _UID is the MADT's processor UID. Those of a
// machine that can have more than it has say by _STA whether they are there. CPUX
// selects a processor and gives its flags; with a second argument that is not 0 it
// takes the mark of a new one. It is serialised: the selector is one.
func processors(cfg Config) aml {
	if cfg.MaxCPUs == notPluggable {
		var out aml
		for i := range cfg.CPUs {
			out = join(out, device(processorName(i), name("_HID", str("ACPI0007")), name("_UID", integer(uint64(i))), proximity(cfg, i)))
		}
		return out
	}
	out := join(
		device("CPUH", name("_HID", eisaID("PNP0C02")), name("_UID", integer(2)), resources(ioPorts(cpuhp.Base, 8))),
		region("CPUR", spaceSystemIO, cpuhp.Base, cpuhp.Size),
		field("CPUR", accessDWord, bits("CSEL", 32)),
		field("CPUR", accessByte, bits("", 32), bits("CFLG", 8)),
		method("CPUX", 2|serialized,
			store(arg(0), path("CSEL")),
			store(path("CFLG"), local(0)),
			when(arg(1), store(integer(cpuhp.Fresh), path("CFLG"))),
			returns(local(0))))
	for i := range cfg.MaxCPUs {
		out = join(out, device(processorName(i), name("_HID", str("ACPI0007")), name("_UID", integer(uint64(i))), proximity(cfg, i),
			method("_STA", 0,
				when(and(call("CPUX", integer(uint64(i)), integer(0)), integer(cpuhp.Present), nothing), returns(integer(0xF))),
				returns(integer(0))),
			name("_MAT", buffer(cfg.apicEntry(i, madtEnabled)))))
	}
	return out
}

// nothing is a NullName target: the result is not stored.
var nothing = aml{opZero}

// processorEvent tells the guest of the processors that are new.
func processorEvent(cfg Config) aml {
	if cfg.MaxCPUs == notPluggable {
		return nil
	}
	var body aml
	for i := 1; i < cfg.MaxCPUs; i++ {
		body = join(body, when(and(call("\\_SB.CPUX", integer(uint64(i)), integer(1)), integer(cpuhp.Fresh), nothing),
			notify(path("\\_SB."+processorName(i)), integer(deviceCheck))))
	}
	return scope("\\_GPE", method(fmt.Sprintf("_E%02X", acpipm.GPEProcessor), 0, body))
}
