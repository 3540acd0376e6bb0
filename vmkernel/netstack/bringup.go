package netstack

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"basalt/drivers/netio"
	"basalt/vmkernel/netstack/dhcp"
	"basalt/vmkernel/sys"
)

// Setting is how the host gets its addresses. IPv6 link-local addresses and those
// from router advertisements are there in any case.
type Setting struct {
	DHCP    bool
	Address netip.Prefix // static; invalid with DHCP, or for no IPv4 at all
	Gateway netip.Addr   // invalid: none
	DNS     []netip.Addr
}

// Config is what the host's network needs to know.
type Config struct {
	Hostname string
	Setting  Setting
	Limits   Limits
	// WriteFile stores /etc/hosts and /etc/resolv.conf, which package net reads.
	// nil: nothing is written.
	WriteFile func(name string, text []byte) error
	// Logf gets one line for each change of state. nil: nothing is logged.
	Logf func(format string, args ...any)
}

// Host is the network of this machine: the stack, its links and how they get
// their addresses.
type Host struct {
	*Stack
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu         sync.Mutex
	interfaces []*Interface
	leases     map[*Interface]*dhcp.Lease
	changed    chan struct{} // closed and replaced at each change

	files sync.Mutex // held from asking for the state until it is written
}

// Bring makes the stack. Until Attach is called it has only the loopback
// interface. The caller gives Host.Socket to sys.Install.
func Bring(cfg Config) (*Host, error) {
	if cfg.Logf == nil {
		cfg.Logf = func(string, ...any) {}
	}
	st, err := New(cfg.Limits)
	if err != nil {
		return nil, err
	}
	h := &Host{Stack: st, cfg: cfg, leases: map[*Interface]*dhcp.Lease{}, changed: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.writeFiles()
	return h, nil
}

var _ sys.SocketFactory = new(Stack).Socket

// Attach adds a link and configures it as the setting says. A static address goes
// to the first link; further ones have only what router advertisements give.
func (h *Host) Attach(link netio.Link) (*Interface, error) {
	i, err := h.AddLink(link)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	first := len(h.interfaces) == 0
	h.interfaces = append(h.interfaces, i)
	h.mu.Unlock()
	switch s := h.cfg.Setting; {
	case s.DHCP:
		h.wg.Go(func() {
			i.runDHCP(h.ctx, h.cfg.Hostname, h.cfg.Logf, func(l *dhcp.Lease) { h.leased(i, l) })
		})
	case first && s.Address.IsValid():
		if err := i.Configure(s.Address, s.Gateway); err != nil {
			return nil, err
		}
		h.cfg.Logf("%s: %s", i.Name(), s.Address)
		h.writeFiles()
		h.notify()
	}
	return i, nil
}

// Close gives leases back, closes connections and links.
func (h *Host) Close() {
	h.cancel()
	h.wg.Wait()
	// A released lease must still leave through the link.
	h.Stack.Close()
}

// leased records a lease, or its loss.
func (h *Host) leased(i *Interface, l *dhcp.Lease) {
	h.mu.Lock()
	if l == nil {
		delete(h.leases, i)
	} else {
		h.leases[i] = l
	}
	h.mu.Unlock()
	h.writeFiles()
	h.notify()
}

func (h *Host) notify() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
}

// Addresses lists what others can reach the host at: no loopback and no
// link-local addresses, IPv4 first.
func (h *Host) Addresses() []netip.Prefix {
	h.mu.Lock()
	interfaces := slices.Clone(h.interfaces)
	h.mu.Unlock()
	var list []netip.Prefix
	for _, i := range interfaces {
		for _, p := range i.Addresses() {
			if p.Addr().IsGlobalUnicast() {
				list = append(list, p)
			}
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return list
}

// Changed gives a channel that is closed at the next change of an address by
// DHCP or static setting.
func (h *Host) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// Ready waits until the host has an address that others can reach.
func (h *Host) Ready(ctx context.Context) error {
	// Router advertisements change addresses without telling: look from time to
	// time as well.
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for {
		changed := h.Changed()
		if reachable(h.Addresses()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("netstack: no address yet: %w", ctx.Err())
		case <-changed:
		case <-look.C:
		}
	}
}

// DNS lists the name servers: static ones, then those of leases, then those of
// routers.
func (h *Host) DNS() (servers []netip.Addr, domain string) {
	servers = append(servers, h.cfg.Setting.DNS...)
	h.mu.Lock()
	for _, i := range h.interfaces {
		if l := h.leases[i]; l != nil {
			servers = append(servers, l.DNS...)
			if domain == "" {
				domain = l.Domain
			}
		}
	}
	h.mu.Unlock()
	h.Stack.mu.Lock()
	for _, list := range h.Stack.nameservers {
		servers = append(servers, list...)
	}
	h.Stack.mu.Unlock()
	return servers, domain
}

// validDomain keeps a server's text out of the syntax of resolv.conf.
func validDomain(d string) bool {
	for _, c := range d {
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return d != "" && len(d) <= 253
}

// writeFiles stores what package net's resolver reads.
func (h *Host) writeFiles() {
	if h.cfg.WriteFile == nil {
		return
	}
	h.files.Lock()
	defer h.files.Unlock()
	var hosts, resolv strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	if h.cfg.Hostname != "" {
		fmt.Fprintf(&hosts, "127.0.1.1 %s\n", h.cfg.Hostname)
	}
	servers, domain := h.DNS()
	for _, s := range servers {
		fmt.Fprintf(&resolv, "nameserver %s\n", s)
	}
	if validDomain(domain) {
		fmt.Fprintf(&resolv, "search %s\n", domain)
	}
	for _, f := range []struct{ name, text string }{{"/etc/hosts", hosts.String()}, {"/etc/resolv.conf", resolv.String()}} {
		if err := h.cfg.WriteFile(f.name, []byte(f.text)); err != nil {
			h.cfg.Logf("netstack: %s: %v", f.name, err)
		}
	}
}
