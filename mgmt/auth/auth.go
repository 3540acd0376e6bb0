package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// User is the only user.
const User = "root"

// Bounds on hashing.
const (
	hashCost    = 10 // bcrypt: 2^10 rounds
	hashAtOnce  = 2
	hashWaiting = 16
)

// The sentinels.
var (
	// ErrDenied: wrong user, password or token. It never says which.
	ErrDenied = errors.New("wrong user name, password or token")
	// ErrBusy: too many logins are being checked.
	ErrBusy = errors.New("too many logins at the same time")
)

// WaitError: this address failed too often and has to wait.
type WaitError struct{ For time.Duration }

// Error says how long.
func (e *WaitError) Error() string {
	return fmt.Sprintf("too many failed logins from this address: wait %d seconds", e.Seconds())
}

// Seconds is the wait, rounded up.
func (e *WaitError) Seconds() int { return int((e.For + time.Second - 1) / time.Second) }

// Config is what New needs.
type Config struct {
	Password string           // empty: a random one is made
	Now      func() time.Time // nil means time.Now
	// OnFailure is called after each failed login, outside of locks. user is what
	// was claimed, cut to 64 bytes. May be nil.
	OnFailure func(user string, from netip.Addr, failures int)
}

// Authority checks logins and keeps tokens.
type Authority struct {
	now       func() time.Time
	onFailure func(string, netip.Addr, int)
	macKey    [32]byte
	random    string // the random password, for the console; empty if configured
	failed    atomic.Uint64
	throttle  throttle
	tokens    tokens

	cost    int // bcrypt; tests lower it
	slots   chan struct{}
	waiting atomic.Int32

	hashOnce sync.Once
	hash     []byte // bcrypt, valid after hashOnce

	mu     sync.Mutex
	plain  []byte // MAC of the password until hashOnce ran
	proven []byte // MAC of the password that was last found right; nil before
}

// New makes an authority.
func New(c Config) *Authority {
	a := &Authority{now: c.Now, onFailure: c.OnFailure, cost: hashCost, slots: make(chan struct{}, hashAtOnce)}
	if a.now == nil {
		a.now = time.Now
	}
	rand.Read(a.macKey[:])
	pw := c.Password
	if pw == "" {
		pw = randomPassword()
		a.random = pw
	}
	a.plain = a.mac(pw)
	a.throttle.init()
	a.tokens.init()
	return a
}

// RandomPassword is the password made at start, to be shown on the console, or
// "" when one was configured.
func (a *Authority) RandomPassword() string { return a.random }

// Failures is the number of failed logins since start.
func (a *Authority) Failures() uint64 { return a.failed.Load() }

// Settle does the hashing that was put off. Call it when the host has time.
func (a *Authority) Settle() {
	a.hashOnce.Do(func() {
		a.mu.Lock()
		plain := a.plain
		a.plain = nil
		a.mu.Unlock()
		h, err := bcrypt.GenerateFromPassword([]byte(base64.RawStdEncoding.EncodeToString(plain)), a.cost)
		if err != nil {
			panic("auth: bcrypt refused its fixed parameters: " + err.Error())
		}
		clear(plain)
		a.hash = h
	})
}

func (a *Authority) mac(password string) []byte {
	m := hmac.New(sha256.New, a.macKey[:])
	m.Write([]byte(password))
	return m.Sum(nil)
}

// Password checks a login. It may wait for its turn as long as ctx allows.
// Errors: ErrDenied, WaitError, ErrBusy, ctx's.
func (a *Authority) Password(ctx context.Context, user, password string, from netip.Addr) error {
	if wait := a.throttle.wait(from, a.now()); wait > 0 {
		return &WaitError{wait}
	}
	mac := a.mac(password)
	rightUser := subtle.ConstantTimeCompare([]byte(user), []byte(User)) == 1
	a.mu.Lock()
	known := a.proven != nil && hmac.Equal(mac, a.proven)
	a.mu.Unlock()
	if known && rightUser {
		a.throttle.trust(from)
		return nil
	}
	if err := a.enter(ctx); err != nil {
		return err
	}
	defer func() { <-a.slots }()
	// Others of this address may have failed while this one waited.
	if wait := a.throttle.wait(from, a.now()); wait > 0 {
		return &WaitError{wait}
	}
	a.Settle()
	right := bcrypt.CompareHashAndPassword(a.hash, []byte(base64.RawStdEncoding.EncodeToString(mac))) == nil
	if !right || !rightUser {
		a.fail(user, from)
		return ErrDenied
	}
	a.throttle.trust(from)
	a.throttle.forget(from)
	a.mu.Lock()
	a.proven = mac
	a.mu.Unlock()
	return nil
}

// enter takes one of the hashing slots.
func (a *Authority) enter(ctx context.Context) error {
	if a.waiting.Add(1) > hashWaiting {
		a.waiting.Add(-1)
		return ErrBusy
	}
	defer a.waiting.Add(-1)
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *Authority) fail(user string, from netip.Addr) {
	a.failed.Add(1)
	n := a.throttle.fail(from, a.now())
	if a.onFailure != nil {
		a.onFailure(user[:min(len(user), 64)], from, n)
	}
}

// randomPassword gives 20 characters without look-alikes: 96 bits and more.
func randomPassword() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32
	b := make([]byte, 20)
	rand.Read(b)
	out := make([]byte, 0, 24)
	for i, v := range b {
		if i > 0 && i%5 == 0 {
			out = append(out, '-')
		}
		out = append(out, letters[v%32])
	}
	return string(out)
}
