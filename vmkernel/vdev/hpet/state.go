package hpet

import "basalt/vmkernel/checkpoint"

const stateVersion = 1

// SaveState writes the registers; ticks are of the VM's clock, which is saved with
// the machine.
func (h *HPET) SaveState() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U8(uint8(h.config))
	e.U8(uint8(h.status))
	e.U64(h.counter)
	e.U64(h.levels)
	for _, in := range h.inputs {
		e.Bool(in)
	}
	for i := range h.timers {
		t := &h.timers[i]
		e.U32(uint32(t.config))
		e.U64(t.compare)
		e.U64(t.period)
		e.I64(t.due)
		e.Bool(t.high)
	}
	return e.Bytes(), nil
}

// LoadState replaces them, or changes nothing and says why. The clock was set before;
// the controllers behind the pins have their own state.
func (h *HPET) LoadState(b []byte) error {
	d := checkpoint.NewDecoder(b, stateVersion)
	config, status, counter, levels := d.U8(), d.U8(), d.U64(), d.U64()
	inputs := [2]bool{d.Bool(), d.Bool()}
	d.Check(config&^cfgMask == 0, "configuration")
	d.Check(status>>NumTimers == 0, "status")
	d.Check(levels&^(RouteCap<<firstPin|1<<firstPin|3) == 0, "pins")
	var timers [NumTimers]timer
	for i := range timers {
		t := &timers[i]
		t.config, t.compare, t.period, t.due, t.high = uint64(d.U32()), d.U64(), d.U64(), d.I64(), d.Bool()
		route := t.config & tnRoute >> tnRoutePos
		d.Check(t.config&^tnWritable == 0 && (route == 0 || RouteCap>>route&1 != 0), "timer")
		d.Check((t.compare|t.period)&^t.mask() == 0, "comparator")
		d.Check(t.due == never || t.due >= 0 && t.due < 2*maxDistance && config&cfgEnable != 0, "match")
	}
	if err := d.Done("hpet"); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config, h.status, h.counter, h.levels, h.inputs = uint64(config), uint64(status), counter, levels, inputs
	h.timers = timers
	h.arm()
	return nil
}
