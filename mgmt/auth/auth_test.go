package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"basalt/vmkernel/host"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

var home = netip.MustParseAddr("192.0.2.1")

func fixture(password string) (*Authority, *clock) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	a := New(Config{Password: password, Now: c.now})
	a.cost = bcrypt.MinCost
	return a, c
}

func TestPassword(t *testing.T) {
	long := strings.Repeat("long password ", 70)
	for _, pw := range []string{"secret", long, "pass\x00word", "ü"} {
		a, _ := fixture(pw)
		ctx := t.Context()
		for _, tc := range []struct {
			user, pw string
			ok       bool
		}{{"root", pw, true}, {"root", pw + "x", false}, {"root", pw[:len(pw)-1], false}, {"admin", pw, false}, {"root", "", false}, {"root", pw, true}} {
			a.throttle.forget(home)
			if err := a.Password(ctx, tc.user, tc.pw, home); (err == nil) != tc.ok {
				t.Errorf("%s/%q: %v", tc.user, tc.pw, err)
			}
		}
		if a.RandomPassword() != "" {
			t.Error("a configured password is shown")
		}
	}
}

func TestRandomPassword(t *testing.T) {
	a, _ := fixture("")
	b, _ := fixture("")
	if a.RandomPassword() == b.RandomPassword() || len(a.RandomPassword()) != 23 {
		t.Errorf("random passwords %q %q", a.RandomPassword(), b.RandomPassword())
	}
	a.Settle()
	if a.plain != nil {
		t.Error("Settle keeps the unhashed form")
	}
	if err := a.Password(t.Context(), User, a.RandomPassword(), home); err != nil {
		t.Error(err)
	}
}

// TestThousandWrongPasswords: nearly all are answered without being checked, and
// the right password works as soon as the wait is over.
func TestThousandWrongPasswords(t *testing.T) {
	var calls int
	c := &clock{time.Unix(1_800_000_000, 0)}
	a := New(Config{Password: "right", Now: c.now, OnFailure: func(string, netip.Addr, int) { calls++ }})
	a.cost = bcrypt.MinCost
	denied, waits := 0, 0
	for i := range 1000 {
		err := a.Password(t.Context(), User, fmt.Sprint("wrong", i), home)
		var w *WaitError
		switch {
		case errors.Is(err, ErrDenied):
			denied++
		case errors.As(err, &w):
			waits++
		default:
			t.Fatalf("attempt %d: %v", i, err)
		}
		c.t = c.t.Add(100 * time.Millisecond)
	}
	// 100 s: 4 at once, then 1, 2, 4, 8, 16, 30, 30 s after the one before.
	if denied != 11 || waits != 989 || calls != denied || a.Failures() != uint64(denied) {
		t.Errorf("%d denied, %d told to wait, %d calls, %d counted", denied, waits, calls, a.Failures())
	}
	var w *WaitError
	if err := a.Password(t.Context(), User, "right", home); !errors.As(err, &w) || w.Seconds() < 1 || w.Seconds() > 30 {
		t.Fatalf("right password while closed: %v", err)
	}
	if err := a.Password(t.Context(), User, "right", netip.MustParseAddr("192.0.2.2")); err != nil {
		t.Errorf("other address: %v", err)
	}
	c.t = c.t.Add(w.For)
	if err := a.Password(t.Context(), User, "right", home); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	if err := a.Password(t.Context(), User, "wrong", home); !errors.Is(err, ErrDenied) {
		t.Errorf("a good login does not clear the count: %v", err)
	}
}

