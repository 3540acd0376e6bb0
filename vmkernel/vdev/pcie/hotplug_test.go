package pcie

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	spec "basalt/drivers/spec/pci"
)

// guest is what a hot-plug driver does with a slot, as Linux's pciehp does it.
type guest struct {
	*rig
	exp, msi int
}

const listen = spec.SlotAttentionEnable | spec.SlotFaultEnable | spec.SlotInterruptEnable | spec.SlotLinkEnable

func driver(r *rig, message bool) *guest {
	g := &guest{rig: r, exp: r.cap(portAt, spec.CapPCIExpress), msi: r.cap(portAt, spec.CapMSI)}
	if message {
		r.put(portAt, g.msi+spec.MSIAddress, 4, 0xfee0_0000)
		r.put(portAt, g.msi+spec.MSIData64, 2, 0x60)
		r.put(portAt, g.msi+spec.MSIControl, 2, spec.MSIEnable)
	}
	g.command(listen, listen)
	return g
}

func (g *guest) control() uint16 { return uint16(g.get(portAt, g.exp+spec.ExpSlotControl, 2)) }
func (g *guest) status() uint16  { return uint16(g.get(portAt, g.exp+spec.ExpSlotStatus, 2)) }
func (g *guest) command(v, mask uint16) {
	g.put(portAt, g.exp+spec.ExpSlotControl, 2, uint64(g.control()&^mask|v&mask))
}
func (g *guest) ack(bits uint16) { g.put(portAt, g.exp+spec.ExpSlotStatus, 2, uint64(bits)) }
func (g *guest) link() bool {
	return g.get(portAt, g.exp+spec.ExpLinkStatus, 2)&spec.ExpLinkActive != 0
}

const slotChanges = spec.SlotAttentionPressed | spec.SlotPresenceChanged | spec.SlotLinkChanged

func TestSlotCapabilities(t *testing.T) { // PCI Express 3.0, 7.8.2 and 7.8.9
	r := newRig(t, 3)
	at := Address{Device: 16, Func: 2}
	exp := r.cap(at, spec.CapPCIExpress)
	eq(t, "root port with slot, version 2", r.get(at, exp+spec.ExpCapabilities, 2), 0x0142)
	slot := r.get(at, exp+spec.ExpSlotCap, 4)
	eq(t, "number", slot>>spec.SlotNumberShift, 3)
	eq(t, "button, power, indicators, surprise, hot-plug, no command completed", slot&0x7ffff, 0x4007b)
	eq(t, "link reporting", r.get(at, exp+spec.ExpLinkCap, 4)&spec.ExpLinkReporting != 0, true)
	eq(t, "an empty slot has no power", r.get(at, exp+spec.ExpSlotControl, 2), 0x7c0)
	r.put(at, exp+spec.ExpSlotControl, 2, 0xffff)
	eq(t, "writable", r.get(at, exp+spec.ExpSlotControl, 2), 0x17eb)
}

// TestHotAdd: one message with button and presence in it, which lets pciehp go
// ahead at once; then power, link, device.
func TestHotAdd(t *testing.T) { // 6.7.3
	r := newRig(t, 1)
	must(t, r.root.Configure())
	g := driver(r, true)
	e, f := r.endpoint("nic", nic())
	at, err := r.root.Plug(e)
	must(t, err)
	eq(t, "address", at, cardAt)
	eq(t, "one message", r.sink.take(), []string{"fee00000/60"})
	eq(t, "status", g.status(), spec.SlotAttentionPressed|spec.SlotPresenceChanged|spec.SlotPresence)
	eq(t, "no power yet", []any{r.get(cardAt, 0, 4), g.link()}, []any{0xffff_ffff, false})
	g.ack(slotChanges)
	g.command(spec.SlotPowerLEDBlink, spec.SlotPowerLEDMask)
	g.command(0, spec.SlotPowerOff)
	eq(t, "link up is an event", []any{g.link(), g.status(), r.sink.take()}, []any{true, spec.SlotLinkChanged | spec.SlotPresence, []string{"fee00000/60"}})
	g.ack(spec.SlotLinkChanged)
	eq(t, "the device is there", r.get(cardAt, 0, 4), 0x1041_1af4)
	// Its driver places it in the port's spare windows.
	base := r.get(portAt, spec.MemoryBase, 2) << 16
	r.put(cardAt, spec.BaseAddress0, 4, base)
	r.put(cardAt, spec.Command, 2, 6)
	eq(t, "decoded, may send", []bool{e.claims[0].on, e.BusMaster()}, []bool{true, true})
	if f.resets != 0 {
		t.Error("reset by being plugged in")
	}
}

