package main

import "testing"

func TestLeaked(t *testing.T) {
	was := holding{own: 100 << 20, files: []string{"a", "b"}, vms: 1, ports: 3, forwards: 1, goroutines: 50}
	for name, x := range map[string]struct {
		change func(*holding)
		leak   bool
	}{
		"same":              {func(*holding) {}, false},
		"a lease":           {func(h *holding) { h.leases++ }, false},
		"a little memory":   {func(h *holding) { h.own += slackBytes }, false},
		"memory":            {func(h *holding) { h.own += slackBytes + 1 }, true},
		"a little heap":     {func(h *holding) { h.heap += slackHeap }, false},
		"heap":              {func(h *holding) { h.heap += slackHeap + 1 }, true},
		"a file":            {func(h *holding) { h.files = []string{"a", "b", "c"} }, true},
		"another file":      {func(h *holding) { h.files = []string{"a", "c"} }, true},
		"a machine":         {func(h *holding) { h.vms++ }, true},
		"a port":            {func(h *holding) { h.ports++ }, true},
		"a forward is gone": {func(h *holding) { h.forwards-- }, true},
		"goroutines":        {func(h *holding) { h.goroutines += slackGoroutines + 1 }, true},
	} {
		now := was
		x.change(&now)
		if err := now.leaked(was); (err != nil) != x.leak {
			t.Errorf("%s: %v", name, err)
		}
	}
}
