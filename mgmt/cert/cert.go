package cert

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"time"
)

// lifetime of a certificate. Who trusts it trusts the fingerprint; the term only
// has to outlast the host's uptime.
const lifetime = 10 * 365 * 24 * time.Hour

// sign makes a certificate for a key. It is valid from a day before now, because
// clocks differ.
func sign(key *ecdsa.PrivateKey, hostname string, addrs []netip.Addr, now time.Time) (*tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("cert: serial number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "basalt", Organization: []string{"Basalt"}},
		NotBefore:             now.Add(-24 * time.Hour).UTC(),
		NotAfter:              now.Add(lifetime).UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
	}
	if dnsName(hostname) {
		t.Subject.CommonName = hostname
		t.DNSNames = append(t.DNSNames, hostname)
	}
	for _, a := range append([]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, addrs...) {
		if !a.IsValid() {
			continue
		}
		t.IPAddresses = append(t.IPAddresses, net.IP(a.Unmap().AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("cert: sign: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// dnsName says whether s may stand in a certificate: one that may not is left out,
// because a host with an odd name has to be manageable too.
func dnsName(s string) bool {
	if s == "" || len(s) > 64 { // ub-common-name, RFC 5280 appendix A.1
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// Fingerprint is the SHA-256 of a certificate's DER form as browsers and openssl
// print it: upper-case hexadecimal pairs with colons.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", sum[:])), " ", ":")
}

// Config is the server side of TLS for a keeper's certificate: TLS 1.3 only,
// HTTP/2 and HTTP/1.1.
func Config(k *Keeper) *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.Certificate(), nil },
		MinVersion:     tls.VersionTLS13,
		NextProtos:     []string{"h2", "http/1.1"},
	}
}
