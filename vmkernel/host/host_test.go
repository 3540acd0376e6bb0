package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

func TestConsoleReaders(t *testing.T) {
	c := NewConsole()
	c.Write([]byte("early "))
	all, _ := c.Attach(1 << 30)
	late, _ := c.Attach(0)
	three, _ := c.Attach(3)
	c.Write([]byte("late"))
	for _, tc := range []struct {
		r    *ConsoleReader
		want string
	}{{all, "early late"}, {late, "late"}, {three, "ly late"}} {
		p := make([]byte, 64)
		n, err := tc.r.Read(t.Context(), p)
		if err != nil || string(p[:n]) != tc.want {
			t.Errorf("read %q, %v; want %q", p[:n], err, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.Read(ctx, make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled read: %v", err)
	}
	all.Close()
	if _, err := all.Read(t.Context(), make([]byte, 1)); err != io.EOF {
		t.Errorf("closed reader: %v", err)
	}
	if got := c.Readers(); got != 2 {
		t.Errorf("%d readers, want 2", got)
	}
	c.Close()
	if _, err := late.Read(t.Context(), make([]byte, 1)); err != io.EOF {
		t.Errorf("closed console: %v", err)
	}
	if _, err := c.Attach(0); err != ErrClosed {
		t.Errorf("attach to closed: %v", err)
	}
}

func TestConsoleSlowReaderLosesOldest(t *testing.T) {
	c := NewConsole()
	r, _ := c.Attach(0)
	block := bytes.Repeat([]byte("x"), 1000)
	total := 0
	for total < 3*ConsoleLogSize {
		c.Write(block)
		total += len(block)
	}
	got := 0
	p := make([]byte, 4096)
	for got < ConsoleLogSize {
		n, err := r.Read(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if lost := r.Lost(); lost != uint64(total-ConsoleLogSize) || got != ConsoleLogSize {
		t.Errorf("lost %d read %d of %d", lost, got, total)
	}
	big := bytes.Repeat([]byte("0123456789"), ConsoleLogSize/10+100)
	c.Write(big)
	if !bytes.Equal(c.Log(), big[len(big)-ConsoleLogSize:]) {
		t.Error("log is not the tail of an oversized write")
	}
}

func TestConsoleBounds(t *testing.T) {
	c := NewConsole()
	for range MaxConsoleReaders {
		if _, err := c.Attach(0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Attach(0); err != ErrTooMany {
		t.Errorf("one reader too many: %v", err)
	}
	var calls int
	c.OnInput(func() { calls++ })
	if n := c.Send(make([]byte, 2*ConsoleInputSize)); n != ConsoleInputSize || calls != 1 {
		t.Errorf("took %d bytes, %d calls", n, calls)
	}
	done := make(chan error)
	go func() {
		_, err := c.SendAll(t.Context(), make([]byte, 3*ConsoleInputSize))
		done <- err
	}()
	p := make([]byte, 1000)
	for got := 0; got < 4*ConsoleInputSize; {
		got += c.Receive(p)
	}
	if err := <-done; err != nil || c.Pending() != 0 {
		t.Errorf("SendAll: %v, %d pending", err, c.Pending())
	}
}

func TestConsoleWriteDoesNotAllocate(t *testing.T) {
	c := NewConsole()
	c.Attach(0)
	p := []byte("x")
	if n := testing.AllocsPerRun(1000, func() { c.Write(p) }); n != 0 {
		t.Errorf("%v allocations per write", n)
	}
}

func TestEventLog(t *testing.T) {
	l := NewEventLog(func() time.Time { return time.Unix(1, 0) })
	for range EventLogSize + 10 {
		l.Append(Event{Kind: "k"})
	}
	ev := l.After(0, 2)
	if len(ev) != 2 || ev[0].Seq != 11 || ev[1].Seq != 12 || ev[0].Severity != SeverityInfo {
		t.Errorf("after 0: %+v", ev)
	}
	if ev := l.After(l.Last(), 10); len(ev) != 0 {
		t.Errorf("after last: %+v", ev)
	}
	if ev := l.After(^uint64(0), 1); len(ev) != 1 || ev[0].Seq != 11 {
		t.Errorf("after a wrapping number: %+v", ev)
	}
	got := make(chan Event)
	last := l.Last()
	go func() {
		ev, _ := l.Wait(t.Context(), last, 1)
		got <- ev[0]
	}()
	l.Append(Event{Kind: "new"})
	if e := <-got; e.Kind != "new" || e.Seq != last+1 {
		t.Errorf("waited for %+v", e)
	}
}
