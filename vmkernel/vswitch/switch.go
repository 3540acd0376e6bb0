package vswitch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of configuration calls.
var (
	ErrClosed   = errors.New("vswitch: closed")
	ErrExists   = errors.New("vswitch: the name is in use")
	ErrMACInUse = errors.New("vswitch: the MAC address belongs to another port")
	ErrPolicy   = errors.New("vswitch: the port's policy forbids it")
	ErrTooMany  = errors.New("vswitch: too many ports")
	ErrConfig   = errors.New("vswitch: bad configuration")
)

// Config describes a switch. Zero fields take the defaults.
type Config struct {
	Name       string
	MTU        int           // largest payload in bytes, default 1500, at most 9000
	FDBEntries int           // learned addresses, default 4096
	FDBPerPort int           // learned addresses behind one port, default 1024
	Ageing     time.Duration // default 300 s (802.1Q table 8-6)
	MaxPorts   int           // default 1024
	// Now is the clock, default time.Now. It must not run backwards.
	Now func() time.Time
}

// Switch is one virtual switch. Safe for any goroutine.
type Switch struct {
	cfg   Config
	start time.Time
	fdb   fdb

	mu     sync.Mutex // configuration
	closed bool
	ports  []*Port
	table  atomic.Pointer[table] // what senders see of it
}

// table is one state of the configuration; immutable.
type table struct {
	ports   []*Port
	promisc []*Port
	static  map[MAC]*Port
}

// New makes a switch without ports.
func New(c Config) (*Switch, error) {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.MTU, 1500)
	def(&c.FDBEntries, 4096)
	def(&c.FDBPerPort, 1024)
	def(&c.MaxPorts, 1024)
	if c.Ageing == 0 {
		c.Ageing = 300 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.MTU < 576 || c.MTU > 9000:
		return nil, fmt.Errorf("%w: MTU %d", ErrConfig, c.MTU)
	case c.FDBEntries < ways || c.FDBEntries > 1<<20:
		return nil, fmt.Errorf("%w: %d FDB entries", ErrConfig, c.FDBEntries)
	case c.FDBPerPort < 1 || c.MaxPorts < 1 || c.MaxPorts > 4096 || c.Ageing < 0:
		return nil, fmt.Errorf("%w: a limit is out of range", ErrConfig)
	}
	s := &Switch{cfg: c, start: c.Now()}
	s.fdb.init(c.FDBEntries, c.FDBPerPort, c.Ageing, rand.Uint64())
	s.table.Store(&table{static: map[MAC]*Port{}})
	return s, nil
}

// Name is the switch's name.
func (s *Switch) Name() string { return s.cfg.Name }

// MTU is the largest payload in bytes.
func (s *Switch) MTU() int { return s.cfg.MTU }

// Ports lists the ports in the order they were added.
func (s *Switch) Ports() []*Port { return append([]*Port(nil), s.table.Load().ports...) }

// FDB gives the counters of the filtering database.
func (s *Switch) FDB() FDBStats {
	s.fdb.mu.Lock()
	defer s.fdb.mu.Unlock()
	return s.fdb.stats
}

// Lookup gives the port where an address is known to be, nil if nowhere.
func (s *Switch) Lookup(m MAC, vid uint16) *Port {
	if p := s.table.Load().static[m]; p != nil && p.settings.Load().vlan.member(vid) {
		return p
	}
	now := s.now()
	s.fdb.mu.Lock()
	defer s.fdb.mu.Unlock()
	return s.fdb.lookup(m.key(vid), now)
}

// Close closes all ports. A Link and an Uplink have a Close of their own, which
// comes before.
func (s *Switch) Close() {
	s.mu.Lock()
	s.closed = true
	ports := append([]*Port(nil), s.ports...)
	s.mu.Unlock()
	for _, p := range ports {
		p.Close()
	}
}

func (s *Switch) now() int64 { return int64(s.cfg.Now().Sub(s.start)) }

// publish makes a new table of the ports. The caller holds mu.
func (s *Switch) publish() {
	t := &table{ports: append([]*Port(nil), s.ports...), static: make(map[MAC]*Port, len(s.ports))}
	for _, p := range t.ports {
		set := p.settings.Load()
		if set.mac.Station() {
			t.static[set.mac] = p
		}
		if set.promiscuous() {
			t.promisc = append(t.promisc, p)
		}
	}
	s.table.Store(t)
}
