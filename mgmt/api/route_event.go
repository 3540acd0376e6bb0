package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

func (s *Server) eventRoutes(rt *router) {
	rt.plain(huma.Operation{OperationID: "list-events", Method: http.MethodGet, Path: prefix + "/events", Tags: []string{"events"},
		Summary:     "Events as JSON lines, oldest first; with follow the stream stays open",
		Description: "The host keeps the last 4096 events. seq has no holes: a hole means that a follower was too slow.",
		Parameters: []*huma.Param{query("follow", "boolean", "Keep the stream open and send new events as they happen."),
			query("after", "integer", "Only events with a greater seq."), query("tail", "integer", "Begin with the last so many events.")},
		Responses: map[string]*huma.Response{"200": content("application/jsonl", "One Event a line")}}, "", s.events)
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	log := s.Host.Events()
	q := r.URL.Query()
	var follow bool
	var after uint64
	var err error
	bad := func(what string) {
		fail(w, r, newProblem(http.StatusUnprocessableEntity, what))
	}
	if v := q.Get("follow"); v != "" {
		if follow, err = strconv.ParseBool(v); err != nil {
			bad("follow is true or false")
			return
		}
	}
	if v := q.Get("after"); v != "" {
		if after, err = strconv.ParseUint(v, 10, 63); err != nil {
			bad("after is the seq of an event")
			return
		}
	}
	if v := q.Get("tail"); v != "" {
		n, err := strconv.ParseUint(v, 10, 63)
		if err != nil {
			bad("tail is a number of events")
			return
		}
		if last := log.Last(); last > n {
			after = max(after, last-n)
		}
	}
	if follow {
		select {
		case s.followers <- struct{}{}:
			defer func() { <-s.followers }()
		default:
			fail(w, r, newProblem(http.StatusServiceUnavailable, "too many event streams are open"))
			return
		}
	}
	w.Header().Set("Content-Type", "application/jsonl")
	pw := progressWriter(w)
	rc := http.NewResponseController(w)
	enc := json.NewEncoder(pw)
	write := func(batch []host.Event) bool {
		for _, e := range batch {
			if enc.Encode(wireEvent(e)) != nil {
				return false
			}
			after = e.Seq
		}
		return true
	}
	for {
		batch := log.After(after, 256)
		if len(batch) == 0 {
			break
		}
		if !write(batch) {
			return
		}
	}
	for follow {
		rc.SetWriteDeadline(time.Now().Add(progressTimeout))
		if rc.Flush() != nil {
			return
		}
		batch, err := log.Wait(r.Context(), after, 256)
		if err != nil || !write(batch) {
			return
		}
	}
}

func wireEvent(e host.Event) wire.Event {
	return wire.Event{Seq: e.Seq, Time: e.Time.UTC(), Severity: string(e.Severity), Kind: e.Kind, Object: e.Object, User: e.User, Message: e.Message}
}
