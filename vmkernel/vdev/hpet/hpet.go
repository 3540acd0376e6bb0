package hpet

import (
	"sync"

	"basalt/vmkernel/vbus"
)

// The two lines of legacy replacement, and the inputs of Input.
const (
	LinePIT = 0 // ISA interrupt 0
	LineRTC = 1 // ISA interrupt 8
)

// Config is what the timer is wired to.
type Config struct {
	Clock vbus.Clock
	// Legacy are ISA interrupts 0 and 8.
	Legacy [2]vbus.Line
	// Pin gives the pin of a global interrupt in RouteCap.
	Pin func(gsi int) vbus.Line
}

// HPET is the timer block. Safe for any goroutine.
type HPET struct {
	clock vbus.Clock
	wake  vbus.Timer

	mu      sync.Mutex
	config  uint64 // cfgMask bits
	status  uint64
	counter uint64 // of a counter that is halted; else at tick 0, modulo 2^64
	timers  [NumTimers]timer
	inputs  [2]bool // what the PIT and the RTC say

	outputs [numOutputs]vbus.Line
	levels  uint64 // by output, what they were told last
}

// Outputs: first the legacy lines, then the pins of RouteCap by their number.
const (
	firstPin   = 2
	numOutputs = firstPin + 32
)

var (
	_ vbus.Device   = (*HPET)(nil)
	_ vbus.MMIO     = (*HPET)(nil)
	_ vbus.Stateful = (*HPET)(nil)
)

// New makes a reset timer block.
func New(c Config) *HPET {
	h := &HPET{clock: c.Clock}
	h.outputs[LinePIT], h.outputs[LineRTC] = c.Legacy[0], c.Legacy[1]
	for n := range 32 {
		h.outputs[firstPin+n] = vbus.NoLine{}
		if RouteCap>>n&1 != 0 && c.Pin != nil {
			h.outputs[firstPin+n] = c.Pin(n)
		}
	}
	h.wake = c.Clock.NewTimer(h.expired)
	h.Reset()
	return h
}

// Name implements vbus.Device.
func (h *HPET) Name() string { return "hpet" }

// Reset is power-on: the counter is halted at 0, comparators are all ones (2.3.9.1).
func (h *HPET) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config, h.status, h.counter = 0, 0, 0
	for i := range h.timers {
		h.timers[i] = timer{compare: ^uint64(0), due: never}
	}
	h.update()
}

// Input is where the PIT (LinePIT) or the RTC (LineRTC) is wired to: its line goes on
// to the interrupt controllers unless legacy replacement is on.
func (h *HPET) Input(n int) vbus.Line { return &input{h, n} }

type input struct {
	h *HPET
	n int
}

// Set implements vbus.Line.
func (l *input) Set(high bool) {
	h := l.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inputs[l.n] = high
	if h.config&cfgLegacy == 0 {
		h.drive(l.n, high)
	}
}

func (h *HPET) tick() int64 { return h.clock.Now() / PeriodNS }

func (h *HPET) running() bool { return h.config&cfgEnable != 0 }

// value is the main counter at a tick.
func (h *HPET) value(now int64) uint64 {
	if h.running() {
		return h.counter + uint64(now)
	}
	return h.counter
}

// expired is the clock's callback.
func (h *HPET) expired() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.look(h.tick())
}

// look takes every match up to a tick, sets the pins and arms the clock.
func (h *HPET) look(now int64) {
	edges := 0
	for i := range h.timers {
		t := &h.timers[i]
		if !h.running() || !t.match(now) {
			continue
		}
		switch {
		case t.on(tnLevel):
			h.status |= 1 << i
		case t.on(tnEnable):
			t.high = false
			edges |= 1 << i
		}
	}
	h.update() // the pins of new edges are low for a moment
	if edges != 0 {
		for i := range h.timers {
			if edges>>i&1 != 0 {
				h.timers[i].high = true
			}
		}
		h.update()
	}
	h.arm()
}

// output is where a comparator's interrupt goes.
func (h *HPET) output(i int) int {
	if h.config&cfgLegacy != 0 && i < firstPin {
		return i
	}
	return firstPin + int(h.timers[i].config&tnRoute>>tnRoutePos)
}

// update sets every pin that has to change.
func (h *HPET) update() {
	want := uint64(0)
	if h.config&cfgLegacy == 0 {
		for n, high := range h.inputs {
			if high {
				want |= 1 << n
			}
		}
	}
	for i := range h.timers {
		t := &h.timers[i]
		if !h.running() || !t.on(tnEnable) {
			t.high = false
			continue
		}
		if high := t.high; t.on(tnLevel) && h.status>>i&1 != 0 || !t.on(tnLevel) && high {
			want |= 1 << h.output(i)
		}
	}
	for changed := (want ^ h.levels); changed != 0; changed &= changed - 1 {
		n := lowest(changed)
		h.drive(n, want>>n&1 != 0)
	}
}

func (h *HPET) drive(n int, high bool) {
	h.outputs[n].Set(high)
	if h.levels &^= 1 << n; high {
		h.levels |= 1 << n
	}
}

// arm sets the clock for the next interrupt.
func (h *HPET) arm() {
	next := never
	for i := range h.timers {
		t := &h.timers[i]
		if t.due == never || !t.on(tnEnable) || t.on(tnLevel) && h.status>>i&1 != 0 {
			continue // nobody hears of it before the guest looks
		}
		if next == never || t.due < next {
			next = t.due
		}
	}
	if !h.running() || next == never {
		h.wake.Stop()
		return
	}
	h.wake.Arm(next * PeriodNS)
}
