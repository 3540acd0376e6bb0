package cpusched

// nobody is no index.
const nobody int32 = -1

// root is the index of the host's group.
const root int32 = 0

type kind uint8

const (
	kindFree kind = iota
	kindPool
	kindVM
	kindAgent
	kindCPU
)

// node is a group or a virtual CPU. Nodes refer to each other by index and hold no
// pointer, so that whatever changes one needs no write barrier.
type node struct {
	id                  ID
	kind                kind
	throttled           bool
	parent, first, next int32 // next is also the list of free nodes
	nextReserved        int32
	nextThrottled       int32

	shares, reservation, limit int64 // thousandths of a CPU for the last two

	// What waits and runs at or below. What is below a throttled group is not
	// counted as ready above it.
	ready   int32          // ready virtual CPUs
	free    int32          // those that may run on any processor
	pinned  [MaxCPUs]int32 // the others, on each processor that they may use
	running int32

	vtime    int64  // ticks run * vscale / shares; only differences mean anything
	inflight int64  // ticks granted to what runs now
	picked   uint64 // Scheduler.seq of the last decision for it

	credit   int64 // reservation not yet given, ticks * 1000
	creditAt int64
	tokens   int64 // what the limit leaves, ticks * 1000
	tokensAt int64

	thread
}

// thread is the part of a node that only a virtual CPU has.
type thread struct {
	state    State
	reserved bool // it runs on the strength of a reservation
	cpu      int32
	affinity uint64
	slice    int64 // granted, while it runs
	since    int64 // when state began
	progress int64 // for co-scheduling: ticks run, moved up after a sleep
	times    Times
}

// at gives the index behind id, or nobody.
func (s *Scheduler) at(id ID) int32 {
	i := int(id & 0xffff)
	if id == None || i >= len(s.nodes) || s.nodes[i].id != id || s.nodes[i].kind == kindFree {
		return nobody
	}
	return int32(i)
}

// vcpuAt is at for a virtual CPU.
func (s *Scheduler) vcpuAt(id ID) int32 {
	i := s.at(id)
	if i != nobody && s.nodes[i].kind != kindCPU {
		return nobody
	}
	return i
}

// take makes a node of a free one and hangs it below parent; nobody if all are used.
func (s *Scheduler) take(k kind, parent int32) int32 {
	i := s.free
	if i == nobody {
		return nobody
	}
	n := &s.nodes[i]
	s.free = n.next
	generation := uint32(n.id)>>16 + 1
	if generation > 0xffff {
		generation = 1
	}
	*n = node{
		id: ID(generation<<16 | uint32(i)), kind: k, parent: parent,
		first: nobody, next: nobody, nextReserved: nobody, nextThrottled: nobody,
		creditAt: s.now, tokensAt: s.now,
	}
	if parent != nobody {
		s.link(i, parent)
	}
	return i
}

// link hangs i below parent.
func (s *Scheduler) link(i, parent int32) {
	n := &s.nodes[i]
	n.parent, n.next = parent, s.nodes[parent].first
	s.nodes[parent].first = i
}

// unlink takes i from its parent.
func (s *Scheduler) unlink(i int32) {
	n := &s.nodes[i]
	for at := &s.nodes[n.parent].first; ; at = &s.nodes[*at].next {
		if *at == i {
			*at = n.next
			return
		}
	}
}

// drop gives a node without children back.
func (s *Scheduler) drop(i int32) {
	n := &s.nodes[i]
	s.unlink(i)
	n.kind = kindFree
	n.next = s.free
	s.free = i
}

// contends says that something at or below n runs or could.
func (n *node) contends() bool { return n.ready > 0 || n.running > 0 }

// eligible says that something at or below n could begin to run on cpu.
func (n *node) eligible(cpu int) bool { return n.free > 0 || n.pinned[cpu] > 0 }
