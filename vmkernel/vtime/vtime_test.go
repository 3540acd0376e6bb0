package vtime

import (
	"math/rand"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

func TestManualRunsTimersInOrderAtTheirTimes(t *testing.T) {
	m := NewManual(0)
	var got []int64
	f := func() { got = append(got, m.Now()) }
	a, b, c := m.NewTimer(f), m.NewTimer(f), m.NewTimer(f)
	a.Arm(30)
	b.Arm(10)
	c.Arm(20)
	c.Stop()
	m.Advance(25)
	if want := []int64{10}; !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	b.Arm(28)
	m.Advance(25)
	if want := []int64{10, 28, 30}; !reflect.DeepEqual(got, want) || m.Armed() != 0 {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestQueueAgainstSort(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	m := NewManual(0)
	var q queue
	timers := make([]*timer, 50)
	for i := range timers {
		q.register()
		timers[i] = &timer{c: m, index: -1}
	}
	for range 5000 {
		x := timers[r.Intn(len(timers))]
		if r.Intn(3) == 0 {
			q.remove(x)
		} else {
			q.put(x, r.Int63n(1000))
		}
		for i, y := range q.heap {
			if y.index != i || (i > 0 && q.heap[(i-1)/2].at > y.at) {
				t.Fatal("the heap is not a heap")
			}
		}
	}
}

func TestClockStandsWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(5)
		defer c.Close()
		fired := 0
		x := c.NewTimer(func() { fired++ })
		x.Arm(int64(time.Second))
		time.Sleep(time.Hour)
		if c.Now() != 5 || fired != 0 {
			t.Fatal("time passed in a paused machine")
		}
		c.Resume()
		time.Sleep(500 * time.Millisecond)
		c.Pause()
		stood := c.Now()
		time.Sleep(time.Hour)
		if c.Now() != stood || fired != 0 {
			t.Fatal("time passed in a paused machine")
		}
		c.Resume()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if fired != 1 {
			t.Fatalf("fired %d times", fired)
		}
	})
}

func TestShortPeriodsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(0)
		defer c.Close()
		n := 0
		var rearm func()
		x := c.NewTimer(func() { n++; rearm() })
		rearm = func() { x.Arm(c.Now() + 1) }
		c.Resume()
		rearm()
		time.Sleep(time.Millisecond)
		c.Pause()
		synctest.Wait()
		if n < 2 || n > int(time.Millisecond/MinWake)+1 {
			t.Fatalf("%d wake-ups in a millisecond", n)
		}
	})
}

func TestArmDoesNotAllocate(t *testing.T) {
	c := New(0)
	defer c.Close()
	x := c.NewTimer(func() {})
	c.Resume()
	if n := testing.AllocsPerRun(100, func() { x.Arm(1 << 60); x.Stop() }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestPauseWaitsForACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(0)
		entered, leave := make(chan bool), make(chan bool)
		done := false
		x := c.NewTimer(func() { close(entered); <-leave; done = true })
		x.Arm(1)
		c.Resume()
		<-entered
		paused := make(chan bool)
		go func() { c.Pause(); close(paused) }()
		synctest.Wait()
		select {
		case <-paused:
			t.Fatal("Pause did not wait")
		default:
		}
		close(leave)
		<-paused
		if !done {
			t.Fatal("the callback had not ended")
		}
	})
}
