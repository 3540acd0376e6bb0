package vm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vm/loader"
)

// stopWait is how long the owner waits for a virtual CPU to leave its guest. Tests
// shorten it.
var stopWait = 10 * time.Second

var errStuck = errors.New("vm: a virtual CPU did not stop")

// Machine is one virtual machine. It implements host.VM.
type Machine struct {
	p    *Platform
	conf host.Config
	con  *host.Console

	actions  chan action
	requests chan request
	reports  chan stopped
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

	// The owner's.
	boot    host.Boot
	running int // CPUs that have not reported yet
	frozen  uint64
	resets  uint64  // by the guest, since the start
	later   request // what a device asked for while the machine was paused
}

type actionKind uint8

const (
	actStart actionKind = iota
	actStop
	actReset
	actPause
	actResume
)

var actionNames = [...]string{"start", "stop", "reset", "pause", "resume"}

type action struct {
	kind  actionKind
	boot  host.Boot
	reply chan error
}

func newMachine(p *Platform, c host.Config) *Machine {
	m := &Machine{p: p, conf: c, con: host.NewConsole(), since: time.Now(),
		actions: make(chan action), requests: make(chan request, 8),
		quit: make(chan struct{}), gone: make(chan struct{})}
	go m.own()
	return m
}

// Config implements host.VM.
func (m *Machine) Config() host.Config { return m.conf }

// Console implements host.VM.
func (m *Machine) Console() *host.Console { return m.con }

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
	a.reply = make(chan error, 1)
	select {
	case m.actions <- a:
		return <-a.reply
	case <-m.gone:
		return refuse(host.ErrClosed)
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
	case actPause:
		ok = st == host.StateRunning
	case actResume:
		ok = st == host.StatePaused
	}
	if !ok {
		if a.kind == actStart {
			a.boot.Close()
		}
		return &host.StateError{Action: actionNames[a.kind], State: st}
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
	}
	return m.resume()
}

// powerOn goes from off or crashed to running.
func (m *Machine) powerOn(b host.Boot) error {
	if m.current() == host.StateCrashed {
		m.powerOff("")
	}
	if m.p.Factory == nil {
		b.Close()
		return fmt.Errorf("vm: %w: %s", host.ErrNoEngine, m.p.Reason)
	}
	m.boot = b
	m.set(host.StateStarting, "")
	m.mu.Lock()
	m.last = host.Status{}
	m.start = time.Now()
	m.mu.Unlock()
	bd, err := build(m.p, m.conf, m.con, m.ask)
	if err == nil {
		m.mu.Lock()
		m.b = bd
		m.mu.Unlock()
		_, err = bd.boot(images(b))
	}
	if err != nil {
		err = translate(err)
		m.powerOff(err.Error())
		return err
	}
	m.reports = make(chan stopped, len(bd.cpus))
	cpus := make([]*cpu, 0, len(bd.cpus))
	for _, v := range bd.cpus {
		cpus = append(cpus, newCPU(m.p, m.conf.ID, v, m.reports))
	}
	m.mu.Lock()
	m.cpus = cpus
	m.mu.Unlock()
	m.drain()
	m.resets = 0
	m.set(host.StateRunning, "")
	m.p.event(m.conf.ID, "info", "started")
	m.release()
	return nil
}

// release lets the processors run. One that has not come back from its last run
// (after errStuck) goes on with that.
func (m *Machine) release() {
	m.b.clock.Resume()
	for _, c := range m.cpus {
		c.v.ClearStop()
		if !c.running {
			c.running = true
			m.running++
			c.run <- struct{}{}
		}
	}
}

// took notes that a processor has stopped.
func (m *Machine) took(s stopped) {
	s.c.running = false
	m.running--
}

// halt makes every processor leave its guest, within stopWait. own is why one of
// them stopped by itself in the same moment, if one did.
func (m *Machine) halt() (own vcpu.Stop, err error) {
	for _, c := range m.cpus {
		c.v.RequestStop()
	}
	t := time.NewTimer(stopWait)
	defer t.Stop()
	for m.running > 0 {
		select {
		case s := <-m.reports:
			m.took(s)
			if s.stop.Kind != vcpu.StopRequested {
				own = s.stop
			}
		case <-t.C:
			return own, errStuck
		}
	}
	return own, nil
}

// drain forgets what devices asked for before.
func (m *Machine) drain() {
	m.later = reqNone
	for {
		select {
		case <-m.requests:
		default:
			return
		}
	}
}

