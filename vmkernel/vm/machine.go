package vm

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
)

// Machine is one virtual machine. It implements host.VM.
type Machine struct {
	p    *Platform
	conf host.Config
	con  consoles
	// generation changes when the machine's past forks (a clone).
	generation [16]byte

	actions  chan action
	requests chan request
	reports  chan stopped
	ejected  chan *plugged
	quit     chan struct{}
	gone     chan struct{}
	busy     atomic.Bool

	mu     sync.Mutex
	state  host.State
	reason string
	since  time.Time
	start  time.Time
	last   host.Status // what the machine did until it was last off
	b      *board      // nil when off
	cpus   []*cpu
	share  Entitlement // nil without a CPUScheduler, or when off

	// The owner's.
	boot    host.Boot
	running int     // CPUs that have not reported yet
	frozen  uint64  // host TSC at the pause
	resets  uint64  // by the guest, since the start
	later   request // what a device asked for while the machine was paused
	booted  time.Time
	again   <-chan time.Time // a reset of the guest's own waits for this
}

type actionKind uint8

const (
	actStart actionKind = iota
	actStop
	actReset
	actPause
	actResume
	actButton
	actNMI
	actChange
	actFreeze
	actAdopt
)

var actionNames = [...]string{"start", "stop", "reset", "pause", "resume", "press the power button of", "send an NMI to", "change", "save", "restore"}

type action struct {
	kind   actionKind
	boot   host.Boot
	what   string // of a change
	change change
	reply  chan error
	// actFreeze fills it, actAdopt takes what it holds.
	state *frozen
}

// name is for messages.
func (a *action) name() string {
	if a.what != "" {
		return a.what
	}
	return actionNames[a.kind]
}

func newMachine(p *Platform, c host.Config) *Machine {
	m := &Machine{p: p, conf: c, con: newConsoles(c), since: time.Now(),
		actions: make(chan action), requests: make(chan request, 8), ejected: make(chan *plugged),
		quit: make(chan struct{}), gone: make(chan struct{})}
	rand.Read(m.generation[:]) // it never fails
	go m.own()
	return m
}

// Config implements host.VM.
func (m *Machine) Config() host.Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conf.Clone()
}

// Console implements host.VM.
func (m *Machine) Console() *host.Console { return m.con.com[0] }

// Serial implements host.VM.
func (m *Machine) Serial(n int) *host.Console {
	if n < 1 || n > len(m.con.com) {
		return nil
	}
	return m.con.com[n-1]
}

// Port implements host.VM.
func (m *Machine) Port(name string) *host.Console { return m.con.port[name] }

// Start implements host.VM.
func (m *Machine) Start(ctx context.Context, b host.Boot) error {
	err := m.do(ctx, action{kind: actStart, boot: b})
	return err
}

// Stop implements host.VM.
func (m *Machine) Stop(ctx context.Context) error { return m.do(ctx, action{kind: actStop}) }

// Reset implements host.VM.
func (m *Machine) Reset(ctx context.Context) error { return m.do(ctx, action{kind: actReset}) }

// Pause implements host.VM.
func (m *Machine) Pause(ctx context.Context) error { return m.do(ctx, action{kind: actPause}) }

// Resume implements host.VM.
func (m *Machine) Resume(ctx context.Context) error { return m.do(ctx, action{kind: actResume}) }

// do gives an action to the owner. It waits for the end even if ctx ends: the
// owner's waits are bounded, and a half-known outcome helps nobody.
func (m *Machine) do(ctx context.Context, a action) error {
	refuse := func(err error) error {
		if a.kind == actStart {
			a.boot.Close()
		}
		return err
	}
	if err := ctx.Err(); err != nil {
		return refuse(err)
	}
	if !m.busy.CompareAndSwap(false, true) {
		return refuse(host.ErrBusy)
	}
	defer m.busy.Store(false)
	return m.tell(a)
}

// tell is do for who holds busy.
func (m *Machine) tell(a action) error {
	a.reply = make(chan error, 1)
	select {
	case m.actions <- a:
		return <-a.reply
	case <-m.gone:
		if a.kind == actStart {
			a.boot.Close()
		}
		return host.ErrClosed
	}
}

// ask is called by devices, on any goroutine. The processors leave the guest: it
// executes nothing behind its own power-off.
func (m *Machine) ask(r request) {
	m.mu.Lock()
	for _, c := range m.cpus {
		c.v.RequestStop()
	}
	m.mu.Unlock()
	select {
	case m.requests <- r:
	default: // one that asks for the same is on its way
	}
}

// own is the owner goroutine.
func (m *Machine) own() {
	defer close(m.gone)
	for {
		select {
		case a := <-m.actions:
			a.reply <- m.act(a)
		case r := <-m.requests:
			m.device(r)
		case s := <-m.reports:
			m.took(s)
			m.report(s)
		case d := <-m.ejected:
			m.eject(d)
		case <-m.again:
			m.again = nil
			m.device(reqReset)
		case <-m.quit:
			m.powerOff("deleted")
			return
		}
	}
}

func (m *Machine) act(a action) error {
	st := m.current()
	ok := false
	switch a.kind {
	case actStart:
		ok = st == host.StateOff || st == host.StateCrashed
	case actStop:
		ok = st != host.StateOff
	case actReset:
		ok = st == host.StateRunning || st == host.StatePaused || st == host.StateCrashed
	case actPause, actButton, actNMI:
		ok = st == host.StateRunning
	case actResume:
		ok = st == host.StatePaused
	case actChange:
		ok = st == host.StateOff || st == host.StateRunning || st == host.StatePaused
	case actFreeze:
		ok = st == host.StateRunning || st == host.StatePaused
	case actAdopt:
		ok = st == host.StateOff
	}
	if !ok {
		if a.kind == actStart {
			a.boot.Close()
		}
		return &host.StateError{Action: a.name(), State: st}
	}
	switch a.kind {
	case actStart:
		return m.powerOn(a.boot)
	case actStop:
		m.powerOff("stopped")
		return nil
	case actReset:
		if err := m.restart(); err != nil {
			return err
		}
		m.p.event(m.conf.ID, "info", "reset")
		return nil
	case actPause:
		return m.pause()
	case actChange:
		return a.change(st != host.StateOff)
	case actButton:
		m.b.pm.PowerButton()
		m.p.event(m.conf.ID, "info", "power button pressed")
		return nil
	case actNMI:
		for i := range m.b.cpus {
			m.b.apics.At(i).LINT1()
		}
		m.p.event(m.conf.ID, "info", "NMI")
		return nil
	case actFreeze:
		return m.freeze(a.state)
	case actAdopt:
		return m.adopt(a.state, a.boot)
	}
	return m.resume()
}

// device does what a device asked for.
func (m *Machine) device(r request) {
	switch m.current() {
	case host.StatePaused:
		m.later = r
		return
	case host.StateRunning:
	default:
		return
	}
	switch r {
	case reqPowerOff:
		m.powerOff("powered off by the guest")
	case reqReset:
		m.guestReset()
	}
}

// report handles a processor that stopped by itself.
func (m *Machine) report(s stopped) {
	switch s.stop.Kind {
	case vcpu.StopRequested:
		// A device asked; its request is in the queue.
	case vcpu.StopInit:
		m.device(reqReset)
	default:
		_, _ = m.halt()
		m.b.clock.Pause()
		m.crash(s.stop.Reason)
	}
}

func (m *Machine) crash(reason string) {
	m.p.log("vm %s: crashed: %s", m.conf.ID, reason)
	m.p.event(m.conf.ID, "error", "crashed: "+reason)
	m.set(host.StateCrashed, reason)
}
