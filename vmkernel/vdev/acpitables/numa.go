package acpitables

import "fmt"

// Range is guest-physical memory.
type Range struct{ Base, Size uint64 }

// Node is a proximity domain; its number is its place in Config.NUMA.
type Node struct {
	CPUs   []int // APIC IDs
	Memory []Range
}

// SRAT entry types (table 5.65) and their flag.
const (
	sratLAPIC  = 0
	sratMemory = 1
	sratX2APIC = 2
	sratOn     = 1
)

func checkNUMA(cfg *Config) error {
	seen := map[int]bool{}
	for i, n := range cfg.NUMA {
		for _, c := range n.CPUs {
			if c < 0 || c >= cfg.CPUs || seen[c] {
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

// srat is 5.2.16, without the header.
func srat(nodes []Node) []byte {
	t := le.AppendUint64(le.AppendUint32(nil, 1), 0)
	for i, n := range nodes {
		domain := uint32(i)
		for _, c := range n.CPUs {
			if c < 255 && domain < 256 { // 5.2.16.1
				t = append(t, sratLAPIC, 16, byte(domain), byte(c))
				t = le.AppendUint32(t, sratOn)
				t = append(t, 0, 0, 0, 0, 0, 0, 0, 0)
				continue
			}
			t = append(t, sratX2APIC, 24, 0, 0) // 5.2.16.3
			for _, v := range []uint32{domain, uint32(c), sratOn, 0, 0} {
				t = le.AppendUint32(t, v)
			}
		}
		for _, m := range n.Memory { // 5.2.16.2
			t = append(t, sratMemory, 40)
			t = le.AppendUint32(t, domain)
			t = append(t, 0, 0)
			t = le.AppendUint64(t, m.Base)
			t = le.AppendUint64(t, m.Size)
			t = le.AppendUint32(t, 0)
			t = le.AppendUint32(t, sratOn)
			t = le.AppendUint64(t, 0)
		}
	}
	return t
}
