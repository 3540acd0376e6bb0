package faulty

import "basalt/drivers/blockio"

// Rule makes requests fail.
type Rule struct {
	// Match selects requests that passed blockio.Check; nil selects all. It is
	// called with the disk locked and must not use it.
	Match func(r *blockio.Request) bool
	// Skip is the number of selected requests that work first.
	Skip int
	// Count is the number that then fail; 0 for all.
	Count int
	// Err is what they complete with, blockio.ErrIO if nil.
	Err error
	// After carries the request out and reports the failure nevertheless. Without
	// it the request has no effect.
	After bool
}

// Only selects the requests with operation op.
func Only(op blockio.Op) func(*blockio.Request) bool {
	return func(r *blockio.Request) bool { return r.Op == op }
}

// Touching selects the requests with a range that has a byte in common with
// length bytes at offset.
func Touching(offset, length int64) func(*blockio.Request) bool {
	return func(r *blockio.Request) bool {
		return r.Length > 0 && r.Offset < offset+length && offset < r.Offset+r.Length
	}
}

// Inject adds a rule. Of several rules that select a request the first one added
// decides; a rule that still skips or is used up does not select.
func (d *Disk) Inject(rule Rule) {
	if rule.Err == nil {
		rule.Err = blockio.ErrIO
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = append(d.rules, &rule)
}

// Heal removes all rules.
func (d *Disk) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = nil
}

// match gives the rule by which the request fails, or nil.
func (d *Disk) match(r *blockio.Request) *Rule {
	for i, rule := range d.rules {
		if rule.Match != nil && !rule.Match(r) {
			continue
		}
		if rule.Skip > 0 {
			rule.Skip--
			continue
		}
		if rule.Count > 0 {
			if rule.Count--; rule.Count == 0 {
				d.rules = append(d.rules[:i:i], d.rules[i+1:]...)
			}
		}
		return rule
	}
	return nil
}
