package hpet

import (
	"encoding/binary"
	"math/bits"

	"basalt/vmkernel/vbus"
)

func lowest(v uint64) int { return bits.TrailingZeros64(v) }

// fits says whether an access is one that 2.4 allows.
func fits(off uint64, n int) bool {
	return (n == 4 || n == 8) && off%uint64(n) == 0
}

// ReadMMIO implements vbus.MMIO. Reserved registers read 0.
func (h *HPET) ReadMMIO(_ int, off uint64, data []byte) vbus.Access {
	if !fits(off, len(data)) {
		return vbus.BadSize
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.tick()
	reg := off &^ 7
	// The counter is read often and needs nothing of the rest.
	if reg != regCapability && reg != regCounter {
		h.look(now)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], h.read(reg, now))
	copy(data, b[off&7:])
	return vbus.OK
}

func (h *HPET) read(reg uint64, now int64) uint64 {
	switch reg {
	case regCapability:
		return capability
	case regConfig:
		return h.config
	case regStatus:
		return h.status
	case regCounter:
		return h.value(now)
	}
	t, r := h.block(reg)
	if t == nil {
		return 0
	}
	switch r {
	case timerConfig:
		return t.config&^tnValueSet | tnReadOnly
	case timerCompare:
		return t.compare
	}
	return 0
}

// block finds the comparator of a register.
func (h *HPET) block(reg uint64) (t *timer, r uint64) {
	if n := (reg - regTimers) / timerStride; reg >= regTimers && n < NumTimers {
		return &h.timers[n], reg % timerStride
	}
	return nil, 0
}

// WriteMMIO implements vbus.MMIO. Writes to reserved registers are lost.
func (h *HPET) WriteMMIO(_ int, off uint64, data []byte) vbus.Access {
	if !fits(off, len(data)) {
		return vbus.BadSize
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.tick()
	h.look(now)
	var v, mask [8]byte
	for i := range copy(v[off&7:], data) {
		mask[int(off&7)+i] = 0xFF
	}
	h.write(off&^7, binary.LittleEndian.Uint64(v[:]), binary.LittleEndian.Uint64(mask[:]), now)
	h.look(now)
	return vbus.OK
}

// write takes the bits of mask of a register's new value.
func (h *HPET) write(reg, v, mask uint64, now int64) {
	switch reg {
	case regConfig:
		h.configure((h.config&^mask|v)&cfgMask, now)
		return
	case regStatus:
		h.status &^= v
		return
	case regCounter:
		if !h.running() {
			h.counter = h.counter&^mask | v
		}
		return
	}
	t, r := h.block(reg)
	if t == nil {
		return
	}
	switch r {
	case timerConfig:
		h.configureTimer(t, t.config&^mask|v, now)
	case timerCompare:
		h.compare(t, v, mask, now)
	}
}

// configure starts, halts and routes.
func (h *HPET) configure(v uint64, now int64) {
	c := h.value(now)
	was := h.running()
	if (v^h.config)&cfgLegacy != 0 {
		for i := range firstPin {
			h.timers[i].high = false
		}
	}
	h.config = v
	switch {
	case was && !h.running():
		h.counter = c
		for i := range h.timers {
			h.timers[i].due = never
		}
	case !was && h.running():
		h.counter = c - uint64(now)
		for i := range h.timers {
			h.timers[i].schedule(now, c, false)
		}
	}
}

func (h *HPET) configureTimer(t *timer, v uint64, now int64) {
	v &= tnWritable
	if RouteCap>>(v&tnRoute>>tnRoutePos)&1 == 0 {
		v = v&^tnRoute | t.config&tnRoute // 2.3.8: a route that is not possible does not read back
	}
	if v&tnPeriodic == 0 {
		v &^= tnValueSet
	}
	old := t.config
	t.config = v
	if (v^old)&(tnLevel|tnRoute) != 0 {
		t.high = false
	}
	if (v^old)&tn32 != 0 {
		t.compare &= t.mask()
		t.period &= t.mask()
	}
	if h.running() && (v^old)&(tn32|tnPeriodic) != 0 {
		// What is due now is due whether periodic or not.
		t.schedule(now, h.value(now), true)
	}
}

func (h *HPET) compare(t *timer, v, mask uint64, now int64) {
	if mask &= t.mask(); mask == 0 {
		return // the upper half of 32 bits
	}
	v &= mask
	if t.on(tnPeriodic) {
		t.period = t.period&^mask | v
		if !t.on(tnValueSet) {
			return
		}
		t.config &^= tnValueSet
	}
	t.compare = t.compare&^mask | v
	if h.running() {
		t.schedule(now, h.value(now), false)
	}
}
