package nat

import "sync"

// guestID is who a quota belongs to: a MAC address; of port forwards, an IP address.
type guestID [6]byte

// quota bounds something, in all and for one guest.
type quota struct {
	mu      sync.Mutex
	max     int
	each    int
	used    int
	guests  map[guestID]int
	refused uint64
}

func newQuota(max, each int) *quota {
	return &quota{max: max, each: each, guests: map[guestID]int{}}
}

// take takes one; false if there is none left.
func (q *quota) take(g guestID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used >= q.max || q.guests[g] >= q.each {
		q.refused++
		return false
	}
	q.used++
	q.guests[g]++
	return true
}

// give gives one back.
func (q *quota) give(g guestID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used--
	if q.guests[g]--; q.guests[g] == 0 {
		delete(q.guests, g)
	}
}

func (q *quota) state() (used int, refused uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used, q.refused
}
