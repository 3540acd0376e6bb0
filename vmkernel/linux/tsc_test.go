package linux

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// fakePeer is two counters on one time line; skewed is how far the other is ahead.
type fakePeer struct {
	rnd        *rand.Rand
	time       uint64
	skewed     int64
	slow       int   // exchanges take up to so many ticks
	drift      int64 // ahead by so much more after each exchange
	adjustable bool
	misses     int64 // an adjustment is off by this
	silentAt   int   // this exchange is not answered; 0: all are
	exchanges  int
	adjusted   int
}

func (p *fakePeer) exchange() (t0, ta, t1 uint64, ok bool) {
	p.exchanges++
	if p.exchanges == p.silentAt {
		return 0, 0, 0, false
	}
	p.time += uint64(p.rnd.IntN(1000))
	t0 = p.time
	p.time += uint64(1 + p.rnd.IntN(p.slow))
	ta = p.time + uint64(p.skewed)
	p.time += uint64(1 + p.rnd.IntN(p.slow))
	p.skewed += p.drift
	return t0, ta, p.time, true
}

func (p *fakePeer) adjust(by int64) bool {
	if p.adjustable {
		p.skewed += by + p.misses
		p.misses /= 1000
		p.adjusted++
	}
	return p.adjustable
}

func TestBringInStep(t *testing.T) {
	const budget = 1 << 40
	for _, c := range []struct {
		name     string
		peer     fakePeer
		want     TSCState
		adjusted int // at least; a tighter measurement may find a rest
	}{
		{"in step", fakePeer{slow: 200}, TSCInStep, 0},
		{"less apart than can be seen", fakePeer{slow: 100_000, skewed: 3}, TSCInStep, 0},
		{"ahead", fakePeer{slow: 200, skewed: 5000, adjustable: true}, TSCCorrected, 1},
		{"behind", fakePeer{slow: 200, skewed: -5000, adjustable: true}, TSCCorrected, 1},
		{"began at zero", fakePeer{slow: 200, skewed: -1 << 50, time: 1 << 51, adjustable: true}, TSCCorrected, 1},
		{"at the second try", fakePeer{slow: 200, skewed: 1 << 30, misses: 900, adjustable: true}, TSCCorrected, 2},
		{"ahead for good", fakePeer{slow: 200, skewed: 5000}, TSCOffset, 0},
		{"behind for good", fakePeer{slow: 200, skewed: -5000}, TSCOffset, 0},
		{"the adjustment does nothing", fakePeer{slow: 200, skewed: 5000, adjustable: true, misses: 1 << 60}, TSCOffset, tscAttempts},
		{"drifts", fakePeer{slow: 20, drift: 1000}, TSCUnsteady, 0},
		{"silent", fakePeer{slow: 20, silentAt: 1}, TSCSilent, 0},
		{"silent after a while", fakePeer{slow: 20, silentAt: 30}, TSCSilent, 0},
	} {
		for seed := range uint64(20) {
			p := c.peer
			p.rnd = rand.New(rand.NewPCG(seed, 7))
			before := p.skewed
			found, state, offset := bringInStep(&p, budget)
			if state != c.want || p.adjusted < c.adjusted || c.adjusted == 0 && p.adjusted != 0 {
				t.Fatalf("%s: %v after %d adjustments, want %v after at least %d", c.name, state, p.adjusted, c.want, c.adjusted)
			}
			if state == TSCSilent || state == TSCUnsteady {
				continue
			}
			if before < found.low || before > found.high {
				t.Fatalf("%s: %d is not in [%d, %d]", c.name, before, found.low, found.high)
			}
			if left := p.skewed - offset; left > int64(2*p.slow) || left < -int64(2*p.slow) {
				t.Fatalf("%s: %d ticks are left", c.name, left)
			}
		}
	}
}

func TestMeasureIsBounded(t *testing.T) {
	for _, c := range []struct {
		budget uint64
		want   int
	}{{1 << 40, tscExchanges}, {0, tscEnough}} {
		p := fakePeer{rnd: rand.New(rand.NewPCG(1, 1)), slow: 100}
		if s := measureTSC(&p, c.budget); s.n != c.want || p.exchanges != c.want {
			t.Errorf("budget %d: %d exchanges, %d counted", c.budget, p.exchanges, s.n)
		}
	}
}

func TestNotBefore(t *testing.T) {
	var last uint64
	for _, c := range []struct{ ns, want uint64 }{{5, 5}, {3, 5}, {5, 5}, {9, 9}, {0, 9}} {
		if got := notBefore(&last, c.ns); got != c.want {
			t.Errorf("%d: %d, want %d", c.ns, got, c.want)
		}
	}
}

// TestGuardedClock runs in ring 0 only: with counters that are said to be apart the
// clock of all threads together never goes back, in Go and in vdsoClock.
func TestGuardedClock(t *testing.T) {
	if CPUs() == 0 {
		t.Skip("not the kernel: make ktest PKG=./vmkernel/linux")
	}
	before := time.Now()
	for n := 1; n < CPUs(); n++ {
		cpuAt(sched.cpus[n]).tscOffset = uint64(n) * 1_000_000
	}
	clockGuarded = 1
	defer func() {
		clockGuarded = 0
		for n := 1; n < CPUs(); n++ {
			cpuAt(sched.cpus[n]).tscOffset = 0
		}
	}()
	var mu sync.Mutex
	var latest time.Time
	var latestUp int64
	var wg sync.WaitGroup
	for range 4 * CPUs() {
		wg.Go(func() {
			for range 2000 {
				mu.Lock()
				now, up := time.Now(), Uptime()
				if now.Before(latest) || up < latestUp {
					t.Errorf("the clock goes back: %v, %v ns", now.Sub(latest), up-latestUp)
				}
				latest, latestUp = now, up
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if latest.Sub(before) <= 0 || latest.Sub(before) > time.Hour {
		t.Errorf("the clock went %v", latest.Sub(before))
	}
}
