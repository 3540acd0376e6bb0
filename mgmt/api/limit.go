package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"

	"basalt/mgmt/metrics"
)

// limiter is a listener that bounds the open connections. See doc.go for whom it
// refuses.
type limiter struct {
	net.Listener
	max, perAddr int
	metrics      *metrics.Metrics

	mu    sync.Mutex
	seq   uint64
	conns map[*conn]struct{}
	addrs map[netip.Addr]int
}

// conn is one counted connection.
type conn struct {
	net.Conn
	l    *limiter
	addr netip.Addr
	once sync.Once

	// Under limiter.mu:
	requests int    // under way, of those who are logged in
	since    uint64 // limiter.seq when it had none for the last time
}

func newLimiter(ln net.Listener, max int, m *metrics.Metrics) *limiter {
	return &limiter{Listener: ln, max: max, perAddr: max - max/4, metrics: m, conns: map[*conn]struct{}{}, addrs: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (l *limiter) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tc, ok := c.(interface{ SetKeepAlivePeriod(time.Duration) error }); ok {
			tc.SetKeepAlivePeriod(30 * time.Second)
		}
		if n := l.admit(c); n != nil {
			return n, nil
		}
		l.metrics.Refused.Inc()
		c.Close()
	}
}

func addrOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// admit counts c, evicting another connection if it has to; nil means refused.
func (l *limiter) admit(raw net.Conn) *conn {
	c := &conn{Conn: raw, l: l, addr: addrOf(raw)}
	l.mu.Lock()
	var victim *conn
	var ok bool
	switch {
	case l.addrs[c.addr] >= l.perAddr:
		victim, ok = l.oldest(func(o *conn) bool { return o.addr == c.addr })
	case len(l.conns) >= l.max:
		victim, ok = l.oldest(func(*conn) bool { return true })
	default:
		ok = true
	}
	if !ok {
		l.mu.Unlock()
		return nil
	}
	if victim != nil {
		l.forget(victim)
	}
	l.seq++
	c.since = l.seq
	l.conns[c] = struct{}{}
	l.addrs[c.addr]++
	l.metrics.Connections.Set(float64(len(l.conns)))
	l.mu.Unlock()
	if victim != nil {
		l.metrics.Evicted.Inc()
		victim.Conn.Close()
	}
	return c
}

// oldest finds the connection that has been without a request the longest among those
// that match.
func (l *limiter) oldest(match func(*conn) bool) (*conn, bool) {
	var best *conn
	for c := range l.conns {
		if c.requests == 0 && match(c) && (best == nil || c.since < best.since) {
			best = c
		}
	}
	return best, best != nil
}

// forget uncounts c; the caller holds mu.
func (l *limiter) forget(c *conn) {
	if _, ok := l.conns[c]; !ok {
		return
	}
	delete(l.conns, c)
	if l.addrs[c.addr]--; l.addrs[c.addr] <= 0 {
		delete(l.addrs, c.addr)
	}
	l.metrics.Connections.Set(float64(len(l.conns)))
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.l.mu.Lock()
		c.l.forget(c)
		c.l.mu.Unlock()
	})
	return c.Conn.Close()
}

// withConn is http.Server's hook: it notes a request's connection in its context.
func withConn(ctx context.Context, nc net.Conn) context.Context {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if c, ok := nc.(*conn); ok {
		ctx = context.WithValue(ctx, keyConn, c)
	}
	return ctx
}

// busy keeps the connection of a request, if it is a counted one, from being evicted
// until done. It is for those who are logged in only: anybody can have requests that
// never end, and hold every connection with them.
func busy(ctx context.Context) (done func()) {
	c, ok := ctx.Value(keyConn).(*conn)
	if !ok {
		return func() {}
	}
	c.l.mu.Lock()
	c.requests++
	c.l.mu.Unlock()
	return func() {
		c.l.mu.Lock()
		defer c.l.mu.Unlock()
		if c.requests--; c.requests == 0 {
			c.l.seq++
			c.since = c.l.seq
		}
	}
}

// open is the number of counted connections.
func (l *limiter) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}
