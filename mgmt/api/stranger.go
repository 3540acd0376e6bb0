package api

import (
	"container/list"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// strangers are the requests without a login, until their answers are out. A client
// that takes no answers (HTTP/2 lets it say so) or that sends no body would otherwise
// keep a header of 16 KiB and a goroutine for each stream, thousands on its
// connections, on a host that has a few dozen MiB for all of this. Beyond the bound the
// oldest is dropped for the newest, which may be somebody who wants to log in.
type strangers struct {
	max     int
	refused prometheus.Counter

	mu  sync.Mutex
	all list.List // of *stranger, oldest first
}

// stranger is one of them. strangers.mu guards it.
type stranger struct {
	rc       *http.ResponseController
	e        *list.Element // nil while it is not in the list
	answered bool          // the handler has done its part
	dropped  bool
}

var past = time.Unix(1, 0)

// enter counts a request until done. The request that it gives is for checking.
func (s *strangers) enter(w *recorder, r *http.Request, rc *http.ResponseController, start time.Time) (_ *http.Request, done func()) {
	rc.SetWriteDeadline(start.Add(strangerTimeout))
	g := &stranger{rc: rc}
	s.add(g)
	return r.WithContext(context.WithValue(r.Context(), keyStranger, g)), func() {
		s.mu.Lock()
		g.answered = true
		if g.dropped {
			rc.SetWriteDeadline(past)
		}
		s.mu.Unlock()
		if w.status != 0 && r.ProtoMajor >= 2 {
			r.Body.Close() // or up to a MiB of it would be kept meanwhile
			rc.Flush()     // HTTP/2 would wait for the client after the handler's end
		}
		s.remove(g)
	}
}

// checking takes a request off the list until done, while its login is checked. Package
// auth has its own bound on these, and none of them waits for its client.
func (s *strangers) checking(ctx context.Context) (done func()) {
	g, ok := ctx.Value(keyStranger).(*stranger)
	if !ok {
		return func() {}
	}
	s.remove(g)
	return func() { s.add(g) }
}

func (s *strangers) add(g *stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all.Len() >= s.max {
		s.drop(s.all.Front().Value.(*stranger))
	}
	g.e, g.dropped = s.all.PushBack(g), false
}

func (s *strangers) remove(g *stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.e != nil {
		s.all.Remove(g.e)
		g.e = nil
	}
}

// drop ends a request's waits for its client: for more of the body, and for taking the
// answer. mu is held, so that the request is not over yet.
func (s *strangers) drop(g *stranger) {
	s.all.Remove(g.e)
	g.e, g.dropped = nil, true
	s.refused.Inc()
	g.rc.SetReadDeadline(past)
	if g.answered {
		g.rc.SetWriteDeadline(past)
	}
}
