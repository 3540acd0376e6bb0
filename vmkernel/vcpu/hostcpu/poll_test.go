package hostcpu

import (
	"sync/atomic"
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

func TestPollKeepsToW1(t *testing.T) { w1test.Fast(t, (*Poll).Look, (*Poll).Slept) }

// TestPoll: sleeps that end soon make it look, for longer each time up to a bound; a
// long sleep or another thread makes it stop.
func TestPoll(t *testing.T) {
	var tsc uint64
	looks, busy := 0, false
	h := &Host{RDTSC: func() uint64 { tsc += 100; looks++; return tsc }, Contended: func() bool { return busy }}
	var p Poll
	var kicked atomic.Uint32
	sleep := func(ticks uint64) (looked uint64) {
		at := tsc
		if p.Look(h, &kicked, 0) {
			t.Fatal("a kick from nowhere")
		}
		looked = tsc - at
		tsc += ticks
		p.Slept(h)
		return looked
	}
	if n := sleep(1000); n > 200 {
		t.Errorf("it looked for %d ticks before anything paid", n)
	}
	last := uint64(0)
	for range 10 {
		n := sleep(100)
		if n > pollMost+200 {
			t.Errorf("it looked for %d ticks", n)
		}
		last = n
	}
	if last < pollLeast {
		t.Errorf("it looked for %d ticks only", last)
	}
	// A kick meanwhile ends it.
	at, plain := looks, h.RDTSC
	h.RDTSC = func() uint64 {
		tsc += 100
		if looks++; looks == at+5 {
			kicked.Store(1)
		}
		return tsc
	}
	if !p.Look(h, &kicked, 0) || looks > at+6 {
		t.Errorf("%d looks", looks-at)
	}
	kicked.Store(0)
	h.RDTSC = plain
	// So does the deadline.
	if at = looks; p.Look(h, &kicked, tsc+500) || looks > at+7 {
		t.Errorf("%d looks until the deadline", looks-at)
	}
	// Somebody waits for the processor.
	busy = true
	if n := sleep(100); n != 0 {
		t.Errorf("it looked for %d ticks", n)
	}
	busy = false
	sleep(100)
	sleep(100)
	if n := sleep(pollMost + 1); n < pollLeast {
		t.Errorf("it looked for %d ticks", n)
	}
	if n := sleep(100); n > 200 {
		t.Errorf("after a long sleep it looked for %d ticks", n)
	}
	// An unknown host.
	if p.Look(&Host{}, &kicked, 0) {
		t.Error("a kick from nowhere")
	}
	p.Slept(&Host{})
}
