package vm

import (
	"reflect"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vdev/acpitables"
)

// TestAffinity: processors and memory are divided, all of them, without overlap.
func TestAffinity(t *testing.T) {
	const gib = 1 << 30
	type nodes = []acpitables.Node
	r := func(base, size uint64) acpitables.Range { return acpitables.Range{Base: base, Size: size} }
	for name, c := range map[string]struct {
		conf  host.Config
		added []int
		want  nodes
		hot   *acpitables.HotMemory
	}{
		"as ever": {host.Config{CPUs: 2, MemoryMiB: 64}, nil, nil, nil},
		"one":     {host.Config{CPUs: 2, MemoryMiB: 64, NUMANodes: 1}, nil, nil, nil},
		"one that grows": {host.Config{CPUs: 1, MaxCPUs: 2, MemoryMiB: 64, MaxMemoryMiB: 192}, nil,
			nodes{{CPUs: []int{0, 1}, Memory: []acpitables.Range{r(0, 64<<20)}}}, &acpitables.HotMemory{Range: r(4*gib, 128<<20)}},
		"two": {host.Config{CPUs: 4, MemoryMiB: 64, NUMANodes: 2}, nil,
			nodes{{CPUs: []int{0, 1}, Memory: []acpitables.Range{r(0, 32<<20)}}, {CPUs: []int{2, 3}, Memory: []acpitables.Range{r(32<<20, 32<<20)}}}, nil},
		"not even": {host.Config{CPUs: 4, MemoryMiB: 64, NUMANodes: 3}, nil,
			nodes{{CPUs: []int{0, 1}, Memory: []acpitables.Range{r(0, 20<<20)}}, {CPUs: []int{2}, Memory: []acpitables.Range{r(20<<20, 20<<20)}},
				{CPUs: []int{3}, Memory: []acpitables.Range{r(40<<20, 24<<20)}}}, nil},
		"around the gap": {host.Config{CPUs: 2, MemoryMiB: 5120, NUMANodes: 2}, nil,
			nodes{{CPUs: []int{0}, Memory: []acpitables.Range{r(0, 5*gib/2)}}, {CPUs: []int{1}, Memory: []acpitables.Range{r(5*gib/2, gib/2), r(4*gib, 2*gib)}}}, nil},
		"grown": {host.Config{CPUs: 2, MemoryMiB: 5120 + 128, MaxMemoryMiB: 6144, NUMANodes: 2}, []int{128},
			nodes{{CPUs: []int{0}, Memory: []acpitables.Range{r(0, 5*gib/2)}}, {CPUs: []int{1}, Memory: []acpitables.Range{r(5*gib/2, gib/2), r(4*gib, 2*gib)}}},
			&acpitables.HotMemory{Range: r(6*gib, gib), Node: 1}},
		"too little": {host.Config{CPUs: 2, MemoryMiB: 2, NUMANodes: 2}, nil,
			nodes{{CPUs: []int{0}}, {CPUs: []int{1}, Memory: []acpitables.Range{r(0, 2<<20)}}}, nil},
	} {
		b := &board{numNodes: c.conf.NUMANodes, space: spaceOf(c.conf, c.added), cpus: make([]*vcpu.VCPU, c.conf.AllCPUs())}
		got, hot := b.affinity()
		if !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(hot, c.hot) {
			t.Errorf("%s: %+v %+v", name, got, hot)
		}
		if _, _, err := acpitables.Build(acpitables.Config{CPUs: c.conf.CPUs, MaxCPUs: c.conf.MaxCPUs, NUMA: got, HotMemory: hot}, acpitables.DefaultBase); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPackages: no package is in two nodes, and they are as large as can be.
func TestPackages(t *testing.T) {
	for _, c := range [][3]int{{1, 0, 1}, {3, 1, 3}, {64, 1, 64}, {2, 2, 1}, {4, 2, 2}, {8, 2, 4}, {6, 2, 1}, {12, 3, 4}, {5, 2, 1}, {64, 8, 8}, {7, 7, 1}, {10, 3, 1}, {10, 5, 2}} {
		cpus, nodes := c[0], c[1]
		got := perPackage(cpus, nodes)
		if got != c[2] {
			t.Errorf("%d CPUs in %d nodes: packages of %d, want %d", cpus, nodes, got, c[2])
		}
		for cpu := range cpus {
			if first := cpu / got * got; nodes > 1 && nodeOf(first, cpus, nodes) != nodeOf(cpu, cpus, nodes) {
				t.Errorf("%d CPUs in %d nodes: CPUs %d and %d are in one package of %d", cpus, nodes, first, cpu, got)
			}
		}
	}
}
