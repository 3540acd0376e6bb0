package task

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"basalt/vmkernel/host"
)

func TestOneAtATime(t *testing.T) {
	m := New(nil)
	gate := make(chan struct{})
	first, err := m.Run(Request{Kind: "vm.start", Object: "vm-1"}, func(context.Context) error { <-gate; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(Request{Kind: "vm.start", Object: "vm-1"}, nil); !errors.Is(err, host.ErrBusy) {
		t.Errorf("second job on the object: %v", err)
	}
	boom := errors.New("boom")
	other, err := m.Run(Request{Kind: "vm.start", Object: "vm-2"}, func(context.Context) error { return boom })
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(t.Context()); err != boom || other.Info().State != Failed {
		t.Errorf("other: %v %v", err, other.Info())
	}
	if first.Finished() {
		t.Error("finished early")
	}
	close(gate)
	if err := first.Wait(t.Context()); err != nil || first.Info().State != Done {
		t.Errorf("first: %v", err)
	}
	if _, err := m.Get("task-2"); err != nil {
		t.Error(err)
	}
	if _, err := m.Get("task-99"); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
}

func TestCancelAndClose(t *testing.T) {
	m := New(nil)
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	start, _ := m.Run(Request{Kind: "vm.start", Object: "a"}, hang)
	var after bool
	stop, err := m.Run(Request{Kind: "vm.stop", Object: "a", Cancel: true}, func(context.Context) error {
		after = start.Finished()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := stop.Wait(t.Context()); err != nil || !after {
		t.Errorf("stop: %v, ran after the start: %v", err, after)
	}
	if err := start.Wait(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("start: %v", err)
	}
	m.Run(Request{Kind: "x", Object: "b"}, hang)
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := m.Run(Request{Kind: "x", Object: "c"}, hang); !errors.Is(err, host.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// TestGivesUpWaiting: a job that cancels another one and cannot wait for its end
// leaves the object to that one.
func TestGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(nil)
		gate := make(chan struct{})
		start, err := m.Run(Request{Kind: "vm.start", Object: "a"}, func(context.Context) error { <-gate; return nil })
		if err != nil {
			t.Fatal(err)
		}
		stop, err := m.Run(Request{Kind: "vm.stop", Object: "a", Cancel: true}, func(context.Context) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := stop.Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v", err)
		}
		if _, err := m.Run(Request{Kind: "vm.start", Object: "a"}, nil); !errors.Is(err, host.ErrBusy) {
			t.Errorf("a second start beside the first: %v", err)
		}
		close(gate)
		if err := start.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		again, err := m.Run(Request{Kind: "vm.start", Object: "a"}, func(context.Context) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		m.Close(t.Context())
	})
}

func TestHistoryIsBounded(t *testing.T) {
	m := New(nil)
	for range 3 * history {
		tk, err := m.Run(Request{Kind: "x", Object: "o"}, func(context.Context) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		tk.Wait(t.Context())
	}
	if n := len(m.List()); n != history {
		t.Errorf("%d tasks kept", n)
	}
}

func TestCancelByHand(t *testing.T) {
	m := New(nil)
	began := make(chan struct{})
	tk, err := m.Run(Request{Kind: "vm.suspend", Object: "a"}, func(ctx context.Context) error {
		Progress(ctx, 3, 7)
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	<-began
	if i := tk.Info(); i.DoneBytes != 3 || i.TotalBytes != 7 {
		t.Errorf("%+v", i)
	}
	if err := m.Cancel("task-99"); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	if err := m.Cancel(tk.Info().ID); err != nil {
		t.Error(err)
	}
	if err := tk.Wait(t.Context()); !errors.Is(err, context.Canceled) || tk.Info().State != Failed {
		t.Errorf("%v", err)
	}
	if err := m.Cancel(tk.Info().ID); !errors.Is(err, host.ErrState) {
		t.Errorf("a finished task: %v", err)
	}
	Progress(context.Background(), 1, 2) // of no task: nothing
}
