package fakehost

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"basalt/vmkernel/cpusched/groups"
	"basalt/vmkernel/host"
)

// Options are what a test may choose; zero values give a host with 4 CPUs and
// 1 GiB of memory.
type Options struct {
	Hostname    string
	CannotRun   string // makes a host with no engine
	CPUs        int
	MemoryTotal uint64 // bytes
	MaxVCPUs    int
	Now         func() time.Time
}

// Host implements host.Host.
type Host struct {
	opt    Options
	boot   time.Time
	events *host.EventLog
	vms    table
	nets   networks
	pools  *groups.Table

	mu    sync.Mutex
	used  uint64 // bytes of memory given out
	ready time.Duration
	held  map[string]chan struct{}
	busy  map[string]bool // devices that guests hold on to

	pulled atomic.Int32
}

var _ host.Host = (*Host)(nil)

// New makes a fake host.
func New(o Options) *Host {
	if o.Hostname == "" {
		o.Hostname = "fake"
	}
	if o.CPUs == 0 {
		o.CPUs = 4
	}
	if o.MemoryTotal == 0 {
		o.MemoryTotal = 1 << 30
	}
	if o.MaxVCPUs == 0 {
		o.MaxVCPUs = 1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Host{opt: o, boot: o.Now(), events: host.NewEventLog(o.Now), held: map[string]chan struct{}{}}
	h.vms.h, h.nets.h = h, h
	h.pools = newPools(o)
	return h
}

// Info implements host.Host.
func (h *Host) Info() host.Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	engine := host.EngineAMDV
	if h.opt.CannotRun != "" {
		engine = host.EngineNone
	}
	return host.Info{
		Hostname: h.opt.Hostname, Product: "Basalt", Version: "0.0.0-fake",
		Engine: engine, CannotRun: h.opt.CannotRun,
		CPUModel: "Fake CPU @ 1.00GHz", CPUs: h.opt.CPUs,
		Leaks:       []host.Leak{{Name: "mds", Text: "VERW before each entry"}, {Name: "smt", Open: true, Text: "turn it off"}},
		MemoryTotal: h.opt.MemoryTotal, MemoryFree: h.opt.MemoryTotal - h.used,
		MaxVCPUs: h.opt.MaxVCPUs, MinMemoryMiB: 2,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("2001:db8::10/64")},
		BootTime:  h.boot, Uptime: h.opt.Now().Sub(h.boot), TimeToReady: h.ready,
	}
}

// Ready implements host.Host.
func (h *Host) Ready() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ready == 0 {
		h.ready = max(h.opt.Now().Sub(h.boot), 1)
	}
}

// VMs implements host.Host.
func (h *Host) VMs() host.VMs { return &h.vms }

// Events implements host.Host.
func (h *Host) Events() *host.EventLog { return h.events }

// Log implements host.Host.
func (h *Host) Log(max int) []byte {
	s := []byte("fake: a host without hardware\n")
	return s[len(s)-min(len(s), max):]
}

// Hold makes the named action ("start", "stop", "reset", "pause", "resume",
// "shutdown", "delete") of every machine wait in the middle until release is called.
func (h *Host) Hold(action string) (release func()) {
	ch := make(chan struct{})
	h.mu.Lock()
	h.held[action] = ch
	h.mu.Unlock()
	return sync.OnceFunc(func() {
		h.mu.Lock()
		delete(h.held, action)
		h.mu.Unlock()
		close(ch)
	})
}

func (h *Host) gate(action string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ch, ok := h.held[action]; ok {
		return ch
	}
	open := make(chan struct{})
	close(open)
	return open
}

func (h *Host) take(n uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if free := h.opt.MemoryTotal - h.used; n > free {
		return fmt.Errorf("%w: %d MiB asked for, %d MiB free", host.ErrNoMemory, n>>20, free>>20)
	}
	h.used += n
	return nil
}

func (h *Host) give(n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used -= n
}
