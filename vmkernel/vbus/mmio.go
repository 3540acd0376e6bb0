package vbus

import (
	"fmt"
	"sort"
	"sync/atomic"
)

// memClaim is a region [base, last] of guest-physical addresses.
type memClaim struct {
	node   *node
	region int
	base   uint64
	last   uint64
}

// memTable is immutable once published, but for the hint; claims are sorted by base.
type memTable struct {
	claims []memClaim
	hint   atomic.Uint32 // the claim that was found last: the next access often goes there
}

// find gives the claim that holds gpa; if there is none, where the next claim above gpa
// starts (0 when there is none either).
func (t *memTable) find(gpa uint64) (c *memClaim, next uint64) {
	if h := uint64(t.hint.Load()); h < uint64(len(t.claims)) {
		if c := &t.claims[h]; gpa-c.base <= c.last-c.base {
			return c, 0
		}
	}
	return t.search(gpa)
}

func (t *memTable) search(gpa uint64) (c *memClaim, next uint64) {
	lo, hi := 0, len(t.claims)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if t.claims[mid].base <= gpa {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(t.claims) {
		next = t.claims[lo].base
	}
	if lo > 0 && gpa <= t.claims[lo-1].last {
		t.hint.Store(uint32(lo - 1))
		return &t.claims[lo-1], 0
	}
	return nil, next
}

func (t *memTable) without(n *node) *memTable {
	out := &memTable{}
	for _, c := range t.claims {
		if c.node != n {
			out.claims = append(out.claims, c)
		}
	}
	return out
}

// AddMMIO plugs d in, if it is not yet, and routes size bytes from gpa to its
// region number region.
func (b *Bus) AddMMIO(d Device, region int, gpa, size uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := memClaim{region: region, base: gpa, last: gpa + size - 1}
	if size == 0 || c.last < gpa {
		return fmt.Errorf("vbus: %s: memory %#x+%#x: %w", d.Name(), gpa, size, ErrRange)
	}
	if _, ok := d.(MMIO); !ok {
		return fmt.Errorf("vbus: %s: memory %#x+%#x: %w", d.Name(), gpa, size, ErrNotIO)
	}
	old := b.mem.Load()
	for _, o := range old.claims {
		if c.base <= o.last && o.base <= c.last {
			return fmt.Errorf("vbus: %s: memory %#x-%#x meets %s at %#x-%#x: %w", d.Name(),
				c.base, c.last, o.node.dev.Name(), o.base, o.last, ErrOverlap)
		}
	}
	n, err := b.add(d)
	if err != nil {
		return err
	}
	c.node = n
	claims := append(append([]memClaim(nil), old.claims...), c)
	sort.Slice(claims, func(i, j int) bool { return claims[i].base < claims[j].base })
	b.mem.Store(&memTable{claims: claims})
	return nil
}

// RemoveMMIO takes back the claim of d for its region number region.
func (b *Bus) RemoveMMIO(d Device, region int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.mem.Load()
	for i, c := range old.claims {
		if c.node.dev == d && c.region == region {
			b.mem.Store(&memTable{claims: append(append([]memClaim(nil), old.claims[:i]...), old.claims[i+1:]...)})
			return nil
		}
	}
	return fmt.Errorf("vbus: %s: memory region %d: %w", d.Name(), region, ErrUnknown)
}

// part finds who answers the first bytes of an access and how many bytes that is.
func (t *memTable) part(gpa uint64, n int) (*memClaim, int) {
	c, next := t.find(gpa)
	if c != nil {
		if rest := c.last - gpa; rest < uint64(n)-1 {
			n = int(rest) + 1
		}
		return c, n
	}
	if next != 0 && next-gpa < uint64(n) {
		n = int(next - gpa)
	}
	return nil, n
}

// ReadMMIO reads len(data) bytes, 1 to 8, at gpa. It fills data in any case.
// The result is OK when any byte was answered.
func (b *Bus) ReadMMIO(gpa uint64, data []byte) Access {
	if len(data) == 0 || len(data) > 8 {
		ones(data)
		return BadSize
	}
	t := b.mem.Load()
	c, next := t.find(gpa)
	if c == nil && (next == 0 || next-gpa >= uint64(len(data))) {
		b.lost.MMIOReads.Add(1)
		ones(data)
		return NoRegister
	}
	if c != nil && c.last-gpa >= uint64(len(data))-1 {
		// One device has all of it: nearly always.
		c.node.n.MMIOReads.Add(1)
		a := c.node.mmio.ReadMMIO(c.region, gpa-c.base, data)
		if a != OK {
			c.node.n.Refused.Add(1)
			ones(data)
		}
		return a
	}
	result := NoRegister
	for len(data) > 0 {
		c, n := t.part(gpa, len(data))
		part := data[:n:n]
		if c == nil {
			b.lost.MMIOReads.Add(1)
			ones(part)
		} else {
			c.node.n.MMIOReads.Add(1)
			if a := c.node.mmio.ReadMMIO(c.region, gpa-c.base, part); a != OK {
				c.node.n.Refused.Add(1)
				ones(part)
				if result != OK {
					result = a
				}
			} else {
				result = OK
			}
		}
		data = data[n:]
		if gpa += uint64(n); gpa == 0 && len(data) > 0 {
			ones(data)
			break
		}
	}
	return result
}

// WriteMMIO writes len(data) bytes, 1 to 8, at gpa. The result is OK when any
// byte was taken.
func (b *Bus) WriteMMIO(gpa uint64, data []byte) Access {
	if len(data) == 0 || len(data) > 8 {
		return BadSize
	}
	t := b.mem.Load()
	result := NoRegister
	for len(data) > 0 {
		c, n := t.part(gpa, len(data))
		if c == nil {
			b.lost.MMIOWrites.Add(1)
		} else {
			c.node.n.MMIOWrites.Add(1)
			if a := c.node.mmio.WriteMMIO(c.region, gpa-c.base, data[:n:n]); a != OK {
				c.node.n.Refused.Add(1)
				if result != OK {
					result = a
				}
			} else {
				result = OK
			}
		}
		data = data[n:]
		if gpa += uint64(n); gpa == 0 {
			break
		}
	}
	return result
}

// FastWriteMMIO is WriteMMIO of size bytes, 1, 2, 4 or 8, in W1, for a device that can
// take it there. ok false says that nothing has happened.
func (b *Bus) FastWriteMMIO(gpa uint64, size uint8, value uint64) (ok bool) {
	c, _ := b.mem.Load().find(gpa)
	if c == nil || c.node.bell == nil || c.last-gpa < uint64(size)-1 {
		return false
	}
	if !c.node.bell.FastWriteMMIO(c.region, gpa-c.base, size, value) {
		return false
	}
	c.node.n.MMIOWrites.Add(1)
	return true
}

// FastReadMMIO is ReadMMIO of size bytes, 1, 2, 4 or 8, in W1, for a device that can
// answer there. ok false says that nothing has happened.
func (b *Bus) FastReadMMIO(gpa uint64, size uint8) (value uint64, ok bool) {
	c, _ := b.mem.Load().find(gpa)
	if c == nil || c.node.peek == nil || c.last-gpa < uint64(size)-1 {
		return 0, false
	}
	if value, ok = c.node.peek.FastReadMMIO(c.region, gpa-c.base, size); ok {
		c.node.n.MMIOReads.Add(1)
	}
	return value, ok
}

// FastReadNobody is ReadMMIO where nobody answers any of the bytes, in W1: all ones. ok
// false says that somebody may.
func (b *Bus) FastReadNobody(gpa uint64, size uint8) (value uint64, ok bool) {
	c, next := b.mem.Load().find(gpa)
	if c != nil || next != 0 && next-gpa < uint64(size) {
		return 0, false
	}
	b.lost.MMIOReads.Add(1)
	return ^uint64(0), true
}
