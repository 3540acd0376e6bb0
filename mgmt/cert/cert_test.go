package cert

import (
	"crypto/x509"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSelfSigned(t *testing.T) {
	now := time.Now()
	c, err := SelfSigned("host1.example", []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	for _, name := range []string{"host1.example", "192.0.2.7", "2001:db8::7", "127.0.0.1", "::1", "localhost"} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "192.0.2.8", Roots: pool}); err == nil {
		t.Error("valid for a foreign address")
	}
	fp := Fingerprint(c.Certificate[0])
	if !regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(fp) {
		t.Errorf("fingerprint %q", fp)
	}
}

func TestOddNames(t *testing.T) {
	for _, name := range []string{"", "höst", "a b", strings.Repeat("x", 300), "*", "a\x00b"} {
		if _, err := SelfSigned(name, []netip.Addr{{}, netip.MustParseAddr("fe80::1%eth0")}, time.Now()); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