func TestOrderlyRemoval(t *testing.T) { // 6.7.1.5 and 6.7.2
	r, e, f := plugged(t, 1, nic())
	if _, err := r.root.Unplug(e); !errors.Is(err, ErrNotListening) {
		t.Fatalf("before a driver listens: %v", err)
	}
	g := driver(r, true)
	gone, err := r.root.Unplug(e)
	must(t, err)
	eq(t, "the button", []any{g.status(), r.sink.take()}, []any{spec.SlotAttentionPressed | spec.SlotPresence, []string{"fee00000/60"}})
	g.ack(spec.SlotAttentionPressed)
	g.command(spec.SlotPowerLEDBlink, spec.SlotPowerLEDMask)
	again, err := r.root.Unplug(e)
	must(t, err)
	if again != gone || g.status()&spec.SlotAttentionPressed != 0 {
		t.Error("a second press while the indicator blinks would cancel")
	}
	select {
	case <-gone:
		t.Fatal("gone before the guest let go")
	default:
	}
	eq(t, "still works", r.get(cardAt, 0, 4), 0x1041_1af4)
	g.command(spec.SlotPowerOff, spec.SlotPowerOff)
	isGone(t, gone)
	eq(t, "status", g.status(), spec.SlotPresenceChanged|spec.SlotLinkChanged)
	eq(t, "gone", []any{r.get(cardAt, 0, 4), len(r.bus.Devices()), f.resets, e.BusMaster()}, []any{0xffff_ffff, 1, 1, false})
	eq(t, "not plugged", errors.Is(r.root.Remove(e), ErrNotPlugged), true)
	// The same device into the same slot again.
	g.ack(slotChanges)
	_, err = r.root.Plug(e)
	must(t, err)
	g.command(0, spec.SlotPowerOff)
	eq(t, "back", r.get(cardAt, 0, 4), 0x1041_1af4)
}

func TestSurpriseRemoval(t *testing.T) { // 6.7.2.3, by INTx
	r, e, f := plugged(t, 1, nic())
	g := driver(r, false)
	e.SetINTx(true)
	base := r.get(cardAt, spec.BaseAddress0, 4)
	must(t, r.root.Remove(e))
	eq(t, "link and presence", g.status(), spec.SlotPresenceChanged|spec.SlotLinkChanged)
	eq(t, "INTx of the port", r.low(GSI(16, 1)), false)
	g.ack(slotChanges)
	eq(t, "the line falls, the card's too", r.low(GSI(16, 1)), true)
	v, _ := r.mem(base, 4)
	eq(t, "no register answers", []any{v, f.resets}, []any{0xffff_ffff, 1})
	e.SetINTx(true)
	e.Signal(0)
	eq(t, "and no interrupt comes", r.low(GSI(16, 1)), true)
}

