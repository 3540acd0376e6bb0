package pcie

import (
	"testing"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

// program writes entry i of the MSI-X table behind BAR 1.
func (r *rig) program(table uint64, i int, addr uint64, data, control uint32) {
	at := table + uint64(i)*spec.MSIXEntrySize
	r.poke(at, 8, addr)
	r.poke(at+8, 4, uint64(data))
	r.poke(at+12, 4, uint64(control))
}

func TestMSIX(t *testing.T) { // PCI 3.0, 6.8.2 and 6.8.3
	r, e, _ := plugged(t, 1, nic())
	r.put(cardAt, spec.Command, 2, 7)
	table := r.get(cardAt, spec.BaseAddress0+4, 4)
	x := r.cap(cardAt, spec.CapMSIX)
	eq(t, "size, BIR, offsets", []uint64{r.get(cardAt, x+2, 2), r.get(cardAt, x+4, 4), r.get(cardAt, x+8, 4)}, []uint64{2, 1, 0x801})
	pba := table + 0x800
	v, _ := r.mem(table+12, 4)
	eq(t, "masked after reset", v, 1)
	r.program(table, 0, 0xfee0_1000, 0x41, 0)
	r.program(table, 2, 0xfee0_2000, 0x43, 1)
	e.Signal(0)
	eq(t, "not enabled: nothing", []any{r.sink.take(), e.MSIXEnabled()}, []any{[]string(nil), false})
	r.put(cardAt, x+2, 2, spec.MSIXEnable|spec.MSIXFunctionMask)
	eq(t, "enabled", e.MSIXEnabled(), true)
	e.Signal(0)
	e.Signal(0)
	e.Signal(2)
	e.Signal(3) // there is none
	v, _ = r.mem(pba, 8)
	eq(t, "function mask: pending", []any{r.sink.take(), v}, []any{[]string(nil), 5})
	r.put(cardAt, x+2, 2, spec.MSIXEnable)
	v, _ = r.mem(pba, 8)
	eq(t, "one message when the mask goes", []any{r.sink.take(), v}, []any{[]string{"fee01000/41"}, 4})
	r.poke(table+2*16+12, 4, 0)
	v, _ = r.mem(pba, 4)
	eq(t, "entry unmasked", []any{r.sink.take(), v}, []any{[]string{"fee02000/43"}, 0})
	e.Signal(0)
	eq(t, "at once", r.sink.take(), []string{"fee01000/41"})
	r.program(table, 0, 0x10_0000, 0x41, 0)
	e.Signal(0)
	r.program(table, 0, 0x1_fee0_0000, 0x41, 0)
	e.Signal(0)
	eq(t, "a message to memory", r.sink.take(), []string(nil))
	r.program(table, 0, 0xfee0_1000, 0x41, 0)
	r.put(cardAt, spec.Command, 2, spec.CommandMemory)
	e.Signal(0)
	eq(t, "no bus mastering: it waits", r.sink.take(), []string(nil))
	r.put(cardAt, spec.Command, 2, 7)
	eq(t, "and comes", r.sink.take(), []string{"fee01000/41"})
	r.put(portAt, spec.Command, 2, spec.CommandMemory)
	e.Signal(0)
	eq(t, "nor without the port's", r.sink.take(), []string(nil))
	r.put(portAt, spec.Command, 2, 7)
	eq(t, "and comes again", r.sink.take(), []string{"fee01000/41"})
	for _, n := range []int{1, 2, 3, 5, 6, 7} {
		if _, a := r.mem(table, n); a != vbus.BadSize {
			t.Errorf("%d bytes: %v", n, a)
		}
	}
	if _, a := r.mem(table+4, 8); a != vbus.BadSize {
		t.Error("unaligned quadword")
	}
	r.poke(pba, 8, ^uint64(0))
	v, _ = r.mem(pba, 8)
	eq(t, "pending bits are read-only", v, 0)
	v, _ = r.mem(table+0xff8, 8)
	eq(t, "the rest reads zero", v, 0)
}

func TestINTx(t *testing.T) { // PCI 3.0, 6.2.2, 6.2.3 and 6.8.2
	r, e, _ := plugged(t, 1, nic())
	gsi := GSI(16, 1)
	status := func() bool { return r.get(cardAt, spec.Status, 2)&spec.StatusInterrupt != 0 }
	e.SetINTx(true)
	eq(t, "asserted", []bool{r.low(gsi), status()}, []bool{false, true})
	r.put(cardAt, spec.Command, 2, 7|spec.CommandInterruptDisable)
	eq(t, "Interrupt Disable", []bool{r.low(gsi), status()}, []bool{true, true})
	r.put(cardAt, spec.Command, 2, 7)
	eq(t, "again", r.low(gsi), false)
	x := r.cap(cardAt, spec.CapMSIX)
	r.put(cardAt, x+2, 2, spec.MSIXEnable)
	eq(t, "no INTx with MSI-X", r.low(gsi), true)
	r.put(cardAt, x+2, 2, 0)
	eq(t, "again without", r.low(gsi), false)
	e.SetINTx(false)
	eq(t, "low", []bool{r.low(gsi), status()}, []bool{true, false})
}

// TestSharedLines: devices 1 and 5 share GSI 21; the line is high while one is.
func TestSharedLines(t *testing.T) {
	r := newRig(t, 0)
	var es []*Endpoint
	for i := range MaxFixed {
		e, _ := r.endpoint(string(rune('a'+i)), Config{Pin: 1})
		_, err := r.root.PlugFixed(e)
		must(t, err)
		es = append(es, e)
	}
	es[0].SetINTx(true)
	es[4].SetINTx(true)
	es[0].SetINTx(false)
	eq(t, "held by the other", []bool{r.low(21), r.low(22)}, []bool{false, true})
	es[4].SetINTx(false)
	eq(t, "let go", r.low(21), true)
	e, _ := r.endpoint("z", Config{})
	if _, err := r.root.PlugFixed(e); err == nil {
		t.Error("one device too many on bus 0")
	}
}

// TestRoutingIsQ35s compares with the values that drivers know of the chip set.
func TestRoutingIsQ35s(t *testing.T) {
	for _, c := range []struct {
		dev, pin uint8
		want     int
	}{{1, 1, 21}, {2, 1, 22}, {2, 4, 21}, {16, 1, 20}, {24, 2, 21}, {25, 1, 16}, {29, 4, 19}, {30, 1, 22}, {31, 3, 18}} {
		eq(t, "GSI", GSI(c.dev, c.pin), c.want)
	}
}

func TestMSI(t *testing.T) { // PCI 3.0, 6.8.1
	r, e, _ := plugged(t, 1, Config{MSI: true, Pin: 1})
	r.put(cardAt, spec.Command, 2, spec.CommandBusMaster)
	m := r.cap(cardAt, spec.CapMSI)
	r.put(cardAt, m+spec.MSIAddress, 4, 0xfee0_3003)
	r.put(cardAt, m+spec.MSIData64, 2, 0x51)
	e.Signal(0)
	eq(t, "off", r.sink.take(), []string(nil))
	r.put(cardAt, m+spec.MSIControl, 2, 0xffff)
	eq(t, "one message, 64 bits", r.get(cardAt, m+spec.MSIControl, 2), spec.MSI64|spec.MSIEnable)
	e.Signal(7)
	eq(t, "sent", r.sink.take(), []string{"fee03000/51"})
	r.put(cardAt, spec.Command, 2, 0)
	e.Signal(0)
	eq(t, "held", r.sink.take(), []string(nil))
	r.put(cardAt, spec.Command, 2, spec.CommandBusMaster)
	eq(t, "sent then", r.sink.take(), []string{"fee03000/51"})
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	r, e, _ := plugged(t, 8, nic())
	r.put(cardAt, spec.Command, 2, 7)
	table, base := r.get(cardAt, spec.BaseAddress0+4, 4), r.get(cardAt, spec.BaseAddress0, 4)
	r.program(table, 0, 0xfee0_1000, 0x41, 0)
	x := r.cap(cardAt, spec.CapMSIX)
	r.put(cardAt, x+2, 2, spec.MSIXEnable)
	r.sink.log = make([]string, 200) // full: the double itself does not allocate
	buf := make([]byte, 4)
	for name, f := range map[string]func(){
		"Signal":        func() { e.Signal(0) },
		"masked Signal": func() { e.Signal(1) },
		"SetINTx":       func() { e.SetINTx(true); e.SetINTx(false) },
		"BAR":           func() { r.bus.ReadMMIO(base, buf) },
		"port BAR":      func() { r.bus.ReadPort(0x1000, buf) },
		"table":         func() { r.bus.ReadMMIO(table, buf) },
		"configuration": func() { r.bus.ReadMMIO(ecam(cardAt, 0), buf) },
		"interrupt line": func() {
			r.bus.WriteMMIO(ecam(cardAt, spec.InterruptLine), buf[:1])
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
