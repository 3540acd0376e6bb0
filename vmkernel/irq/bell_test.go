package irq

import (
	"errors"
	"os"
	"testing"

	"basalt/vmkernel/linux"
	"basalt/vmkernel/vcpu/w1test"
)

// The run loop rings with a guest's extended state in the processor.
func TestRingIsFastAndWhole(t *testing.T) {
	w1test.Fast(t, (*Bell).RingFast)
	w1test.Whole(t, (*Bell).RingFast)
}

func ring0(t testing.TB) {
	if linux.CPUs() == 0 {
		t.Skip("needs the personality: make ktest PKG=./vmkernel/irq")
	}
}

func TestBellWakesAndRemembers(t *testing.T) {
	ring0(t)
	b, err := NewBell("test")
	if err != nil {
		t.Fatal(err)
	}
	b.Ring()
	b.Ring()
	if err := b.Wait(); err != nil { // both as one
		t.Fatal(err)
	}
	const rounds = 2000
	got, back := 0, make(chan struct{})
	done := make(chan error)
	go func() {
		for {
			if err := b.Wait(); err != nil {
				done <- err
				return
			}
			got++
			back <- struct{}{}
		}
	}()
	for range rounds {
		b.Ring()
		<-back
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) || got != rounds {
		t.Errorf("%v after %d of %d", err, got, rounds)
	}
}

func TestRingAllocatesNothing(t *testing.T) {
	ring0(t)
	b, err := NewBell("test")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if n := testing.AllocsPerRun(100, func() {
		b.Ring()
		_ = b.Wait()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
