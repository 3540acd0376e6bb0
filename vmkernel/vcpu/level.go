package vcpu

import (
	"fmt"
	"slices"
	"strings"
)

// Host is what levels are measured against and CPUID is made of: the processor and
// what the engine on it can switch.
type Host struct {
	CPUID HostCPUID
	Caps  Caps
}

// Level is a CPU compatibility level: a fixed set of features, with a fixed family,
// model, brand, cache geometry and state size, so that a machine finds the same
// processor on every host that has the level. The zero Level is "host": everything
// that this host and engine offer. Levels can be compared with ==.
type Level struct{ n uint8 } // index into levels plus 1

const hostLevel = "host"

// def is the row; nil for "host".
func (l Level) def() *levelDef {
	if l.n == 0 || int(l.n) > len(levels) {
		return nil
	}
	return &levels[l.n-1]
}

// String is the name that ParseLevel takes. It is part of saved states and never
// changes.
func (l Level) String() string {
	if d := l.def(); d != nil {
		return d.name
	}
	return hostLevel
}

// ParseLevel finds a level by its name; "" is "host". The error lists the names.
func ParseLevel(s string) (Level, error) {
	if s == "" || s == hostLevel {
		return Level{}, nil
	}
	for i := range levels {
		if levels[i].name == s {
			return Level{uint8(i + 1)}, nil
		}
	}
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return Level{}, fmt.Errorf("no CPU level %q; there are %s", s, strings.Join(LevelNames(), ", "))
}

// Levels is every level, "host" first, then from the weakest to the strongest of
// each family.
func Levels() []Level {
	out := make([]Level, len(levels)+1)
	for i := range out {
		out[i].n = uint8(i)
	}
	return out
}

// LevelNames are their names, for help texts.
func LevelNames() []string {
	var out []string
	for _, l := range Levels() {
		out = append(out, l.String())
	}
	return out
}

// Features are the names of the features that a guest of the level sees, besides what
// every machine has of ours. Nil for "host": ask the host.
func (l Level) Features() []string {
	if d := l.def(); d != nil {
		return d.set.names()
	}
	return nil
}

// PhysBits is the width of a physical address of the level, 0 for "host".
func (l Level) PhysBits() uint8 {
	if d := l.def(); d != nil {
		return d.physBits
	}
	return 0
}

// LevelError says why a host cannot carry a level.
type LevelError struct {
	Level   Level
	Missing []string // features by name, and what else is missing
}

// Error names every one.
func (e *LevelError) Error() string {
	return fmt.Sprintf("this host cannot give CPU level %s: it lacks %s", e.Level, strings.Join(e.Missing, ", "))
}

// Check is nil if the host can carry the level, otherwise a *LevelError with
// everything that is missing.
func (l Level) Check(h Host) error {
	d := l.def()
	if d == nil {
		return nil
	}
	o := h.offer()
	var missing []string
	if d.vendor != anyVendor && d.vendor != o.vendor {
		missing = append(missing, fmt.Sprintf("a processor of %s (this is %q)", d.vendor, o.vendor))
	}
	lack := d.set.without(&o.set)
	missing = append(missing, lack.names()...)
	if o.physBits < d.physBits {
		missing = append(missing, fmt.Sprintf("physical addresses of %d bits (it has %d)", d.physBits, o.physBits))
	}
	if d.set.has(w1ECX, 28) && o.set.has(w1ECX, 28) && o.avx != standardAVX {
		missing = append(missing, fmt.Sprintf("AVX state of %d bytes at %d (it has %d at %d)",
			standardAVX.size, standardAVX.offset, o.avx.size, o.avx.offset))
	}
	if missing == nil {
		return nil
	}
	return &LevelError{l, missing}
}

// SupportedLevels are the levels that the host can carry.
func SupportedLevels(h Host) []Level {
	return slices.DeleteFunc(Levels(), func(l Level) bool { return l.Check(h) != nil })
}
