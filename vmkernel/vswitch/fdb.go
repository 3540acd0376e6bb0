package vswitch

import (
	"math/bits"
	"sync"
	"time"
)

// ways is the number of entries that an address can be in.
const ways = 8

// fdb is the filtering database (802.1Q 8.8): a set-associative table of fixed
// size. An entry counts as absent when it is older than age.
type fdb struct {
	mu    sync.Mutex
	seed  uint64
	sets  [][ways]fdbEntry // a power of two of them
	age   int64            // nanoseconds
	quota int              // entries of one port
	stats FDBStats
}

type fdbEntry struct {
	key  uint64 // VLAN and address; 0 is free
	port *Port
	seen int64 // nanoseconds since the switch was made
}

// FDBStats count since the switch was made.
type FDBStats struct {
	Learned  uint64 // new entries
	Moved    uint64 // an address seen at another port than before
	Replaced uint64 // entries given up for another of the same port
	Refused  uint64 // addresses not learned for want of room or quota
	Entries  int    // in the table now, expired ones included
}

func (t *fdb) init(entries, quota int, age time.Duration, seed uint64) {
	sets := 1
	for sets*ways < entries {
		sets *= 2
	}
	t.sets = make([][ways]fdbEntry, sets)
	t.quota, t.age, t.seed = quota, int64(age), seed|1
}

// set is where a key lives. Multiplying by a random odd number and taking the
// middle of the product hides from a guest which addresses share a set.
func (t *fdb) set(key uint64) *[ways]fdbEntry {
	hi, lo := bits.Mul64(key^t.seed, t.seed)
	hi, lo = bits.Mul64(hi^lo, t.seed)
	return &t.sets[(hi^lo)&uint64(len(t.sets)-1)]
}

// lookup gives the port of a key, nil if it is not known. The caller holds mu.
func (t *fdb) lookup(key uint64, now int64) *Port {
	s := t.set(key)
	for i := range s {
		if s[i].key == key {
			if now-s[i].seen > t.age {
				return nil
			}
			return s[i].port
		}
	}
	return nil
}

// learn notes that key was seen at p. The caller holds mu.
func (t *fdb) learn(key uint64, p *Port, now int64) {
	s := t.set(key)
	var free, stale, own *fdbEntry
	for i := range s {
		e := &s[i]
		switch {
		case e.key == key && e.port == p:
			e.seen = now
			return
		case e.key == key:
			if p.learned >= t.quota {
				t.stats.Refused++
				return
			}
			if now-e.seen <= t.age {
				t.stats.Moved++
			}
			e.port.learned--
			p.learned++
			e.port, e.seen = p, now
			return
		case e.key == 0:
			free = e
		case now-e.seen > t.age && (stale == nil || e.seen < stale.seen):
			stale = e
		case e.port == p && (own == nil || e.seen < own.seen):
			own = e
		}
	}
	e := free
	if e == nil {
		e = stale
	}
	// Over its quota a port may only give up an entry of its own.
	if e == nil || p.learned >= t.quota && e.port != p {
		e = own
		if e != nil {
			t.stats.Replaced++
		}
	}
	if e == nil {
		t.stats.Refused++
		return
	}
	if e.key == 0 {
		t.stats.Entries++
	} else {
		e.port.learned--
	}
	p.learned++
	t.stats.Learned++
	*e = fdbEntry{key, p, now}
}

// forget removes the entries for which drop says so.
func (t *fdb) forget(drop func(e *fdbEntry) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.sets {
		for j := range t.sets[i] {
			if e := &t.sets[i][j]; e.key != 0 && drop(e) {
				e.port.learned--
				t.stats.Entries--
				*e = fdbEntry{}
			}
		}
	}
}
