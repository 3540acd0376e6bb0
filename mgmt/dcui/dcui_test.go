package dcui

import (
	"context"
	"testing"
)

func TestSource(t *testing.T) {
	var s Source
	if _, v := s.Get(); v != 0 {
		t.Error("version before the first status")
	}
	got := make(chan Status)
	go func() {
		st, v, _ := s.Next(t.Context(), 0)
		got <- st
		st, _, _ = s.Next(t.Context(), v)
		got <- st
	}()
	s.Set(Status{State: "starting", URLs: []string{"a"}})
	if st := <-got; st.State != "starting" {
		t.Errorf("first %+v", st)
	}
	s.Set(Status{State: "starting", URLs: []string{"a"}})
	s.Set(Status{State: "ready"})
	if st := <-got; st.State != "ready" {
		t.Errorf("second %+v", st)
	}
	if _, v := s.Get(); v != 2 {
		t.Errorf("version %d: an equal status counts", v)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Next(ctx, 2); err == nil {
		t.Error("no error after cancel")
	}
}
