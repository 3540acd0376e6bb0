package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// What the host may hold more of at the end than after the first cycles: its own
// memory and its goroutines go up and down with the collector and with connections
// that are kept open.
const (
	slackBytes      = 32 << 20
	slackHeap       = 4 << 20 // events of the log, until it is full
	slackGoroutines = 24
)

// holding is what a host holds between two cycles.
type holding struct {
	own        int64    // bytes in use that neither a machine nor a file has
	heap       int64    // bytes of Go's heap that are reachable
	files      []string // paths in the store
	fileBytes  int64    // memory that they take
	vms        int
	ports      int // of the networks' switches
	leases     int
	forwards   int
	goroutines int
}

// holds asks the host.
func (n *node) holds(ctx context.Context) (h holding, err error) {
	vms, err := n.VMs(ctx)
	if err != nil {
		return h, err
	}
	h.vms = len(vms)
	files, err := n.Files(ctx, "")
	if err != nil {
		return h, err
	}
	for _, f := range files.Files {
		h.files = append(h.files, f.Path)
		h.fileBytes += f.UsedBytes
	}
	slices.Sort(h.files)
	nets, err := n.Networks(ctx)
	if err != nil {
		return h, err
	}
	for _, x := range nets {
		h.ports, h.leases, h.forwards = h.ports+len(x.Ports), h.leases+len(x.Leases), h.forwards+len(x.Forwards)
	}
	if h.heap, h.goroutines, err = n.runtime(ctx); err != nil {
		return h, err
	}
	host, err := n.Host(ctx)
	if err != nil {
		return h, err
	}
	h.own = int64(host.MemoryTotalBytes-host.MemoryFreeBytes) - h.fileBytes
	for _, vm := range vms {
		h.own -= int64(vm.MemoryUsedBytes)
	}
	return h, nil
}

// runtime reads the host's metrics after a collection.
func (n *node) runtime(ctx context.Context) (heap int64, goroutines int, err error) {
	profile, err := n.plain(ctx, "/debug/pprof/heap?gc=1")
	if err != nil {
		return 0, 0, err
	}
	if _, err = io.Copy(io.Discard, profile); err != nil {
		return 0, 0, err
	}
	profile.Close()
	metrics, err := n.plain(ctx, "/metrics")
	if err != nil {
		return 0, 0, err
	}
	defer metrics.Close()
	found := map[string]float64{"go_memstats_heap_alloc_bytes": -1, "go_goroutines": -1}
	in := bufio.NewScanner(metrics)
	for in.Scan() {
		name, v, _ := strings.Cut(in.Text(), " ")
		if _, ok := found[name]; ok {
			if found[name], err = strconv.ParseFloat(v, 64); err != nil {
				return 0, 0, fmt.Errorf("metric %s: %w", name, err)
			}
		}
	}
	for name, v := range found {
		if v < 0 {
			return 0, 0, fmt.Errorf("the host's metrics have no %s: %w", name, in.Err())
		}
	}
	return int64(found["go_memstats_heap_alloc_bytes"]), int(found["go_goroutines"]), nil
}

// plain gets what is no part of the client.
func (n *node) plain(ctx context.Context, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", n.Ports[0], path), nil)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth("root", n.password)
	res, err := n.HTTP().Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("%s: %s", path, res.Status)
	}
	return res.Body, nil
}

func (h holding) String() string {
	return fmt.Sprintf("host %.1f MiB, its heap %.1f, %d files of %.1f MiB, %d machines, %d ports, %d leases, %d forwards, %d goroutines",
		float64(h.own)/(1<<20), float64(h.heap)/(1<<20), len(h.files), float64(h.fileBytes)/(1<<20), h.vms, h.ports, h.leases, h.forwards, h.goroutines)
}

// leaked says what a host holds more of than it did. Leases are not looked at: they
// are kept for the adapter that had them until their time is over.
func (h holding) leaked(was holding) error {
	switch {
	case !slices.Equal(h.files, was.files):
		return fmt.Errorf("the file store holds %q, and held %q", h.files, was.files)
	case h.vms != was.vms:
		return fmt.Errorf("there are %d machines, and were %d", h.vms, was.vms)
	case h.ports != was.ports || h.forwards != was.forwards:
		return fmt.Errorf("the networks have %d ports and %d forwards, and had %d and %d", h.ports, h.forwards, was.ports, was.forwards)
	case h.goroutines > was.goroutines+slackGoroutines:
		return fmt.Errorf("there are %d goroutines, and were %d", h.goroutines, was.goroutines)
	case h.heap > was.heap+slackHeap:
		return fmt.Errorf("the host's heap holds %d bytes, and held %d", h.heap, was.heap)
	case h.own > was.own+slackBytes:
		return fmt.Errorf("the host itself takes %d bytes of memory, and took %d", h.own, was.own)
	}
	return nil
}
