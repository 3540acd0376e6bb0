package vcpu

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Leaf is one answer of CPUID. Sub is 0 for a leaf without sub-leaves.
type Leaf struct{ Leaf, Sub, EAX, EBX, ECX, EDX uint32 }

// Leaves are all answers that are the same in every machine with this level and
// number of processors, in ascending order: the fingerprint that a saved state
// carries. The frequencies (15h, 16h, 4000_0010h) are left out: they are the host's,
// and the paravirtual clock corrects for them. What changes while the machine runs
// (OSXSAVE, the APIC bit, the size for the current XCR0, the APIC ID) is left out too.
func (c *CPUID) Leaves() []Leaf {
	out := make([]Leaf, 0, len(c.rows))
	for _, r := range c.rows {
		switch r.leaf {
		case 0x15, 0x16, 0x40000010:
			continue
		}
		out = append(out, Leaf{r.leaf, r.sub, r.eax, r.ebx, r.ecx, r.edx})
	}
	slices.SortFunc(out, func(a, b Leaf) int { return cmp.Or(cmp.Compare(a.Leaf, b.Leaf), cmp.Compare(a.Sub, b.Sub)) })
	return out
}

// maxDiffs bounds what CompareLeaves tells of a saved state that is all wrong.
const maxDiffs = 8

// CompareLeaves says how a saved machine's fingerprint differs from that of the
// machine that is to take it over; nil if it does not. saved may be anything.
func CompareLeaves(saved, now []Leaf) error {
	var diff []string
	say := func(format string, a ...any) { diff = append(diff, fmt.Sprintf(format, a...)) }
	type key struct{ leaf, sub uint32 }
	have := make(map[key]Leaf, len(now))
	for _, l := range now {
		have[key{l.Leaf, l.Sub}] = l
	}
	for _, s := range saved {
		if len(diff) > maxDiffs {
			break
		}
		k := key{s.Leaf, s.Sub}
		n, ok := have[k]
		if !ok {
			say("leaf %x.%x is not here, or is saved twice", s.Leaf, s.Sub)
			continue
		}
		delete(have, k)
		if s == n {
			continue
		}
		lost, more := leafFeatures(s, n), leafFeatures(n, s)
		for _, f := range lost {
			say("%s is not here", f)
		}
		for _, f := range more {
			say("%s is here and was not there", f)
		}
		if len(lost)+len(more) == 0 {
			say("leaf %x.%x is %08x %08x %08x %08x here and was %08x %08x %08x %08x", s.Leaf, s.Sub, n.EAX, n.EBX, n.ECX, n.EDX, s.EAX, s.EBX, s.ECX, s.EDX)
		}
	}
	for _, n := range now {
		if _, ok := have[key{n.Leaf, n.Sub}]; ok && len(diff) <= maxDiffs {
			say("leaf %x.%x was not there", n.Leaf, n.Sub)
		}
	}
	if diff == nil {
		return nil
	}
	if len(diff) > maxDiffs {
		diff = append(diff[:maxDiffs], "and more")
	}
	return fmt.Errorf("the saved machine's processor is another: %s", strings.Join(diff, "; "))
}

// leafFeatures are the named features that a has and b has not.
func leafFeatures(a, b Leaf) []string {
	var s featureSet
	switch {
	case a.Leaf == 1:
		s[w1ECX], s[w1EDX] = a.ECX&^b.ECX, a.EDX&^b.EDX
	case a.Leaf == 7 && a.Sub == 0:
		s[w7EBX], s[w7ECX], s[w7EDX] = a.EBX&^b.EBX, a.ECX&^b.ECX, a.EDX&^b.EDX
	case a.Leaf == 0xd && a.Sub == 1:
		s[wD1EAX] = a.EAX &^ b.EAX
	case a.Leaf == 0x80000001:
		s[wExtECX], s[wExtEDX] = a.ECX&^b.ECX, a.EDX&^b.EDX
	case a.Leaf == 0x80000008:
		s[wExt8EBX] = a.EBX &^ b.EBX
	}
	for w := range s {
		for i := range 32 {
			if nameOf[w][i] == "" {
				s[w] &^= 1 << i
			}
		}
	}
	return s.names()
}
