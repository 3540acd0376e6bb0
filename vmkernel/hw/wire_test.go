package hw

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// testPin is an input that several devices hold high.
type testPin struct {
	mu     sync.Mutex
	moved  sync.Cond
	level  int // devices that assert it
	open   bool
	fired  bool
	closed bool
	count  int
}

func newTestPin() *testPin {
	p := new(testPin)
	p.moved.L = &p.mu
	return p
}

func (p *testPin) look() {
	if p.open && p.level > 0 {
		p.open, p.fired = false, true
		p.count++
		p.moved.Broadcast()
	}
}

func (p *testPin) change(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.level += by
	p.look()
}

func (p *testPin) Wait() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.fired && !p.closed {
		p.moved.Wait()
	}
	p.fired = false
	if p.closed {
		return errors.New("closed")
	}
	return nil
}

func (p *testPin) Unmask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = true
	p.look()
}

func (p *testPin) Mask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
}

func (p *testPin) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.moved.Broadcast()
	return nil
}

// device serves its interrupt as drivers do: silence, then enable.
func device(p *testPin, s *sharer, raised, served chan int) {
	s.Enable()
	for s.Wait() == nil {
		select {
		case n := <-raised:
			p.change(-1)
			served <- n
		default: // it was another sharer's
		}
		s.Enable()
	}
	close(served)
}

func TestWireShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPin()
		w := newWire(p)
		a, b := w.share(), w.share()
		var raised, served [2]chan int
		for i, s := range []*sharer{a, b} {
			raised[i], served[i] = make(chan int, 1), make(chan int, 1)
			go device(p, s, raised[i], served[i])
		}
		for n := range 100 {
			for i := range 2 {
				raised[i] <- n
				p.change(1)
			}
			for i := range 2 {
				if got := <-served[i]; got != n {
					t.Fatalf("device %d served %d, not %d", i, got, n)
				}
			}
		}
		// One goes away while it still asserts; the other must keep working as
		// soon as the line is free again.
		b.Close()
		b.Close()
		<-served[1]
		raised[0] <- 7
		p.change(1)
		if got := <-served[0]; got != 7 {
			t.Fatal(got)
		}
		a.Close()
		synctest.Wait()
		p.change(1)
		synctest.Wait()
		if p.open {
			t.Error("nobody listens and the line is open")
		}
		if err := a.Wait(); !errors.Is(err, errWireClosed) {
			t.Errorf("Wait after Close: %v", err)
		}
		p.Close()
	})
}

// TestWireBusySharerLeaves closes a device between its interrupt and its Enable:
// the line must not stay masked for the other.
func TestWireBusySharerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPin()
		w := newWire(p)
		a, b := w.share(), w.share()
		a.Enable()
		b.Enable()
		p.change(1)
		if a.Wait() != nil || b.Wait() != nil {
			t.Fatal("not woken")
		}
		p.change(-1)
		a.Enable()
		b.Close()
		p.change(1)
		if err := a.Wait(); err != nil {
			t.Fatal(err)
		}
		p.Close()
	})
}

func TestWireStaysMaskedUntilEnabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPin()
		s := newWire(p).share()
		p.change(1)
		synctest.Wait()
		if p.count != 0 {
			t.Fatal("interrupt before Enable")
		}
		s.Enable()
		if err := s.Wait(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if p.count != 1 {
			t.Fatalf("%d interrupts while the device asserts and nobody served it", p.count)
		}
		s.Close()
		p.Close()
	})
}
