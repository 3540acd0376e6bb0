package api

import (
	"bytes"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/metrics"
)

// maxProfile is the longest profile or trace, in seconds.
const maxProfile = 120

func (s *Server) debugRoutes(rt *router) {
	rt.plain(huma.Operation{OperationID: "get-metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{"debug"},
		Summary:   "Metrics in Prometheus' text format",
		Responses: map[string]*huma.Response{"200": content("text/plain", "Text format 0.0.4")}}, "",
		func(w http.ResponseWriter, r *http.Request) {
			var b bytes.Buffer
			if err := s.Metrics.Write(&b); err != nil {
				fail(w, r, err)
				return
			}
			w.Header().Set("Content-Type", metrics.ContentType)
			w.Write(b.Bytes())
		})
	for pattern, h := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		rt.mux.HandleFunc("GET /debug/pprof/"+pattern, bounded(h))
	}
	rt.mux.Handle("POST /debug/pprof/symbol", http.MaxBytesHandler(http.HandlerFunc(pprof.Symbol), maxJSON))
}

// bounded lets a profile take its time, up to a limit.
func bounded(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v := r.URL.Query().Get("seconds"); v != "" {
			if n, err := strconv.ParseFloat(v, 64); err != nil || n < 0 || n > maxProfile {
				fail(w, r, newProblem(http.StatusUnprocessableEntity, "seconds is a number up to "+itoa(maxProfile)))
				return
			}
		}
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(time.Time{})
		rc.SetWriteDeadline(time.Now().Add((maxProfile + 30) * time.Second))
		h(w, r)
	}
}
