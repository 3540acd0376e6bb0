package metrics

import (
	"io"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"basalt/mgmt/auth"
	"basalt/mgmt/files"
	"basalt/mgmt/inventory"
	"basalt/vmkernel/host"
)

// ContentType is that of WriteTo.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Metrics is the registry and the counters that the API feeds.
type Metrics struct {
	reg         *prometheus.Registry
	requests    *prometheus.CounterVec
	Refused     prometheus.Counter // connections refused at the limit
	Evicted     prometheus.Counter // idle connections closed to make room
	Connections prometheus.Gauge   // open connections
}

// New makes the registry over what it watches.
func New(h host.Host, inv *inventory.Inventory, f *files.Store, a *auth.Authority) *Metrics {
	m := &Metrics{
		reg: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "basalt_api_requests_total", Help: "API requests by method and status code."}, []string{"method", "code"}),
		Refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "basalt_api_connections_refused_total", Help: "Connections refused because too many were open."}),
		Evicted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "basalt_api_connections_evicted_total", Help: "Connections without a request closed to make room for new ones."}),
		Connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "basalt_api_connections", Help: "Open connections."}),
	}
	m.reg.MustRegister(m.requests, m.Refused, m.Evicted, m.Connections,
		collectors.NewGoCollector(), &hostCollector{h, inv, f, a})
	return m
}

// Request counts one finished request. Unknown methods count as "other", so that
// a client cannot make new series.
func (m *Metrics) Request(method string, code int) {
	switch method {
	case "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE":
	default:
		method = "other"
	}
	m.requests.WithLabelValues(method, strconv.Itoa(code)).Inc()
}

// Write gathers everything and writes it as text.
func (m *Metrics) Write(w io.Writer) error {
	fams, err := m.reg.Gather()
	if err != nil {
		return err
	}
	for _, f := range fams {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}
