package mgmt_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"basalt/mgmt"
	"basalt/mgmt/auth"
	"basalt/mgmt/cert"
	"basalt/vmkernel/host/fakehost"
)

// BenchmarkNew is the agent's share of the kernel's start.
func BenchmarkNew(b *testing.B) {
	h := fakehost.New(fakehost.Options{})
	for b.Loop() {
		if _, err := mgmt.New(h, mgmt.Config{Password: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCertificate(b *testing.B) {
	for b.Loop() {
		cert.NewKeeper("h", func() []netip.Addr { return nil }, time.Now)
	}
}

func BenchmarkPasswordHash(b *testing.B) {
	for b.Loop() {
		auth.New(auth.Config{Password: "x"}).Settle()
	}
}

func BenchmarkHealthz(b *testing.B) {
	a, err := mgmt.New(fakehost.New(fakehost.Options{}), mgmt.Config{Password: "x"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
