package cpusched

import "testing"

// consistent compares every sum that the tree keeps with a fresh count.
func consistent(t testing.TB, s *Scheduler) {
	t.Helper()
	ready := make([]int32, len(s.nodes))
	running := make([]int32, len(s.nodes))
	inflight := make([]int64, len(s.nodes))
	pinned := make([][MaxCPUs]int32, len(s.nodes))
	for i := range s.nodes {
		n := &s.nodes[i]
		if n.kind != kindCPU {
			continue
		}
		seen := true
		for up := int32(i); up != nobody; up = s.nodes[up].parent {
			if n.state == Running {
				running[up]++
				inflight[up] += n.slice
			}
			if n.state == Ready && seen {
				ready[up]++
				for c := range s.ncpu {
					pinned[up][c] += int32(n.affinity >> c & 1)
				}
			}
			seen = seen && !s.nodes[up].throttled
		}
		if n.state == Running && s.cpus[n.cpu].running != int32(i) {
			t.Fatalf("node %d runs on processor %d, which does not know", i, n.cpu)
		}
	}
	for i := range s.nodes {
		n := &s.nodes[i]
		if n.kind == kindFree {
			continue
		}
		if n.ready != ready[i] || n.running != running[i] || n.inflight != inflight[i] {
			t.Fatalf("node %d (%q): ready %d running %d inflight %d, counted %d %d %d",
				i, s.names[i], n.ready, n.running, n.inflight, ready[i], running[i], inflight[i])
		}
		for c := range s.ncpu {
			if n.free+n.pinned[c] != pinned[i][c] {
				t.Fatalf("node %d (%q): %d can run on processor %d, counted %d", i, s.names[i], n.free+n.pinned[c], c, pinned[i][c])
			}
		}
	}
}
