package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"basalt/mgmt/cert"
)

// TestActWaitsForItsTask: an action that takes long is not done when the host answers
// 202.
func TestActWaitsForItsTask(t *testing.T) {
	asked := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/vms/{id}/actions/start", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/api/v1/tasks/task-"+r.PathValue("id"))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"name":"web","state":"starting"}`)
	})
	mux.HandleFunc("GET /api/v1/tasks/{id}", func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch {
		case asked%2 == 1:
			fmt.Fprint(w, `{"state":"running"}`)
		case r.PathValue("id") == "task-bad":
			fmt.Fprint(w, `{"state":"failed","error":"the kernel is torn"}`)
		default:
			fmt.Fprint(w, `{"state":"done"}`)
		}
	})
	mux.HandleFunc("GET /api/v1/vms/good", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"name":"web","state":"running"}`) })
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	c, err := New(Options{Address: strings.TrimPrefix(srv.URL, "https://"), Fingerprint: cert.Fingerprint(srv.Certificate().Raw)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if vm, err := c.Act(t.Context(), "good", "start"); err != nil || vm.State != "running" || asked != 2 {
		t.Errorf("%+v, %v after %d questions", vm, err, asked)
	}
	if _, err := c.Act(t.Context(), "bad", "start"); err == nil || err.Error() != "the kernel is torn" {
		t.Errorf("a start that failed: %v", err)
	}
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"host": "host:443", "host:8443": "host:8443", "https://host/": "host:443", "https://h:1": "h:1",
		"192.0.2.1": "192.0.2.1:443", "2001:db8::1": "[2001:db8::1]:443", "[2001:db8::1]": "[2001:db8::1]:443", "[2001:db8::1]:8443": "[2001:db8::1]:8443",
		"": "", "https://": "", "h/x": "", "u@h": "", ":443": "", "http://h": "",
	} {
		got, err := ParseAddress(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add("sha256:00")
	f.Add("AA:BB")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := NormalFingerprint(s)
		if err != nil {
			return
		}
		if again, err := NormalFingerprint(n); err != nil || again != n || len(n) != 95 {
			t.Errorf("%q -> %q -> %q, %v", s, n, again, err)
		}
	})
}