// TestNeighbourLocksNobodyOut: who guesses from the same IPv6 network does not delay
// an address that has logged in.
func TestNeighbourLocksNobodyOut(t *testing.T) {
	a, _ := fixture("right")
	root, evil := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::bad")
	for round := range 2 { // hashed, then remembered
		if err := a.Password(t.Context(), User, "right", root); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for range 10 {
			a.Password(t.Context(), User, "wrong", evil)
		}
		var w *WaitError
		if err := a.Password(t.Context(), User, "right", netip.MustParseAddr("2001:db8::2")); !errors.As(err, &w) {
			t.Errorf("an unknown address beside it: %v", err)
		}
		if err := a.Password(t.Context(), User, "right", root); err != nil {
			t.Errorf("root beside a neighbour that guesses: %v", err)
		}
	}
	for range 10 {
		a.Password(t.Context(), User, "wrong", root)
	}
	var w *WaitError
	if err := a.Password(t.Context(), User, "right", root); !errors.As(err, &w) {
		t.Errorf("guesses from an address that has logged in are not delayed: %v", err)
	}
	for i := range 2 * maxTrusted {
		a.throttle.trust(netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%x", i+1)))
	}
	if len(a.throttle.trusted) > maxTrusted {
		t.Errorf("%d addresses are trusted", len(a.throttle.trusted))
	}
}

func TestThrottleIsBounded(t *testing.T) {
	var th throttle
	th.init()
	now := time.Unix(0, 0)
	for i := range 5 * maxAddresses {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		th.fail(a, now)
	}
	if len(th.byAddr) != maxAddresses || th.order.Len() != maxAddresses {
		t.Errorf("%d addresses", len(th.byAddr))
	}
	th.init()
	for i := range 10 {
		th.fail(netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1)), now)
	}
	if len(th.byAddr) != 1 {
		t.Errorf("one /64 takes %d records", len(th.byAddr))
	}
	if th.wait(netip.MustParseAddr("2001:db8::ffff"), now) == 0 {
		t.Error("an address of the same /64 does not wait")
	}
	if th.wait(netip.Addr{}, now) != 0 || th.fail(netip.Addr{}, now) != 1 {
		t.Error("no address")
	}
	m := netip.MustParseAddr("::ffff:10.0.0.1")
	if th.key(m) != th.key(netip.MustParseAddr("10.0.0.1")) {
		t.Error("mapped address has a key of its own")
	}
}

func TestHashingIsBounded(t *testing.T) {
	a, _ := fixture("x")
	for range hashAtOnce {
		a.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	const n = hashWaiting + 5
	for i := range n {
		go func() { errs <- a.Password(ctx, User, fmt.Sprint(i), netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})) }()
	}
	for range n - hashWaiting {
		if err := <-errs; err != ErrBusy {
			t.Errorf("beyond the bound: %v", err)
		}
	}
	cancel()
	for range hashWaiting {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting: %v", err)
		}
	}
}

func TestTokens(t *testing.T) {
	a, c := fixture("x")
	secret, tok := a.Issue(User, home, time.Hour)
	if got, err := a.Bearer(secret, home); err != nil || got.ID != tok.ID {
		t.Fatalf("fresh token: %v", err)
	}
	for _, bad := range []string{"", secret[:len(secret)-1], secret + "x", strings.ToUpper(secret), tok.ID} {
		if _, err := a.Bearer(bad, home); err != ErrDenied {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	c.t = c.t.Add(time.Hour - 1)
	if _, err := a.Bearer(secret, home); err != nil {
		t.Errorf("last moment: %v", err)
	}
	c.t = c.t.Add(1)
	if _, err := a.Bearer(secret, home); err != ErrDenied {
		t.Errorf("expired: %v", err)
	}
	if l := a.Tokens(); len(l) != 0 {
		t.Errorf("expired tokens are listed: %v", l)
	}
	secret, tok = a.Issue(User, home, 100*24*time.Hour)
	if d := tok.Expires.Sub(tok.Created); d != MaxTTL {
		t.Errorf("lifetime %v", d)
	}
	if err := a.Revoke(tok.ID); err != nil {
		t.Error(err)
	}
	if err := a.Revoke(tok.ID); !errors.Is(err, host.ErrNotFound) {
		t.Errorf("second revoke: %v", err)
	}
	if _, err := a.Bearer(secret, home); err != ErrDenied {
		t.Errorf("revoked: %v", err)
	}
	for range MaxTokens + 10 {
		a.Issue(User, home, 0)
	}
	if n := len(a.Tokens()); n != MaxTokens {
		t.Errorf("%d tokens", n)
	}
}

func FuzzBearer(f *testing.F) {
	a, _ := fixture("x")
	secret, _ := a.Issue(User, home, 0)
	f.Add(secret[1:])
	f.Add("bslt_")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := a.Bearer(s, home); err == nil && s != secret {
			t.Errorf("accepted %q", s)
		}
	})
}
