package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"basalt/vmkernel/host"
)

// Bounds on tokens.
const (
	MaxTokens  = 1024
	DefaultTTL = 12 * time.Hour
	MaxTTL     = 30 * 24 * time.Hour
)

// tokenPrefix makes a leaked token recognisable to scanners.
const tokenPrefix = "bslt_"

// Token describes an issued token without its secret.
type Token struct {
	ID      string
	User    string
	From    netip.Addr
	Created time.Time
	Expires time.Time

	valid  context.Context // ends when the token is revoked or dropped
	revoke context.CancelFunc
}

type tokens struct {
	mu    sync.Mutex
	byMAC map[[32]byte]Token
}

func (t *tokens) init() { t.byMAC = map[[32]byte]Token{} }

// Issue makes a token for a user who has just logged in. ttl is cut to MaxTTL; 0
// means DefaultTTL. When the table is full, the token that expires first goes.
func (a *Authority) Issue(user string, from netip.Addr, ttl time.Duration) (secret string, tok Token) {
	if ttl <= 0 {
		ttl = DefaultTTL
	}
	raw := make([]byte, 32+8)
	rand.Read(raw)
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:32])
	now := a.now()
	valid, revoke := context.WithCancel(context.Background())
	tok = Token{valid: valid, revoke: revoke, ID: "tok-" + hex.EncodeToString(raw[32:]), User: user, From: from, Created: now, Expires: now.Add(min(ttl, MaxTTL))}
	t := &a.tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	if len(t.byMAC) >= MaxTokens {
		var first [32]byte
		var when time.Time
		for m, o := range t.byMAC {
			if when.IsZero() || o.Expires.Before(when) {
				first, when = m, o.Expires
			}
		}
		t.drop(first)
	}
	t.byMAC[sha256.Sum256([]byte(secret))] = tok
	return secret, tok
}

func (t *tokens) sweep(now time.Time) {
	for m, o := range t.byMAC {
		if !now.Before(o.Expires) {
			t.drop(m)
		}
	}
}

func (t *tokens) drop(m [32]byte) {
	t.byMAC[m].revoke()
	delete(t.byMAC, m)
}

// While gives a context that ends with ctx, with the token's term, and when the token
// is revoked: a stream must not outlive what it was opened with. Call cancel when done.
func (a *Authority) While(ctx context.Context, tok Token) (_ context.Context, cancel context.CancelFunc) {
	ctx, end := context.WithTimeout(ctx, tok.Expires.Sub(a.now()))
	stop := context.AfterFunc(tok.valid, end)
	return ctx, func() {
		stop()
		end()
	}
}

// Bearer checks a token. The look-up is by the token's SHA-256, so its time says
// nothing about the secret. A wrong token counts as a failed login but does not
// delay others: it cannot be guessed.
func (a *Authority) Bearer(secret string, from netip.Addr) (Token, error) {
	t := &a.tokens
	sum := sha256.Sum256([]byte(secret))
	now := a.now()
	t.mu.Lock()
	tok, ok := t.byMAC[sum]
	t.mu.Unlock()
	if !ok || !now.Before(tok.Expires) || !strings.HasPrefix(secret, tokenPrefix) {
		a.failed.Add(1)
		return Token{}, ErrDenied
	}
	return tok, nil
}

// Revoke makes the token with this id invalid. Errors: host.ErrNotFound.
func (a *Authority) Revoke(id string) error {
	t := &a.tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	for m, o := range t.byMAC {
		if o.ID == id {
			t.drop(m)
			return nil
		}
	}
	return fmt.Errorf("token %q: %w", id, host.ErrNotFound)
}

// Tokens lists the valid tokens, oldest first.
func (a *Authority) Tokens() []Token {
	t := &a.tokens
	now := a.now()
	t.mu.Lock()
	t.sweep(now)
	out := make([]Token, 0, len(t.byMAC))
	for _, o := range t.byMAC {
		out = append(out, o)
	}
	t.mu.Unlock()
	slices.SortFunc(out, func(x, y Token) int {
		if c := x.Created.Compare(y.Created); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return out
}
