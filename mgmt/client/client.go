package client

import (
	"bytes"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"basalt/mgmt/cert"
	"basalt/mgmt/wire"
)

// Options say which host and as whom.
type Options struct {
	Address     string // HOST, HOST:PORT or https://HOST[:PORT]
	Fingerprint string // SHA-256 of the certificate, hexadecimal, colons optional
	Token       string // a bearer token, or
	User        string // HTTP Basic
	Password    string
}

// Client talks to one host. It is safe for use by several goroutines.
type Client struct {
	opt  Options
	addr string
	base string
	http *http.Client // HTTP/2 where possible
	h1   *http.Client // HTTP/1.1, for WebSockets
}

// ErrFingerprint: the host's certificate is not the one that is trusted.
var ErrFingerprint = errors.New("the host's certificate has another fingerprint")

// ErrClosed: the host ended the connection instead of answering; it has too many.
var ErrClosed = errors.New("closed the connection")

// FingerprintError is ErrFingerprint with the particulars.
type FingerprintError struct{ Want, Got string }

// Error says both.
func (e *FingerprintError) Error() string {
	return fmt.Sprintf("%v: trusted is %s, the host shows %s", ErrFingerprint, e.Want, e.Got)
}

// Is makes errors.Is(err, ErrFingerprint) true.
func (e *FingerprintError) Is(t error) bool { return t == ErrFingerprint }

// Error is a refusal by the host.
type Error struct {
	Status int
	wire.Problem
	RetryAfter string
}

// Error is the problem's detail with its fields.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(e.Detail, "body."))
	if e.Detail == "" {
		b.WriteString(http.StatusText(e.Status))
	}
	for _, d := range e.Errors {
		msg := d.Message
		if strings.Contains(e.Detail, msg) {
			continue
		}
		loc := strings.TrimPrefix(d.Location, "body.")
		if loc != "" && loc != "body" {
			msg = loc + ": " + msg
		}
		b.WriteString("; " + msg)
	}
	return b.String()
}

// ParseAddress gives HOST:PORT for what a person may type.
func ParseAddress(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "https://"), "/")
	if s == "" || strings.ContainsAny(s, "/?#@ ") {
		return "", fmt.Errorf("%q is not a host address: HOST, HOST:PORT or https://HOST:PORT", s)
	}
	if h, p, err := net.SplitHostPort(s); err == nil {
		if h == "" || p == "" {
			return "", fmt.Errorf("%q needs a host and a port", s)
		}
		return s, nil
	}
	return net.JoinHostPort(strings.Trim(s, "[]"), "443"), nil
}

// NormalFingerprint gives the form with colons of 64 hexadecimal digits.
func NormalFingerprint(s string) (string, error) {
	s = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "SHA256:")
	raw, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(s))
	if err != nil || len(raw) != 32 {
		return "", fmt.Errorf("%q is not a SHA-256 fingerprint: 64 hexadecimal digits are needed", s)
	}
	return strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", raw)), " ", ":"), nil
}

// New makes a client; it does not connect yet.
func New(o Options) (*Client, error) {
	addr, err := ParseAddress(o.Address)
	if err != nil {
		return nil, err
	}
	if o.Fingerprint, err = NormalFingerprint(o.Fingerprint); err != nil {
		return nil, err
	}
	c := &Client{opt: o, addr: addr, base: "https://" + addr}
	transport := func(protos ...string) *http.Transport {
		return &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       pinned(o.Fingerprint, protos...),
			ForceAttemptHTTP2:     protos[0] == "h2",
			TLSHandshakeTimeout:   30 * time.Second,
			ResponseHeaderTimeout: 3 * time.Minute,
			ExpectContinueTimeout: 10 * time.Second,
			IdleConnTimeout:       30 * time.Second,
		}
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h2 := transport("h2", "http/1.1")
	h2.MaxConnsPerHost = 4 // requests wait for a stream rather than crowd the host
	c.http = &http.Client{Transport: h2, CheckRedirect: noRedirect}
	c.h1 = &http.Client{Transport: transport("http/1.1"), CheckRedirect: noRedirect}
	return c, nil
}

// pinned trusts the one certificate with this fingerprint.
func pinned(fingerprint string, protos ...string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         protos,
		InsecureSkipVerify: true, // VerifyConnection does it: the certificate itself is known
		VerifyConnection: func(s tls.ConnectionState) error {
			got := cert.Fingerprint(s.PeerCertificates[0].Raw)
			if subtle.ConstantTimeCompare([]byte(got), []byte(fingerprint)) != 1 {
				return &FingerprintError{Want: fingerprint, Got: got}
			}
			return nil
		},
	}
}

// Probe asks the host at address for its certificate's fingerprint. What it
// returns is only worth something after a person compared it.
func Probe(ctx context.Context, address string) (string, error) {
	addr, err := ParseAddress(address)
	if err != nil {
		return "", err
	}
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", plainError(addr, err)
	}
	defer conn.Close()
	return cert.Fingerprint(conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw), nil
}

// HTTP is the underlying client, for requests that have no method here. It trusts
// the same certificate and adds no login.
func (c *Client) HTTP() *http.Client { return c.http }

// Close drops idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.h1.CloseIdleConnections()
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	c.authorize(r.Header, r)
	return r, nil
}

func (c *Client) authorize(h http.Header, r *http.Request) {
	h.Set("User-Agent", "basalt")
	switch {
	case c.opt.Token != "":
		h.Set("Authorization", "Bearer "+c.opt.Token)
	case c.opt.User != "" && r != nil:
		r.SetBasicAuth(c.opt.User, c.opt.Password)
	}
}

// do sends r and turns a refusal into an Error.
func (c *Client) do(r *http.Request) (*http.Response, error) {
	res, err := c.http.Do(r)
	if err != nil {
		return nil, plainError(c.addr, err)
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, refusal(res)
	}
	return res, nil
}

// plainError takes the method and URL off an error of net/http, and names the host
// where nothing else does.
func plainError(addr string, err error) error {
	var fp *FingerprintError
	if errors.As(err, &fp) {
		return fp
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s %w", addr, ErrClosed)
	}
	return err
}

func refusal(res *http.Response) error {
	e := &Error{Status: res.StatusCode, RetryAfter: res.Header.Get("Retry-After")}
	b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
		json.Unmarshal(b, &e.Problem)
	}
	if e.Detail == "" {
		e.Detail = "the host answered " + res.Status
	}
	return e
}

// call sends in as JSON, if it is not nil, and reads the answer into out.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil || res.StatusCode == http.StatusNoContent {
		io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<20)).Decode(out); err != nil {
		return fmt.Errorf("the host's answer to %s %s: %w", method, path, err)
	}
	return nil
}
