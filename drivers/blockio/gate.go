package blockio

import "sync"

// Gate counts requests in flight and keeps the promise of Disk.Close for those
// who implement Disk. The zero value is open.
type Gate struct {
	mu     sync.Mutex
	idle   sync.Cond
	flying int
	err    error
}

// Enter counts n requests in, or gives the error with which to complete them
// instead.
func (g *Gate) Enter(n int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.flying += n
	}
	return g.err
}

// Leave counts n requests out, after their Done has returned.
func (g *Gate) Leave(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flying -= n; g.flying < 0 {
		panic("blockio: more requests completed than were submitted")
	}
	if g.flying == 0 {
		g.idle.Broadcast()
	}
}

// Refuse makes every later Enter return err, which is ErrClosed or ErrGone. What
// is closed stays closed.
func (g *Gate) Refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != ErrClosed {
		g.err = err
	}
}

// Wait returns when no request is in flight. Call Refuse first.
func (g *Gate) Wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.idle.L == nil {
		g.idle.L = &g.mu
	}
	for g.flying > 0 {
		g.idle.Wait()
	}
}
