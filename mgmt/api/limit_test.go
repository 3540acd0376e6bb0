package api

import (
	"net"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"basalt/mgmt/metrics"
)

// from is a connection that claims an address.
type from struct {
	net.Conn
	addr   string
	closed bool
}

func (f *from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.addr)} }
func (f *from) Close() error         { f.closed = true; return nil }

func fakeMetrics() *metrics.Metrics {
	return &metrics.Metrics{
		Refused:     prometheus.NewCounter(prometheus.CounterOpts{Name: "a"}),
		Evicted:     prometheus.NewCounter(prometheus.CounterOpts{Name: "b"}),
		Connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "c"}),
	}
}

func TestLimiter(t *testing.T) {
	request := func(c *conn) (done func()) { return busy(withConn(t.Context(), c)) }
	l := newLimiter(nil, 8, fakeMetrics()) // 6 for one address
	open := func(addr string) (*from, *conn) {
		f := &from{addr: addr}
		return f, l.admit(f)
	}
	var a []*from
	var ac []*conn
	for range 6 {
		f, c := open("10.0.0.1")
		a, ac = append(a, f), append(ac, c)
	}
	// A seventh of one address closes the one that waited the longest, not the busy one.
	done := request(ac[0])
	f, c := open("10.0.0.1")
	if c == nil || a[0].closed || !a[1].closed || f.closed || l.open() != 6 {
		t.Errorf("seventh: %v, first closed %v, second closed %v, %d open", c, a[0].closed, a[1].closed, l.open())
	}
	// One that served a request and idles now is younger than those that never spoke.
	done()
	open("10.0.0.1")
	if a[0].closed || !a[2].closed {
		t.Error("an idle connection was closed before an older one")
	}
	// All busy: the address is refused, others are not.
	for o := range l.conns {
		request(o)
	}
	if _, c := open("10.0.0.1"); c != nil {
		t.Error("a seventh busy connection was let in")
	}
	_, b1 := open("10.0.0.2")
	_, b2 := open("10.0.0.3")
	if b1 == nil || b2 == nil || l.open() != 8 {
		t.Errorf("others are kept out: %v %v, %d open", b1, b2, l.open())
	}
	// Full: the waiting one makes room, and then nobody does.
	request(b1)
	if _, c := open("10.0.0.4"); c == nil || l.open() != 8 {
		t.Errorf("full: %v, %d open", c, l.open())
	}
	for o := range l.conns {
		request(o)
	}
	if _, c := open("10.0.0.5"); c != nil {
		t.Error("let in beyond the limit")
	}
	// Closing twice counts once; a connection of another listener is ignored.
	ac[0].Close()
	ac[0].Close()
	busy(withConn(t.Context(), &from{}))()
	if l.open() != 7 {
		t.Errorf("%d open", l.open())
	}
	for o := range l.conns {
		o.Close()
	}
	if len(l.addrs) != 0 {
		t.Errorf("addresses stay on account: %v", l.addrs)
	}
}
