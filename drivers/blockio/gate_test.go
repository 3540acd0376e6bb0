package blockio

import (
	"testing"
	"testing/synctest"
)

func TestGateWaitsForThoseInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		if err := g.Enter(2); err != nil {
			t.Fatal(err)
		}
		g.Refuse(ErrGone)
		if err := g.Enter(1); err != ErrGone {
			t.Errorf("after ErrGone: %v", err)
		}
		g.Refuse(ErrClosed)
		g.Refuse(ErrGone)
		if err := g.Enter(1); err != ErrClosed {
			t.Errorf("what was closed says %v", err)
		}
		passed := make(chan struct{}, 2)
		for range 2 {
			go func() { g.Wait(); passed <- struct{}{} }()
		}
		g.Leave(1)
		synctest.Wait()
		if len(passed) != 0 {
			t.Error("Wait returned with a request in flight")
		}
		g.Leave(1)
		<-passed
		<-passed
	})
}

func TestGateCountsCompletions(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second completion was not noticed")
		}
	}()
	var g Gate
	g.Leave(1)
}
