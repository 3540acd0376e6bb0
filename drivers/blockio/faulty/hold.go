package faulty

import "slices"

// Hold keeps every later request that passes blockio.Check in flight, without
// carrying it out, until Release, ReleaseAll, PowerCut or Close.
func (d *Disk) Hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holding = true
}

// Held is the number of requests that are held.
func (d *Disk) Held() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.held)
}

// Release carries out and completes the i-th of the held requests, counted from
// the oldest at 0. It says whether there was one; it goes on holding.
func (d *Disk) Release(i int) bool {
	d.mu.Lock()
	if i < 0 || i >= len(d.held) {
		d.mu.Unlock()
		return false
	}
	r := d.held[i]
	d.held = slices.Delete(d.held, i, i+1)
	err := d.execute(r)
	d.mu.Unlock()
	r.Complete(err)
	d.gate.Leave(1)
	return true
}

// ReleaseAll stops holding and releases what is held, the oldest first.
func (d *Disk) ReleaseAll() {
	d.mu.Lock()
	d.holding = false
	d.mu.Unlock()
	for d.Release(0) {
	}
}
