package acpitables

import (
	"fmt"
	"slices"
)

// Range is guest-physical memory.
type Range struct{ Base, Size uint64 }

// Node is a proximity domain; its number is its place in Config.NUMA.
type Node struct {
	CPUs   []int // processor UIDs
	Memory []Range
}

// SRAT entry types (table 5.65) and their flags; distances of SLIT (5.2.17).
const (
	sratLAPIC  = 0
	sratMemory = 1
	sratX2APIC = 2
	sratOn     = 1
	sratHot    = 2 // of memory

	slitLocal  = 10
	slitRemote = 20
)

func checkNUMA(cfg *Config) error {
	seen := map[int]bool{}
	for i, n := range cfg.NUMA {
		for _, c := range n.CPUs {
			if c < 0 || c >= max(cfg.CPUs, cfg.MaxCPUs) || seen[c] {
				return fmt.Errorf("acpitables: node %d: processor %d: %w", i, c, ErrConfig)
			}
			seen[c] = true
		}
		for _, m := range n.Memory {
			if m.Size == 0 || m.Base+m.Size < m.Base {
				return fmt.Errorf("acpitables: node %d: memory %#x+%#x: %w", i, m.Base, m.Size, ErrConfig)
			}
		}
	}
	return nil
}

// proximity is a processor's _PXM (6.2.15): for one that comes, which SRAT has too, but
// not all guests look there then.
func proximity(cfg Config, cpu int) aml {
	for i, n := range cfg.NUMA {
		if len(cfg.NUMA) > 1 && slices.Contains(n.CPUs, cpu) {
			return name("_PXM", integer(uint64(i)))
		}
	}
	return nil
}

// srat is 5.2.16, without the header. Processors that can come are in it like those that
// are there.
func srat(cfg Config) []byte {
	t := le.AppendUint64(le.AppendUint32(nil, 1), 0)
	memory := func(domain int, m Range, flags uint32) { // 5.2.16.2
		t = append(t, sratMemory, 40)
		t = le.AppendUint32(t, uint32(domain))
		t = append(t, 0, 0)
		t = le.AppendUint64(t, m.Base)
		t = le.AppendUint64(t, m.Size)
		t = le.AppendUint32(t, 0)
		t = le.AppendUint32(t, flags)
		t = le.AppendUint64(t, 0)
	}
	for i, n := range cfg.NUMA {
		domain := uint32(i)
		for _, c := range n.CPUs {
			id := cfg.apicID(c)
			if id < firstWide && domain < 256 { // 5.2.16.1
				t = append(t, sratLAPIC, 16, byte(domain), byte(id))
				t = le.AppendUint32(t, sratOn)
				t = append(t, 0, 0, 0, 0, 0, 0, 0, 0)
				continue
			}
			t = append(t, sratX2APIC, 24, 0, 0) // 5.2.16.3
			for _, v := range []uint32{domain, id, sratOn, 0, 0} {
				t = le.AppendUint32(t, v)
			}
		}
		for _, m := range n.Memory {
			memory(i, m, sratOn)
		}
	}
	if h := cfg.HotMemory; h != nil {
		memory(h.Node, h.Range, sratOn|sratHot)
	}
	return t
}

// slit is 5.2.17, without the header: all other nodes are equally far.
func slit(nodes int) []byte {
	t := le.AppendUint64(nil, uint64(nodes))
	for i := range nodes * nodes {
		if i/nodes == i%nodes {
			t = append(t, slitLocal)
		} else {
			t = append(t, slitRemote)
		}
	}
	return t
}
