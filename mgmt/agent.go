package mgmt

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"basalt/mgmt/api"
	"basalt/mgmt/auth"
	"basalt/mgmt/cert"
	"basalt/mgmt/dcui"
	"basalt/mgmt/files"
	"basalt/mgmt/inventory"
	"basalt/mgmt/metrics"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
)

// Config is what the boot configuration says; the zero value is good.
type Config struct {
	// Password of root; empty: a random one is made and shown on the console.
	Password string
	// MaxConnections to the API; 0 means api.DefaultMaxConnections.
	MaxConnections int
	// Reserve is host memory that files never take, in bytes; 0 means 32 MiB.
	Reserve uint64
	// Port is where clients reach the API, for the console page; 0 means 443.
	Port int
	// Preload calls put for each file that the store has from the beginning; nil:
	// none. The errors of put are for it to report.
	Preload func(put func(path string, content []byte) error)
	// Log; nil means none.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

const (
	defaultReserve = 32 << 20
	refresh        = 2 * time.Second // of the console page
)

// Agent is the management of one host.
type Agent struct {
	host   host.Host
	conf   Config
	auth   *auth.Authority
	inv    *inventory.Inventory
	tasks  *task.Manager
	api    *api.Server
	page   dcui.Source
	cert   *cert.Keeper
	cancel context.CancelFunc
	ctx    context.Context

	mu    sync.Mutex
	state string
}

// New makes an agent over h.
func New(h host.Host, c Config) (*Agent, error) {
	if c.Reserve == 0 {
		c.Reserve = defaultReserve
	}
	if c.Port == 0 {
		c.Port = 443
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	crt, err := cert.NewKeeper(h.Info().Hostname, func() (addrs []netip.Addr) {
		for _, p := range h.Info().Addresses {
			addrs = append(addrs, p.Addr())
		}
		return addrs
	}, c.Now)
	if err != nil {
		return nil, fmt.Errorf("mgmt: certificate: %w", err)
	}
	a := &Agent{host: h, conf: c, state: "starting", cert: crt}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.auth = auth.New(auth.Config{Password: c.Password, Now: c.Now, OnFailure: a.loginFailed})
	store := files.New(h.Memory(), c.Reserve, c.Now)
	if c.Preload != nil {
		c.Preload(store.Bring)
	}
	a.tasks = task.New(c.Now)
	a.inv = inventory.New(h, store, a.tasks, c.Now)
	a.api = api.New(api.Config{
		Host: h, Inventory: a.inv, Files: store, Tasks: a.tasks, Auth: a.auth,
		Metrics: metrics.New(h, a.inv, store, a.auth), Cert: crt, Log: c.Log, MaxConnections: c.MaxConnections,
	})
	a.refreshPage()
	return a, nil
}

func (a *Agent) loginFailed(user string, from netip.Addr, n int) {
	a.host.Events().Append(host.Event{Severity: host.SeverityWarning, Kind: "login.failed", User: user,
		Message: fmt.Sprintf("failed login %d in a row from %s", n, from)})
}

// Serve answers HTTPS on ln until Shutdown, and returns nil then. It is called
// once.
func (a *Agent) Serve(ln net.Listener) error {
	a.setState("ready")
	a.host.Events().Append(host.Event{Kind: "host.ready", Message: "the API answers at " + ln.Addr().String()})
	a.host.Ready()
	go a.keepPage()
	return a.api.Serve(ln)
}

// Shutdown stops answering: streams end, requests and tasks may finish as long as
// ctx allows. Virtual machines are left as they are.
func (a *Agent) Shutdown(ctx context.Context) error {
	a.setState("stopping")
	a.cancel()
	err := a.api.Shutdown(ctx)
	if terr := a.tasks.Close(ctx); err == nil {
		err = terr
	}
	return err
}

// Status is what the console page shows.
func (a *Agent) Status() *dcui.Source { return &a.page }

// Handler is the API without TLS and connections, for tests and other faces.
func (a *Agent) Handler() http.Handler { return a.api.Handler() }

// Fingerprint is that of the TLS certificate.
func (a *Agent) Fingerprint() string { return a.cert.Fingerprint() }

// Password is the random password of root, or "" when one was configured.
func (a *Agent) Password() string { return a.auth.RandomPassword() }

// Refresh brings Status up to date at once, for instance after a change of the
// host's addresses; otherwise that takes up to two seconds.
func (a *Agent) Refresh() { a.refreshPage() }

func (a *Agent) setState(s string) {
	a.mu.Lock()
	a.state = s
	a.mu.Unlock()
	a.refreshPage()
}

// keepPage follows what changes by itself: addresses and the number of machines.
// A few seconds after the start it also does the hashing that New put off.
func (a *Agent) keepPage() {
	t := time.NewTicker(refresh)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-t.C:
			a.refreshPage()
			if n == 3 {
				a.auth.Settle()
			}
		case <-a.ctx.Done():
			return
		}
	}
}

func (a *Agent) refreshPage() {
	in := a.host.Info()
	a.mu.Lock()
	state := a.state
	a.mu.Unlock()
	if state == "ready" && in.CannotRun != "" {
		state = "ready, but virtual machines cannot run: " + in.CannotRun
	}
	st := dcui.Status{
		Product: in.Product, Version: in.Version, Hostname: in.Hostname, State: state, Fingerprint: a.cert.Fingerprint(), User: auth.User,
		Hardware:     fmt.Sprintf("%s, %s, %d MiB", in.CPUModel, cpus(in.CPUs), in.MemoryTotal>>20),
		PasswordHint: "as set in the boot configuration",
	}
	if pw := a.auth.RandomPassword(); pw != "" {
		st.PasswordHint = pw
	}
	for _, p := range in.Addresses {
		name := p.Addr().String()
		if p.Addr().Is6() {
			name = "[" + name + "]"
		}
		if a.conf.Port != 443 {
			name = fmt.Sprintf("%s:%d", name, a.conf.Port)
		}
		st.URLs = append(st.URLs, "https://"+name+"/")
	}
	for _, vm := range a.inv.List() {
		st.VMs++
		if vm.Status.State == host.StateRunning {
			st.Running++
		}
	}
	a.page.Set(st)
}

func cpus(n int) string {
	if n == 1 {
		return "1 CPU"
	}
	return fmt.Sprintf("%d CPUs", n)
}
