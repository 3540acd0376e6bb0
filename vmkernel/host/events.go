package host

import (
	"context"
	"sync"
	"time"
)

// EventLogSize is the number of events that the log keeps.
const EventLogSize = 4096

// Severity ranks an event.
type Severity string

// The severities.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Event is something that happened and that a person may want to know.
type Event struct {
	Seq      uint64 // from 1, no holes
	Time     time.Time
	Severity Severity
	Kind     string // dotted, such as "vm.started", "login.failed", "file.stored"
	Object   string // the id or path it is about; may be empty
	User     string // who caused it; empty for the host itself
	Message  string // one line for a person
}

// EventLog is a bounded log of events with followers that wait on it. A follower
// that is slow loses the oldest events and sees that by the hole in Seq.
type EventLog struct {
	mu   sync.Mutex
	ring []Event
	next uint64 // Seq of the next event
	more chan struct{}
	now  func() time.Time
}

// NewEventLog returns an empty log. now is the clock; nil means time.Now.
func NewEventLog(now func() time.Time) *EventLog {
	if now == nil {
		now = time.Now
	}
	return &EventLog{next: 1, more: make(chan struct{}), now: now}
}

// Append stores e with the next Seq, and with the clock's time if it has none.
func (l *EventLog) Append(e Event) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	if e.Severity == "" {
		e.Severity = SeverityInfo
	}
	e.Seq = l.next
	l.next++
	if len(l.ring) < EventLogSize {
		l.ring = append(l.ring, e)
	} else {
		l.ring[(e.Seq-1)%EventLogSize] = e
	}
	close(l.more)
	l.more = make(chan struct{})
	return e.Seq
}

// After returns up to max events with Seq greater than seq, oldest first.
func (l *EventLog) After(seq uint64, max int) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.after(seq, max)
}

func (l *EventLog) after(seq uint64, max int) []Event {
	first := l.next - uint64(len(l.ring))
	from := seq + 1
	if from < first || from == 0 {
		from = first
	}
	var out []Event
	for s := from; s < l.next && len(out) < max; s++ {
		out = append(out, l.ring[(s-1)%EventLogSize])
	}
	return out
}

// Last is the Seq of the newest event, 0 when there is none.
func (l *EventLog) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}

// Wait is After that waits until there is at least one event, or ctx ends.
func (l *EventLog) Wait(ctx context.Context, seq uint64, max int) ([]Event, error) {
	for {
		l.mu.Lock()
		out, more := l.after(seq, max), l.more
		l.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