// powerOff goes to off from anywhere.
func (m *Machine) powerOff(reason string) {
	b := m.b
	if b != nil {
		if _, err := m.halt(); err != nil {
			// The thread cannot be taken back: its memory stays with it.
			m.p.log("vm %s: %v; its memory is kept", m.conf.ID, err)
			b = nil
		}
		for _, c := range m.cpus {
			close(c.run)
		}
		if b != nil {
			for _, c := range m.cpus {
				<-c.done
			}
			if err := b.close(); err != nil {
				m.p.log("vm %s: power off: %v", m.conf.ID, err)
			}
		}
	}
	m.boot.Close()
	m.boot = host.Boot{}
	m.con.OnInput(nil)
	m.mu.Lock()
	if m.b != nil {
		m.last = m.counters()
	}
	m.b, m.cpus = nil, nil
	m.mu.Unlock()
	m.running = 0
	m.reports = nil // a processor that was stuck reports to nobody
	m.drain()
	if m.current() != host.StateOff {
		m.set(host.StateOff, reason)
		m.p.event(m.conf.ID, "info", "off: "+reason)
	}
}

// restart is the reset button, or the guest's own reset.
func (m *Machine) restart() error {
	if _, err := m.halt(); err != nil {
		m.release()
		return err
	}
	m.b.clock.Pause()
	m.b.reset()
	if _, err := m.b.boot(images(m.boot)); err != nil {
		err = translate(err)
		m.crash(err.Error())
		return err
	}
	m.drain()
	m.set(host.StateRunning, "")
	m.release()
	return nil
}

// guestReset is the guest's own reset. One that resets itself for ever must not
// push everything else out of the host's event log: the 1st, 2nd, 4th, 8th and so
// on are events.
func (m *Machine) guestReset() {
	if err := m.restart(); err != nil {
		m.p.log("vm %s: reset: %v", m.conf.ID, err)
		return
	}
	m.resets++
	if n := m.resets; n&(n-1) == 0 {
		m.p.event(m.conf.ID, "info", fmt.Sprintf("reset by the guest, %d since the start", n))
	}
}

func (m *Machine) pause() error {
	own, err := m.halt()
	if err != nil {
		m.release()
		return err
	}
	m.b.clock.Pause()
	switch own.Kind {
	case vcpu.StopNone:
	case vcpu.StopInit:
		m.later = reqReset
	default: // it crashed in the same moment
		m.crash(own.Reason)
		return &host.StateError{Action: "pause", State: host.StateCrashed}
	}
	m.frozen = m.b.cpus[0].TSC()
	m.set(host.StatePaused, "")
	return nil
}

func (m *Machine) resume() error {
	for _, v := range m.b.cpus {
		v.SetTSC(m.frozen)
		v.ClockChanged()
	}
	m.set(host.StateRunning, "")
	m.release()
	if r := m.later; r != reqNone {
		m.later = reqNone
		m.device(r)
	}
	return nil
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

func (m *Machine) set(s host.State, reason string) {
	m.mu.Lock()
	m.state, m.reason, m.since = s, reason, time.Now()
	m.mu.Unlock()
}

func (m *Machine) current() host.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Status implements host.VM.
func (m *Machine) Status() host.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.last
	if m.b != nil {
		s = m.counters()
		s.Uptime = time.Since(m.start)
		s.MemoryUsed = m.b.mem.Resident()
	}
	s.State, s.Reason, s.Since = m.state, m.reason, m.since
	return s
}

// counters are exits and CPU time of the powered machine. m.mu is held.
func (m *Machine) counters() (s host.Status) {
	for _, c := range m.cpus {
		hi, lo := bits.Mul64(c.v.Stats().Idle(m.p.TSC()), 1e6)
		idle, _ := bits.Div64(hi%max(m.p.TSCKHz, 1), lo, max(m.p.TSCKHz, 1))
		s.CPUTime += max(0, c.time()-time.Duration(idle&math.MaxInt64))
	}
	for k := vcpu.Kind(0); k < vcpu.NumKinds; k++ {
		var n uint64
		for _, v := range m.b.cpus {
			n += v.Stats().Count(k)
		}
		if n > 0 {
			s.Exits = append(s.Exits, host.ExitCount{Kind: k.String(), Count: n})
		}
	}
	return s
}

// images is a boot in the loader's words.
func images(b host.Boot) loader.Boot {
	l := loader.Boot{Kernel: b.Kernel, Cmdline: b.Cmdline}
	if b.Kernel != nil {
		l.Name = b.Kernel.Name()
	}
	if b.Initrd != nil {
		l.Initrd = b.Initrd
	}
	for _, m := range b.Modules {
		l.Modules = append(l.Modules, loader.Module{Source: m.Image, String: m.String})
	}
	return l
}

// translate puts an error into the words of vmkernel/host.
func translate(err error) error {
	switch {
	case errors.Is(err, loader.ErrImage):
		return fmt.Errorf("%w: %w", host.ErrBadImage, err)
	case errors.Is(err, loader.ErrTooLarge):
		return &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%w: %w", host.ErrBadImage, err)}
	case errors.Is(err, gmem.ErrNoMemory):
		return fmt.Errorf("%w: %w", host.ErrNoMemory, err)
	}
	return err
}
