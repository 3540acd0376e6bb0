// Package mgmttest starts the whole agent on a fake host at a loopback port, for
// the tests of the faces and of the client tool. World W2, tests only.
package mgmttest

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"basalt/mgmt"
	"basalt/mgmt/client"
	"basalt/vmkernel/host/fakehost"
)

// Password of root in a fixture.
const Password = "correct horse"

// Fixture is a running agent.
type Fixture struct {
	Host   *fakehost.Host
	Agent  *mgmt.Agent
	Addr   string // host:port
	Client *client.Client
}

// BzImage is the smallest content that the fake host takes for a bzImage.
var BzImage = strings.Repeat("\x00", 0x1fe) + "\x55\xaa\x00\x00HdrS" + strings.Repeat("\x00", 100)

// Start runs an agent until the test ends. Client is logged in with a token.
func Start(t testing.TB, o fakehost.Options, c mgmt.Config) *Fixture {
	t.Helper()
	if c.Password == "" {
		c.Password = Password
	}
	f := &Fixture{Host: fakehost.New(o)}
	var err error
	if f.Agent, err = mgmt.New(f.Host, c); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.Addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.Agent.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := f.Agent.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	anon := f.As(t, client.Options{})
	tok, err := anon.Login(t.Context(), "root", c.Password, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Client = f.As(t, client.Options{Token: tok.Token})
	return f
}

// As makes another client of the fixture.
func (f *Fixture) As(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	o.Address, o.Fingerprint = f.Addr, f.Agent.Fingerprint()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Put stores a file.
func (f *Fixture) Put(t testing.TB, path, content string) {
	t.Helper()
	if _, err := f.Client.PutFile(t.Context(), path, strings.NewReader(content), int64(len(content)), false); err != nil {
		t.Fatal(err)
	}
}
