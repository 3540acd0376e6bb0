// Package fakecpu is an engine that executes nothing: a test scripts the exits.
// It keeps to the seam's rules (vcpu's doc.go), so whatever is right over it is
// right over hardware as far as the seam says. World W2.
package fakecpu

import (
	"errors"
	"sync"

	"basalt/vmkernel/vcpu"
)

// Step is one thing that the guest does.
type Step struct {
	Exit vcpu.Exit
	// Do runs before the exit, on the processor's goroutine; may be nil.
	Do func(e *Engine)
}

// Factory makes engines. Scripts[i] is the script of CPU i. The zero value makes
// engines that halt at once.
type Factory struct {
	Scripts map[int][]Step
	// Loop makes every script start again at its end.
	Loop bool

	mu      sync.Mutex
	engines []*Engine
}

// Name implements vcpu.Factory.
func (f *Factory) Name() string { return "fake" }

// Caps implements vcpu.Capable.
func (f *Factory) Caps() vcpu.Caps {
	return vcpu.Caps{RDTSCP: true, INVPCID: true, XCR0: 7}
}

// NewTable makes a table that only records.
func (f *Factory) NewTable() (vcpu.NestedTable, error) {
	return &NestedTable{maps: map[uint64]vcpu.Prot{}}, nil
}

// NewEngine makes an engine.
func (f *Factory) NewEngine(index int, t vcpu.NestedTable, fast vcpu.Fast) (vcpu.Engine, error) {
	e := &Engine{fast: fast, script: f.Scripts[index], loop: f.Loop, kicks: make(chan struct{}, 1)}
	f.mu.Lock()
	f.engines = append(f.engines, e)
	f.mu.Unlock()
	return e, nil
}

// Engines are those made so far.
func (f *Factory) Engines() []*Engine {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*Engine(nil), f.engines...)
}

// Engine is a scripted processor. Its fields belong to the goroutine that runs
// it; a test looks at them when that has stopped.
type Engine struct {
	fast   vcpu.Fast
	script []Step
	at     int
	loop   bool
	kicks  chan struct{}

	R         vcpu.Regs
	S         vcpu.System
	Offset    uint64
	Shadow    bool
	NMI       bool
	Flushes   int
	Closed    bool
	Pending   vcpu.Event   // to be delivered at the next entry
	Delivered []vcpu.Event // everything that the guest has got
	Entries   int
	xsave     [832]byte
	// RunError is what Run returns, if not nil.
	RunError error
}

// Run implements vcpu.Engine.
func (e *Engine) Run(x *vcpu.Exit) error {
	if e.RunError != nil {
		return e.RunError
	}
	if e.Closed {
		return errors.New("fakecpu: closed")
	}
	for {
		select {
		case <-e.kicks:
			x.Kind, x.Event.Valid = vcpu.KindKick, false
		default:
			e.enter()
			if e.at == len(e.script) {
				if e.loop && e.at > 0 {
					e.at = 0
					continue
				}
				<-e.kicks
				x.Kind, x.Event.Valid = vcpu.KindKick, false
				break
			}
			s := &e.script[e.at]
			e.at++
			*x = s.Exit
			if s.Do != nil {
				s.Do(e)
			}
			if x.RIP == 0 {
				x.RIP = e.R.RIP
			}
		}
		rip := e.R.RIP
		switch e.fast.FastExit(x) {
		case vcpu.Return:
			return nil
		case vcpu.Resume, vcpu.ResumeQuiet, vcpu.Yield:
			e.Shadow = e.Shadow && e.R.RIP == rip
		case vcpu.Block:
			if v, ok := e.fast.PendingInterrupt(); !ok || v == 0 {
				away := e.fast.Away()
				<-e.kicks
				if away && e.fast.Back() {
					e.Flushes++
				}
				e.kick() // seen at the top
			}
		}
	}
}

// Push appends to the script; not while the processor runs.
func (e *Engine) Push(s ...Step) { e.script = append(e.script, s...) }

