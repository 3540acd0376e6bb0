package acpitables

import (
	"fmt"

	"basalt/vmkernel/vdev/acpipm"
	"basalt/vmkernel/vdev/memhp"
)

// Memory that comes while the machine runs (9.11, 5.6.6): AML over the register block of
// package memhp. SRAT says where it can be, so that a guest lays its address space out
// for it.

// HotMemory is where memory can come.
type HotMemory struct {
	Range     // all of it, whether something is there or not
	Node  int // its proximity domain, a place in Config.NUMA
}

func checkHotMemory(cfg *Config) error {
	h := cfg.HotMemory
	if h == nil {
		return nil
	}
	if h.Size == 0 || h.Base+h.Size < h.Base || h.Node < 0 || h.Node >= len(cfg.NUMA) {
		return fmt.Errorf("acpitables: memory to come at %#x+%#x in node %d: %w", h.Base, h.Size, h.Node, ErrConfig)
	}
	return nil
}

func memoryName(i int) string { return fmt.Sprintf("M%03X", i) }

// What MEMX does with the slot that is its first argument.
const (
	memFlags = iota // gives its flags
	memTake         // gives them and takes the mark of a new one
	memRange        // gives its _CRS
	memOST          // hands the other two arguments on
)

// memoryDevices are the slots. One method does all, because it is serialised and the
// selector is one.
func memoryDevices(cfg Config) aml {
	if cfg.HotMemory == nil {
		return nil
	}
	is := func(what uint64) aml { return equal(arg(1), integer(what)) }
	high := func(v string, to aml) aml { return shiftLeft(path(v), integer(32), to) }
	out := join(
		device("MEMH", name("_HID", eisaID("PNP0C02")), name("_UID", integer(3)), resources(ioPorts(memhp.Base, memhp.Size))),
		region("MEMR", spaceSystemIO, memhp.Base, memhp.Size),
		field("MEMR", accessDWord, bits("MBLO", 32), bits("MBHI", 32), bits("MLLO", 32), bits("MLHI", 32)),
		field("MEMR", accessByte, bits("", 160), bits("MFLG", 8)),
		field("MEMR", accessDWord, bits("MSEL", 32), bits("MOEV", 32), bits("MOST", 32)),
		method("MEMX", 4|serialized,
			store(arg(0), path("MSEL")),
			when(is(memRange),
				name("MRES", buffer(append(qwordRAM(0, 1), endTag...))),
				qwordField(path("MRES"), qwordMin, "MMIN"),
				qwordField(path("MRES"), qwordMax, "MMAX"),
				qwordField(path("MRES"), qwordLen, "MLEN"),
				high("MBHI", local(0)), or(local(0), path("MBLO"), local(0)),
				high("MLHI", local(1)), or(local(1), path("MLLO"), local(1)),
				store(local(0), path("MMIN")),
				store(local(1), path("MLEN")),
				add(local(0), local(1), local(0)),
				subtract(local(0), integer(1), path("MMAX")),
				returns(path("MRES"))),
			when(is(memOST),
				store(arg(2), path("MOEV")),
				store(arg(3), path("MOST")),
				returns(integer(0))),
			store(path("MFLG"), local(0)),
			when(is(memTake), store(integer(memhp.Fresh), path("MFLG"))),
			returns(local(0))))
	none := integer(0)
	for i := range memhp.Slots {
		n := integer(uint64(i))
		out = join(out, device(memoryName(i), name("_HID", eisaID("PNP0C80")), name("_UID", n),
			name("_PXM", integer(uint64(cfg.HotMemory.Node))),
			method("_STA", 0,
				when(and(call("MEMX", n, integer(memFlags), none, none), integer(memhp.Present), nothing), returns(integer(0xF))),
				returns(none)),
			method("_CRS", 0, returns(call("MEMX", n, integer(memRange), none, none))),
			method("_OST", 3, call("MEMX", n, integer(memOST), arg(0), arg(1)))))
	}
	return out
}

// memoryEvent tells the guest of the devices that are new.
func memoryEvent(cfg Config) aml {
	if cfg.HotMemory == nil {
		return nil
	}
	var body aml
	for i := range memhp.Slots {
		body = join(body, when(and(call("\\_SB.MEMX", integer(uint64(i)), integer(memTake), integer(0), integer(0)), integer(memhp.Fresh), nothing),
			notify(path("\\_SB."+memoryName(i)), integer(deviceCheck))))
	}
	return scope("\\_GPE", method(fmt.Sprintf("_E%02X", acpipm.GPEMemory), 0, body))
}
