package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

func itoa(n int) string { return strconv.Itoa(n) }

// body is an answer with nothing but a JSON body.
type body[T any] struct{ Body T }

func (s *Server) hostRoutes(rt *router) {
	operation(rt, huma.Operation{OperationID: "get-host", Method: http.MethodGet, Path: prefix + "/host",
		Summary: "The host: name, version, engine, processors, memory, times", Tags: []string{"host"}},
		func(context.Context, *struct{}) (*body[wire.Host], error) {
			return &body[wire.Host]{s.wireHost()}, nil
		})
	operation(rt, huma.Operation{OperationID: "healthz", Method: http.MethodGet, Path: "/healthz",
		Summary: "Whether the host works; needs no login", Tags: []string{"host"}, Security: []map[string][]string{{}}},
		func(context.Context, *struct{}) (*body[wire.Health], error) {
			h := wire.Health{Status: "ok"}
			if why := s.Host.Info().CannotRun; why != "" {
				h = wire.Health{Status: "degraded", Reason: why}
			}
			return &body[wire.Health]{h}, nil
		})
	rt.plain(huma.Operation{OperationID: "get-host-log", Method: http.MethodGet, Path: prefix + "/host/log",
		Summary: "The newest part of the kernel's log", Tags: []string{"host"},
		Responses: map[string]*huma.Response{"200": content("text/plain", "The log")}}, "",
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write(s.Host.Log(1 << 20))
		})
	rt.plain(huma.Operation{OperationID: "get-openapi", Method: http.MethodGet, Path: prefix + "/openapi.json",
		Summary: "This document", Tags: []string{"host"},
		Responses: map[string]*huma.Response{"200": content("application/openapi+json", "OpenAPI 3.1")}}, "",
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/openapi+json")
			w.Write(s.spec())
		})
}

func (s *Server) wireHost() wire.Host {
	in := s.Host.Info()
	h := wire.Host{
		Name: in.Hostname, Product: in.Product, Version: in.Version,
		Engine: in.Engine, CanRunVMs: in.CannotRun == "", Reason: in.CannotRun,
		CPUModel: in.CPUModel, CPUs: in.CPUs, MemoryTotalBytes: in.MemoryTotal, MemoryFreeBytes: in.MemoryFree,
		Leaks: []wire.Leak{}, MaxVCPUs: in.MaxVCPUs, MaxDisks: host.MaxDisks, MaxNICs: host.MaxNICs, CPULevels: host.CPULevels, HardwareOldest: host.HardwareOldest, HardwareNewest: host.HardwareNewest, Addresses: []string{}, Fingerprint: s.Cert.Fingerprint(),
		BootTime: in.BootTime.UTC(), UptimeSeconds: in.Uptime.Seconds(), TimeToReadySeconds: in.TimeToReady.Seconds(),
		FailedLogins: s.Auth.Failures(),
	}
	for _, l := range in.Leaks {
		h.Leaks = append(h.Leaks, wire.Leak{Name: l.Name, Open: l.Open, State: l.Text})
	}
	for _, a := range in.Addresses {
		h.Addresses = append(h.Addresses, a.String())
	}
	for _, vm := range s.Inventory.List() {
		h.VMs++
		if st := vm.Status.State; st == host.StateRunning || st == host.StateStarting {
			h.RunningVMs++
		}
	}
	return h
}
