package vm

import (
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/acpitables"
)

// affinity is what SRAT says: nothing of a machine of one node to which no memory can
// come. A node has processors and memory that are next to each other, all as many and as
// much; where they cannot be divided evenly, the last one has what is left of the memory.
// It has what comes too.
func (b *board) affinity() ([]acpitables.Node, *acpitables.HotMemory) {
	n := int(b.hotNode()) + 1
	if n == 1 && b.space.hot.Size == 0 {
		return nil, nil
	}
	nodes := make([]acpitables.Node, n)
	for cpu := range b.cpus {
		i := nodeOf(cpu, len(b.cpus), n)
		nodes[i].CPUs = append(nodes[i].CPUs, cpu)
	}
	share := (b.space.low + b.space.high) / uint64(n) &^ (gmem.FrameSize - 1)
	for i := range nodes {
		from, to := uint64(i)*share, uint64(i+1)*share
		if i == n-1 {
			to = b.space.low + b.space.high
		}
		at := uint64(0) // of the region, counted without the gap below 4 GiB
		for _, r := range b.space.boot() {
			if first, end := max(from, at), min(to, at+r.Size); first < end {
				nodes[i].Memory = append(nodes[i].Memory, acpitables.Range{Base: r.Start + first - at, Size: end - first})
			}
			at += r.Size
		}
	}
	if b.space.hot.Size == 0 {
		return nodes, nil
	}
	return nodes, &acpitables.HotMemory{Range: acpitables.Range{Base: b.space.hot.Start, Size: b.space.hot.Size}, Node: n - 1}
}

// hotNode is the last node, where memory that comes is.
func (b *board) hotNode() uint32 { return uint32(max(b.numNodes, 1) - 1) }

// nodeOf is the node of a processor, of all that the machine can have.
func nodeOf(cpu, cpus, nodes int) int { return cpu * nodes / cpus }

// perPackage is how many processors CPUID shows in a package, which share its last level
// of cache: all, on a machine of one node. With more, no package may be in two nodes.
// Packages begin at multiples of a power of two, as their APIC IDs do, spread or not.
func perPackage(cpus, nodes int) int {
	if nodes <= 1 {
		return cpus
	}
	size := 1
	for size < cpus && fit(2*size, cpus, nodes) {
		size *= 2
	}
	return size
}

// fit says whether every node begins with a package of size processors.
func fit(size, cpus, nodes int) bool {
	for cpu := 1; cpu < cpus; cpu++ {
		if cpu%size != 0 && nodeOf(cpu-1, cpus, nodes) != nodeOf(cpu, cpus, nodes) {
			return false
		}
	}
	return true
}
