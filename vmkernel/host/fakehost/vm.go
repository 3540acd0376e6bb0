package fakehost

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"basalt/vmkernel/cpusched/groups"
	"basalt/vmkernel/host"
)

// VM is a machine whose guest prints a banner and echoes its console.
type VM struct {
	h    *Host
	cons *host.Console

	mu      sync.Mutex
	cfg     host.Config
	balloon uint64 // bytes
	serial  [host.NumSerial - 1]*host.Console
	ports   map[string]*host.Console
	busy    bool
	state   host.State
	reason  string
	since   time.Time
	started time.Time
	boot    host.Boot
	held    uint64 // bytes of guest memory
	exits   uint64
	disks   []host.Disk // behind cfg.Disks; nil when off
	down    map[string]bool
	nmis    uint64
	// unplugged: its adapters were restored without a network.
	unplugged bool
	share     *groups.Machine // nil when off
}

func newVM(h *Host, c host.Config) *VM {
	v := &VM{h: h, cfg: c.Clone(), cons: host.NewConsole(), since: h.opt.Now()}
	for i := range v.serial {
		v.serial[i] = host.NewSerial()
	}
	v.ports = map[string]*host.Console{}
	for _, p := range c.Consoles {
		v.ports[p.Name] = host.NewSerial()
	}
	v.cons.OnInput(v.echo)
	return v
}

// Config implements host.VM.
func (v *VM) Config() host.Config {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.cfg.Clone()
}

// Console implements host.VM.
func (v *VM) Console() *host.Console { return v.cons }

// Serial implements host.VM.
func (v *VM) Serial(n int) *host.Console {
	if n < 1 || n > host.NumSerial {
		return nil
	}
	if n == 1 {
		return v.cons
	}
	return v.serial[n-2]
}

// Port implements host.VM.
func (v *VM) Port(name string) *host.Console { return v.ports[name] }

// closeConsoles ends what readers of the machine wait for.
func (v *VM) closeConsoles() {
	v.cons.Close()
	for _, c := range v.serial {
		c.Close()
	}
	for _, c := range v.ports {
		c.Close()
	}
}

// Status implements host.VM.
func (v *VM) Status() host.Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := host.Status{State: v.state, Reason: v.reason, Since: v.since, MemoryUsed: v.held}
	if v.state != host.StateOff {
		s.Uptime = v.h.opt.Now().Sub(v.started)
		s.CPUTime = time.Duration(v.exits) * time.Microsecond
		s.Exits = []host.ExitCount{{Kind: "pio", Count: v.exits}, {Kind: "hlt", Count: v.exits / 2}}
		size := uint64(v.cfg.MemoryMiB) << 20
		s.MemoryTarget, s.MemoryBalloon, s.MemoryReclaimed = size-v.balloon, v.balloon, v.balloon
		v.deviceStats(&s)
	}
	return s
}

// echo is the guest: it answers each input, if it runs.
func (v *VM) echo() {
	v.mu.Lock()
	run := v.state == host.StateRunning
	v.mu.Unlock()
	if !run {
		return
	}
	p := make([]byte, 256)
	for {
		n := v.cons.Receive(p)
		if n == 0 {
			return
		}
		v.mu.Lock()
		v.exits += uint64(n)
		v.mu.Unlock()
		for _, b := range p[:n] {
			if b == '\r' || b == '\n' {
				v.cons.Write([]byte("\r\n$ "))
			} else {
				v.cons.Write([]byte{b})
			}
		}
	}
}

// begin marks an action as under way if the state is one of ok.
func (v *VM) begin(action string, ok ...host.State) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.busy {
		return fmt.Errorf("%s machine %q: %w", action, v.cfg.Name, host.ErrBusy)
	}
	if !slices.Contains(ok, v.state) {
		return &host.StateError{Action: action, State: v.state}
	}
	v.busy = true
	return nil
}

func (v *VM) enter(s host.State, reason string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.reason, v.since = s, reason, v.h.opt.Now()
}

func (v *VM) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy = false
}

