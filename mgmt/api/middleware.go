package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"basalt/mgmt/auth"
)

// identity is who makes a request.
type identity struct {
	user  string
	token *auth.Token // nil with HTTP Basic
	from  netip.Addr
}

type contextKey int

const (
	keyRequestID contextKey = iota
	keyIdentity
	keyConn
	keyStranger
)

func instance(ctx context.Context) string {
	if id, ok := ctx.Value(keyRequestID).(string); ok {
		return "urn:basalt:request:" + id
	}
	return ""
}

func who(ctx context.Context) identity {
	id, _ := ctx.Value(keyIdentity).(identity)
	return id
}

// recorder notes the status for log and metrics.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(code int) {
	if w.status == 0 && code >= 200 || code == http.StatusSwitchingProtocols {
		w.status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController and the WebSocket upgrade through.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// handler builds the chain of doc.go around the routes.
func (s *Server) handler() http.Handler {
	mux := s.routes()
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := requestID()
		w := &recorder{ResponseWriter: rw}
		r = r.WithContext(context.WithValue(r.Context(), keyRequestID, id))
		rc := http.NewResponseController(rw)
		rc.SetReadDeadline(start.Add(requestTimeout))
		rc.SetWriteDeadline(start.Add(requestTimeout))
		securityHeaders(w.Header(), id)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Log.Error("api: a handler panicked", "request", id, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				if w.status == 0 {
					writeProblem(w, r, newProblem(http.StatusInternalServerError, "an internal error; the host's log has the particulars"))
				}
			}
			s.Metrics.Request(r.Method, w.status)
			s.Log.LogAttrs(r.Context(), level(w.status), "api", slog.String("request", id), slog.String("method", clip(r.Method, 16)),
				slog.String("path", clip(r.URL.Path, 256)), slog.Int("status", w.status), slog.String("from", r.RemoteAddr),
				slog.Duration("took", time.Since(start)))
		}()
		r, err := s.admit(cross, r)
		if err != nil || open(r) {
			var done func()
			r, done = s.strangers.enter(w, r, rc, start)
			defer done()
		} else {
			defer busy(r.Context())()
			if tok := who(r.Context()).token; tok != nil {
				ctx, done := s.Auth.While(r.Context(), *tok)
				defer done()
				r = r.WithContext(ctx)
			}
		}
		if err != nil {
			fail(w, r, err)
			return
		}
		route(mux, w, r)
	})
}

// admit refuses what is malformed, comes from another web site or has no login. The
// request that it gives carries the identity.
func (s *Server) admit(cross *http.CrossOriginProtection, r *http.Request) (*http.Request, error) {
	if err := cleanPath(r); err != nil {
		return r, newProblem(http.StatusBadRequest, err.Error())
	}
	if err := cross.Check(r); err != nil {
		return r, newProblem(http.StatusForbidden, "requests from other web sites are refused")
	}
	if open(r) {
		return r, nil
	}
	who, err := s.login(r)
	if err != nil {
		return r, err
	}
	return r.WithContext(context.WithValue(r.Context(), keyIdentity, who)), nil
}

func level(status int) slog.Level {
	if status >= 500 {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// open says whether a request needs no login.
func open(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz":
		return true
	case "/api/v1/tokens":
		return r.Method == http.MethodPost
	}
	return false
}

func requestID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func securityHeaders(h http.Header, id string) {
	h.Set("X-Request-Id", id)
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

var errUnclean = errors.New("the path has empty, '.' or '..' parts")

func cleanPath(r *http.Request) error {
	p := r.URL.Path
	if p == "*" || p == "" || p[0] != '/' {
		return errUnclean
	}
	c := path.Clean(p)
	if len(p) > 1 && strings.HasSuffix(p, "/") {
		c += "/"
	}
	if c != p {
		return errUnclean
	}
	return nil
}

// route runs the mux and gives its own refusals as problems.
func route(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	h, pattern := mux.Handler(r)
	if pattern != "" {
		mux.ServeHTTP(w, r)
		return
	}
	refusal := &headerOnly{h: http.Header{}}
	h.ServeHTTP(refusal, r)
	p := newProblem(http.StatusNotFound, "there is nothing at "+clip(r.URL.Path, 256))
	if allow := refusal.h.Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		p = newProblem(http.StatusMethodNotAllowed, "only "+allow+" are possible at "+clip(r.URL.Path, 256))
	}
	writeProblem(w, r, p)
}

type headerOnly struct{ h http.Header }

func (w *headerOnly) Header() http.Header         { return w.h }
func (w *headerOnly) Write(p []byte) (int, error) { return len(p), nil }
func (w *headerOnly) WriteHeader(int)             {}

// login checks HTTP Basic or a bearer token.
func (s *Server) login(r *http.Request) (identity, error) {
	from := remote(r)
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "":
		return identity{}, newProblem(http.StatusUnauthorized, "a login is needed: HTTP Basic, or a bearer token from POST /api/v1/tokens")
	case "bearer":
		tok, err := s.Auth.Bearer(strings.TrimSpace(rest), from)
		if err != nil {
			return identity{}, err
		}
		return identity{user: tok.User, token: &tok, from: from}, nil
	case "basic":
		user, pw, ok := r.BasicAuth()
		if !ok {
			return identity{}, auth.ErrDenied
		}
		if err := s.Auth.Password(r.Context(), user, pw, from); err != nil {
			return identity{}, err
		}
		return identity{user: user, from: from}, nil
	}
	return identity{}, auth.ErrDenied
}

func remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
