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
	var addrs []netip.Addr
	k, err := NewKeeper("host1.example", func() []netip.Addr { return addrs }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	early := k.Fingerprint()
	addrs = []netip.Addr{netip.MustParseAddr("fe80::1")}
	if k.Fingerprint() != early {
		t.Error("a link-local address changed the certificate")
	}
	addrs = append(addrs, netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7"))
	c := k.Certificate()
	addrs = append(addrs, netip.MustParseAddr("192.0.2.8"))
	if k.Fingerprint() == early || k.Fingerprint() != Fingerprint(c.Certificate[0]) || k.Certificate() != c {
		t.Error("the certificate does not settle with the first address")
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
		addrs := func() []netip.Addr { return []netip.Addr{{}, netip.MustParseAddr("fe80::1%eth0")} }
		if _, err := NewKeeper(name, addrs, time.Now); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