// Start implements host.VM.
func (v *VM) Start(ctx context.Context, b host.Boot) error {
	if v.h.opt.CannotRun != "" {
		b.Close()
		return fmt.Errorf("%w: %s", host.ErrNoEngine, v.h.opt.CannotRun)
	}
	if err := v.begin("start", host.StateOff, host.StateCrashed); err != nil {
		b.Close()
		return err
	}
	defer v.end()
	v.powerOff("")
	v.enter(host.StateStarting, "")
	fail := func(err error) error {
		b.Close()
		v.enter(host.StateOff, err.Error())
		return err
	}
	select {
	case <-v.h.gate("start"):
	case <-ctx.Done():
		return fail(ctx.Err())
	}
	format, err := recognise(b.Kernel)
	if err != nil {
		return fail(err)
	}
	if len(b.Disks) != len(v.cfg.Disks) {
		return fail(&host.ConfigError{Field: "disks", Err: fmt.Errorf("%d given, %d configured", len(b.Disks), len(v.cfg.Disks))})
	}
	share, err := v.h.admit(v.cfg)
	if err != nil {
		return fail(err)
	}
	if err := v.h.take(uint64(v.cfg.MemoryMiB) << 20); err != nil {
		share.Release()
		return fail(err)
	}
	v.mu.Lock()
	v.share = share
	v.disks, b.Disks, v.down = b.Disks, nil, map[string]bool{}
	v.balloon = 0
	v.held, v.boot, v.started, v.exits = uint64(v.cfg.MemoryMiB)<<20, b, v.h.opt.Now(), 1
	v.mu.Unlock()
	v.cons.DropInput()
	v.enter(host.StateRunning, "")
	fmt.Fprintf(v.cons, "fake guest: %s %q, command line %q\r\n$ ", format, b.Kernel.Name(), b.Cmdline)
	v.h.events.Append(host.Event{Kind: "vm.started", Object: v.cfg.ID, Message: "machine " + v.cfg.Name + " runs"})
	return nil
}

// powerOff gives memory and images back and enters off.
func (v *VM) powerOff(reason string) {
	v.mu.Lock()
	held, boot := v.held, v.boot
	boot.Disks = v.disks
	share := v.share
	v.held, v.boot, v.disks, v.share = 0, host.Boot{}, nil, nil
	v.mu.Unlock()
	if share != nil {
		share.Release()
	}
	v.h.give(held)
	boot.Close()
	v.enter(host.StateOff, reason)
}

// Stop implements host.VM.
func (v *VM) Stop(ctx context.Context) error {
	if err := v.begin("stop", host.StateRunning, host.StatePaused, host.StateCrashed); err != nil {
		return err
	}
	defer v.end()
	if err := v.pass(ctx, "stop"); err != nil {
		return err
	}
	v.powerOff("")
	v.h.events.Append(host.Event{Kind: "vm.stopped", Object: v.cfg.ID, Message: "machine " + v.cfg.Name + " is off"})
	return nil
}

// Reset implements host.VM.
func (v *VM) Reset(ctx context.Context) error {
	if err := v.begin("reset", host.StateRunning, host.StatePaused, host.StateCrashed); err != nil {
		return err
	}
	defer v.end()
	if err := v.pass(ctx, "reset"); err != nil {
		return err
	}
	v.enter(host.StateRunning, "")
	v.cons.Write([]byte("\r\nfake guest: reset\r\n$ "))
	return nil
}

// Pause implements host.VM.
func (v *VM) Pause(ctx context.Context) error {
	return v.flip(ctx, "pause", host.StateRunning, host.StatePaused)
}

// Resume implements host.VM.
func (v *VM) Resume(ctx context.Context) error {
	if err := v.flip(ctx, "resume", host.StatePaused, host.StateRunning); err != nil {
		return err
	}
	v.echo()
	return nil
}

func (v *VM) flip(ctx context.Context, action string, from, to host.State) error {
	if err := v.begin(action, from); err != nil {
		return err
	}
	defer v.end()
	if err := v.pass(ctx, action); err != nil {
		return err
	}
	v.enter(to, "")
	return nil
}

func (v *VM) pass(ctx context.Context, action string) error {
	select {
	case <-v.h.gate(action):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Crash makes the guest of machine id crash.
func (h *Host) Crash(id, reason string) {
	vm, err := h.vms.Get(id)
	if err != nil {
		return
	}
	vm.(*VM).enter(host.StateCrashed, reason)
	h.events.Append(host.Event{Severity: host.SeverityError, Kind: "vm.crashed", Object: id, Message: reason})
}