// TestPowerCycle: a guest turns the power of a slot off and on by itself.
func TestPowerCycle(t *testing.T) {
	r, e, f := plugged(t, 1, nic())
	g := driver(r, true)
	g.command(spec.SlotPowerOff, spec.SlotPowerOff)
	eq(t, "off", []any{r.get(cardAt, 0, 4), e.claims[0].on, f.resets}, []any{0xffff_ffff, false, 1})
	g.command(0, spec.SlotPowerOff)
	eq(t, "on, reset", []any{r.get(cardAt, 0, 4), r.get(cardAt, spec.Command, 2)}, []any{0x1041_1af4, 0})
	g.command(spec.SlotPowerOff, spec.SlotPowerOff)
	gone, err := r.root.Unplug(e)
	must(t, err)
	isGone(t, gone)
}

// TestResetEndsRemoval: after a reset of the machine nobody holds the device.
func TestResetEndsRemoval(t *testing.T) {
	r, e, _ := plugged(t, 1, nic())
	driver(r, true)
	gone, err := r.root.Unplug(e)
	must(t, err)
	r.bus.Reset()
	isGone(t, gone)
	must(t, r.root.Configure())
	eq(t, "empty", r.get(cardAt, 0, 4), 0xffff_ffff)
}

func TestHotPlugMessageIsAnEdge(t *testing.T) { // 6.7.3.4
	r, e, _ := plugged(t, 1, nic())
	g := driver(r, true)
	must(t, r.root.Remove(e))
	eq(t, "one", len(r.sink.take()), 1)
	_, err := r.root.Plug(e)
	must(t, err)
	eq(t, "none while events wait", len(r.sink.take()), 0)
	g.ack(spec.SlotPresenceChanged)
	eq(t, "nor when some are left", len(r.sink.take()), 0)
	g.ack(slotChanges)
	g.command(0, spec.SlotInterruptEnable)
	r.root.mu.Lock()
	r.root.ports[0].event(spec.SlotAttentionPressed)
	r.root.ports[0].settle()
	r.root.mu.Unlock()
	eq(t, "none while disabled", len(r.sink.take()), 0)
	g.command(spec.SlotInterruptEnable, spec.SlotInterruptEnable)
	eq(t, "one when enabled", len(r.sink.take()), 1)
}

func TestLimits(t *testing.T) {
	w, _ := Layout(0, 0, 40)
	if _, err := New(RootConfig{Slots: 300, Windows: w}); !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "300") || !strings.Contains(err.Error(), fmt.Sprint(MaxSlots)) {
		t.Error(err)
	}
	r := newRig(t, MaxSlots)
	for i := range 300 {
		e, _ := r.endpoint(fmt.Sprint("n", i), Config{Pin: 1, Vectors: 2, BARs: [6]BAR{1: {Size: 0x1000}}})
		_, err := r.root.Plug(e)
		if i < MaxSlots && err != nil || i >= MaxSlots && !errors.Is(err, ErrLimit) {
			t.Fatalf("device %d: %v", i, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint(MaxSlots)) {
			t.Fatalf("the error does not say the limit: %v", err)
		}
	}
	must(t, r.root.Configure())
	e, _ := r.endpoint("n0", Config{})
	if err := r.root.Remove(e); !errors.Is(err, ErrNotPlugged) {
		t.Error(err)
	}
	if _, err := r.root.PlugSlot(e, MaxSlots); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, err := r.root.PlugSlot(e, 5); !errors.Is(err, ErrPlugged) {
		t.Error(err)
	}
	if _, err := r.root.PlugFixed(e); err == nil {
		t.Error("two devices of one name")
	}
	g, _ := r.endpoint("fixed", Config{})
	_, err := r.root.PlugFixed(g)
	must(t, err)
	if err := r.root.Remove(g); !errors.Is(err, ErrFixed) {
		t.Error(err)
	}
	if _, err := r.root.Plug(g); err == nil {
		t.Error("plugged in twice")
	}
}

// isGone: a removal completes inside the call that completes it.
func isGone(t *testing.T, gone <-chan struct{}) {
	t.Helper()
	select {
	case <-gone:
	default:
		t.Fatal("the device has not left")
	}
}
