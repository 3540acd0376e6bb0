package client

import "testing"

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
