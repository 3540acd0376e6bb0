package pcie

import (
	"bytes"
	"strings"
	"testing"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

func TestState(t *testing.T) {
	r, e, f := plugged(t, 3, nic())
	g := driver(r, true)
	f.state = 77
	r.put(cardAt, spec.Command, 2, 7)
	table := r.get(cardAt, spec.BaseAddress0+4, 4)
	r.program(table, 0, 0xfee0_1000, 0x41, 0)
	r.program(table, 1, 0xfee0_1000, 0x42, 1)
	x := r.cap(cardAt, spec.CapMSIX)
	r.put(cardAt, x+2, 2, spec.MSIXEnable)
	e.Signal(1)
	_, err := r.root.Unplug(e)
	must(t, err)
	rs, err := r.root.SaveState()
	must(t, err)
	es, err := e.SaveState()
	must(t, err)
	for _, order := range []string{"root first", "endpoint first"} {
		q, d, h := plugged(t, 3, nic())
		q.bus.Reset()
		if order == "root first" {
			must(t, q.root.LoadState(rs))
			must(t, d.LoadState(es))
		} else {
			must(t, d.LoadState(es))
			must(t, q.root.LoadState(rs))
		}
		again, _ := q.root.SaveState()
		eq(t, order+": root as saved", bytes.Equal(again, rs), true)
		again, _ = d.SaveState()
		eq(t, order+": endpoint as saved", bytes.Equal(again, es), true)
		eq(t, order+": function", h.state, 77)
		v, a := q.mem(r.get(cardAt, spec.BaseAddress0, 4), 1)
		eq(t, order+": decoded", []any{v, a}, []any{0, vbus.OK})
		eq(t, order+": no message yet", len(q.sink.take()), 0)
		d.Signal(0)
		q.poke(table+16+12, 4, 0)
		eq(t, order+": messages", q.sink.take(), []string{"fee01000/41", "fee01000/42"})
		k := &guest{rig: q, exp: g.exp, msi: g.msi}
		k.command(spec.SlotPowerOff, spec.SlotPowerOff)
		eq(t, order+": the removal goes on", q.get(cardAt, 0, 4), 0xffff_ffff)
	}
}

// TestStateOfADarkSlot: a card without power stays without.
func TestStateOfADarkSlot(t *testing.T) {
	r, _, _ := plugged(t, 1, nic())
	driver(r, true).command(spec.SlotPowerOff, spec.SlotPowerOff)
	rs, err := r.root.SaveState()
	must(t, err)
	q, _, _ := plugged(t, 1, nic())
	must(t, q.root.LoadState(rs))
	eq(t, "dark", q.get(cardAt, 0, 4), 0xffff_ffff)
}

func TestStateRefusals(t *testing.T) {
	r, e, _ := plugged(t, 3, nic())
	rs, _ := r.root.SaveState()
	es, _ := e.SaveState()
	q, d, _ := plugged(t, 2, nic())
	if q.root.LoadState(rs) == nil {
		t.Error("another number of slots")
	}
	empty := newRig(t, 3)
	if err := empty.root.LoadState(rs); err == nil || !strings.Contains(err.Error(), `slot 0 has "", the state "nic"`) {
		t.Error(err)
	}
	for i := range es {
		if d.LoadState(es[:i]) == nil {
			t.Fatalf("%d bytes of %d", i, len(es))
		}
	}
	for i := range rs {
		if r.root.LoadState(rs[:i]) == nil {
			t.Fatalf("%d bytes of %d", i, len(rs))
		}
	}
	other := nic()
	other.Device++
	o, _ := q.endpoint("other", other)
	if o.LoadState(es) == nil {
		t.Error("another device")
	}
	// All ones where the registers are: what is read-only stays.
	for i := 2 + 4; i < 2+4+spec.ConfigSize; i++ {
		es[i] = 0xff
	}
	must(t, e.LoadState(es))
	eq(t, "identity", r.get(cardAt, 0, 4), 0x1041_1af4)
	eq(t, "BAR type", r.get(cardAt, spec.BaseAddress0+16, 4), 0xffff_c00c)
	eq(t, "command", r.get(cardAt, spec.Command, 2), 0x0407)
	if _, err := NewEndpoint(Config{}, plain{}); err != nil {
		t.Fatal(err)
	}
	p, _ := NewEndpoint(Config{}, plain{})
	if _, err := p.SaveState(); err == nil || !strings.Contains(err.Error(), "plain cannot be saved") {
		t.Error(err)
	}
}

// plain is a function without a state.
type plain struct{}

func (plain) Name() string                             { return "plain" }
func (plain) Reset()                                   {}
func (plain) ReadBAR(int, uint64, []byte) vbus.Access  { return vbus.OK }
func (plain) WriteBAR(int, uint64, []byte) vbus.Access { return vbus.OK }