// enter delivers what is pending.
func (e *Engine) enter() {
	e.Entries++
	if e.Pending.Valid {
		e.Delivered = append(e.Delivered, e.Pending)
		e.Pending.Valid = false
		return
	}
	if e.NMI {
		e.NMI = false
		e.Delivered = append(e.Delivered, vcpu.Event{Valid: true, Type: vcpu.EventNMI, Vector: 2})
		return
	}
	if v, ok := e.fast.PendingInterrupt(); ok && e.R.RFLAGS&vcpu.FlagIF != 0 && !e.Shadow {
		e.fast.AckInterrupt(v)
		e.Delivered = append(e.Delivered, vcpu.Event{Valid: true, Type: vcpu.EventExtInt, Vector: v})
	}
}

func (e *Engine) kick() {
	select {
	case e.kicks <- struct{}{}:
	default:
	}
}

// Kick implements vcpu.Engine.
func (e *Engine) Kick() { e.kick() }

// Kicked says that a Kick waits to be seen. For any goroutine.
func (e *Engine) Kicked() bool { return len(e.kicks) > 0 }

// Regs implements vcpu.Engine.
func (e *Engine) Regs() *vcpu.Regs { return &e.R }

// LoadMode implements vcpu.Engine.
func (e *Engine) LoadMode(s *vcpu.System) {
	s.CR0, s.CR3, s.CR4, s.EFER, s.CS, s.SS = e.S.CR0, e.S.CR3, e.S.CR4, e.S.EFER, e.S.CS, e.S.SS
	s.DS = e.S.DS
}

// LoadSystem implements vcpu.Engine.
func (e *Engine) LoadSystem(s *vcpu.System) {
	*s = e.S
	s.InterruptShadow = e.Shadow
}

// StoreSystem implements vcpu.Engine.
func (e *Engine) StoreSystem(s *vcpu.System) error {
	e.S, e.Shadow = *s, s.InterruptShadow
	return nil
}

// Inject implements vcpu.Engine.
func (e *Engine) Inject(ev vcpu.Event) { e.Pending = ev }

// DropEvents implements vcpu.Engine.
func (e *Engine) DropEvents() { e.Pending, e.NMI = vcpu.Event{}, false }

// Events implements vcpu.Engine.
func (e *Engine) Events() (next, behind vcpu.Event, nmi bool) {
	return e.Pending, vcpu.Event{}, e.NMI
}

// SetNMIPending implements vcpu.Engine.
func (e *Engine) SetNMIPending() { e.NMI = true }

// SetInterruptShadow implements vcpu.Engine.
func (e *Engine) SetInterruptShadow(on bool) { e.Shadow = on }

// SetTSCOffset implements vcpu.Engine.
func (e *Engine) SetTSCOffset(o uint64) { e.Offset = o }

// XSAVE implements vcpu.Engine.
func (e *Engine) XSAVE() []byte { return e.xsave[:] }

// FlushTLB implements vcpu.Engine.
func (e *Engine) FlushTLB() { e.Flushes++ }

// Close implements vcpu.Engine.
func (e *Engine) Close() error {
	e.Closed = true
	return nil
}

// NestedTable records mappings of 4 KiB pages and 2 MiB frames as they are given.
type NestedTable struct {
	mu     sync.Mutex
	maps   map[uint64]vcpu.Prot
	Closed bool
}

// Map implements vcpu.NestedTable.
func (t *NestedTable) Map(gpa, _, _ uint64, prot vcpu.Prot) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.maps[gpa] = prot
	return nil
}

// Unmap implements vcpu.NestedTable.
func (t *NestedTable) Unmap(gpa, size uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a := range t.maps {
		if a >= gpa && a-gpa < size {
			delete(t.maps, a)
		}
	}
	return nil
}

// Protect implements vcpu.NestedTable.
func (t *NestedTable) Protect(gpa, size uint64, prot vcpu.Prot) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a := range t.maps {
		if a >= gpa && a-gpa < size {
			t.maps[a] = prot
		}
	}
	return nil
}

// Mapped is the number of mappings.
func (t *NestedTable) Mapped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.maps)
}

// Root implements vcpu.NestedTable.
func (t *NestedTable) Root() uint64 { return 0 }

// Close implements vcpu.NestedTable.
func (t *NestedTable) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Closed = true
	return nil
}
