package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Keeper holds the host's key and certificate. A host starts before it has an
// address, so the certificate is signed once more when the first routable address
// is there. Before that nobody can have seen it; after that it never changes.
type Keeper struct {
	key      *ecdsa.PrivateKey
	hostname string
	addrs    func() []netip.Addr
	now      func() time.Time

	mu    sync.Mutex
	cert  *tls.Certificate
	print string
	final bool
}

// NewKeeper makes a key and a certificate. addrs gives the host's addresses at the
// moment; it must not call the keeper.
func NewKeeper(hostname string, addrs func() []netip.Addr, now func() time.Time) (*Keeper, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cert: key: %w", err)
	}
	k := &Keeper{key: key, hostname: hostname, addrs: addrs, now: now}
	return k, k.sign(addrs())
}

// sign makes the certificate; the caller holds mu or is alone.
func (k *Keeper) sign(addrs []netip.Addr) error {
	c, err := sign(k.key, k.hostname, addrs, k.now())
	if err != nil {
		return err
	}
	k.cert, k.print = c, Fingerprint(c.Certificate[0])
	for _, a := range addrs {
		if a.IsValid() && !a.IsLinkLocalUnicast() && !a.IsLoopback() {
			k.final = true
		}
	}
	return nil
}

func (k *Keeper) get() (*tls.Certificate, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.final {
		for _, a := range k.addrs() {
			if a.IsValid() && !a.IsLinkLocalUnicast() && !a.IsLoopback() {
				k.sign(k.addrs()) // on an error the old one stays, and is good
				break
			}
		}
	}
	return k.cert, k.print
}

// Certificate is the certificate with its key.
func (k *Keeper) Certificate() *tls.Certificate {
	c, _ := k.get()
	return c
}

// Fingerprint is that of the certificate.
func (k *Keeper) Fingerprint() string {
	_, p := k.get()
	return p
}
