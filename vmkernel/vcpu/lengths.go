package vcpu

// lengthCache remembers the length of instructions that exit, by RIP, for
// processors that do not tell (see doc.go). Direct mapped; W1 reads it, only
// ordinary Go writes.
type lengthCache struct {
	rip [64]uint64
	n   [64]uint8
}

func slot(rip uint64) uint64 { return (rip ^ rip>>6 ^ rip>>12) & 63 }

// get is 0 for an unknown RIP. W1.
func (c *lengthCache) get(rip uint64) uint8 {
	i := slot(rip)
	if c.rip[i] != rip {
		return 0
	}
	return c.n[i]
}

func (c *lengthCache) put(rip uint64, n uint8) {
	i := slot(rip)
	c.rip[i], c.n[i] = rip, n
}
