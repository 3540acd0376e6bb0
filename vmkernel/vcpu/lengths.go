package vcpu

// lengthCache remembers where instructions without useless prefixes stand, for
// processors that do not tell the length of what exits (see doc.go). It is keyed by
// RIP alone, and what stands there may change: another process, or code that was
// rewritten. So it holds only the one length that the instruction has without
// prefixes: the worst that a stale entry can do is to skip too little of an
// instruction with useless prefixes. Instructions with prefixes are decoded every
// time. Direct mapped; W1 reads it, only ordinary Go writes.
type lengthCache struct {
	rip  [64]uint64
	kind [64]Kind
}

// plain are the lengths without prefixes of what the fast path completes. IN and
// OUT are not here: every processor tells their length.
var plain = [64]uint8{KindCPUID: 2, KindHLT: 1, KindRDMSR: 2, KindWRMSR: 2, KindHypercall: 3, KindPause: 2}

func slot(rip uint64) uint64 { return (rip ^ rip>>6 ^ rip>>12) & 63 }

// get is 0 for an unknown place. W1.
func (c *lengthCache) get(k Kind, rip uint64) uint8 {
	i := slot(rip)
	if c.rip[i] != rip || c.kind[i] != k {
		return 0
	}
	return plain[k&63]
}

func (c *lengthCache) put(k Kind, rip uint64, n uint8) {
	if n == plain[k&63] {
		i := slot(rip)
		c.rip[i], c.kind[i] = rip, k
	}
}
