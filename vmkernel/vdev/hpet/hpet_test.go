package hpet

import (
	"encoding/binary"
	"testing"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/acpitables"
	"basalt/vmkernel/vtime"
)

type pin struct {
	high  bool
	rises int
}

func (p *pin) Set(high bool) {
	if high && !p.high {
		p.rises++
	}
	p.high = high
}

// rig moves an HPET by whole ticks.
type rig struct {
	t *testing.T
	*HPET
	c      *vtime.Manual
	legacy [2]pin
	pins   [32]pin
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, c: vtime.NewManual(0)}
	r.HPET = New(Config{Clock: r.c, Legacy: [2]vbus.Line{&r.legacy[0], &r.legacy[1]},
		Pin: func(n int) vbus.Line { return &r.pins[n] }})
	return r
}

func (r *rig) ticks(n int64) { r.c.Advance(n * PeriodNS) }

func (r *rig) put(off uint64, v uint64) {
	r.t.Helper()
	if a := r.WriteMMIO(0, off, binary.LittleEndian.AppendUint64(nil, v)); a != vbus.OK {
		r.t.Fatalf("write of %#x: %v", off, a)
	}
}

func (r *rig) put32(off uint64, v uint32) {
	r.WriteMMIO(0, off, binary.LittleEndian.AppendUint32(nil, v))
}

func (r *rig) get(off uint64) uint64 {
	var b [8]byte
	if a := r.ReadMMIO(0, off, b[:]); a != vbus.OK {
		r.t.Fatalf("read of %#x: %v", off, a)
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (r *rig) get32(off uint64) uint32 {
	var b [4]byte
	r.ReadMMIO(0, off, b[:])
	return binary.LittleEndian.Uint32(b[:])
}

func conf(n int) uint64 { return regTimers + uint64(n)*timerStride + timerConfig }
func comp(n int) uint64 { return regTimers + uint64(n)*timerStride + timerCompare }

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Test2_3_4Capabilities: ID, size of the counter, legacy routing and its period.
func Test2_3_4Capabilities(t *testing.T) {
	r := newRig(t)
	id := r.get(regCapability)
	want(t, "the table's block ID", uint32(id), uint32(acpitables.HPETBlockID))
	want(t, "comparators", int(id>>8&0x1F)+1, NumTimers)
	want(t, "period in fs", id>>32, uint64(10_000_000))
	if id>>32 > 0x05F5E100 || id&0xFF == 0 {
		t.Error("2.3.4: the period is at most 100 ns and the revision not 0")
	}
	r.put(regCapability, 0)
	want(t, "read only", r.get(regCapability), id)
	want(t, "upper half", r.get32(regCapability+4), uint32(id>>32))
}

// Test2_3_7Counter: it counts only while enabled, is writable while halted, and stands
// where it was halted.
func Test2_3_7Counter(t *testing.T) {
	r := newRig(t)
	r.ticks(5)
	want(t, "halted at reset", r.get(regCounter), uint64(0))
	r.put(regCounter, 1<<33)
	r.put32(regCounter, 7)
	want(t, "written by halves", r.get(regCounter), uint64(1<<33+7))
	r.put(regConfig, cfgEnable)
	r.ticks(3)
	want(t, "runs", r.get(regCounter), uint64(1<<33+10))
	r.put(regCounter, 0)
	want(t, "not writable while it runs", r.get(regCounter), uint64(1<<33+10))
	r.put(regConfig, 0)
	r.ticks(100)
	want(t, "stands", r.get(regCounter), uint64(1<<33+10))
	r.put(regCounter, ^uint64(0))
	r.put(regConfig, cfgEnable)
	r.ticks(1)
	want(t, "rolls over", r.get(regCounter), uint64(0))
}

// Test2_4Access: aligned accesses of 4 and 8 bytes.
func Test2_4Access(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		off uint64
		n   int
	}{{0, 1}, {0, 2}, {2, 4}, {4, 8}, {1, 8}} {
		if r.ReadMMIO(0, c.off, make([]byte, c.n)) != vbus.BadSize || r.WriteMMIO(0, c.off, make([]byte, c.n)) != vbus.BadSize {
			t.Errorf("%d bytes at %#x", c.n, c.off)
		}
	}
	for _, off := range []uint64{0x08, 0x18, 0x28, 0xF8, 0x118, 0x160, 0x3F8} {
		r.put(off, ^uint64(0))
		want(t, "a reserved register", r.get(off), uint64(0))
	}
}

// Test2_3_8Timer: what of the configuration can be written, and what reads back.
func Test2_3_8Timer(t *testing.T) {
	r := newRig(t)
	for n := range NumTimers {
		want(t, "at reset", r.get(comp(n)), ^uint64(0))
		r.put(conf(n), ^uint64(0)&^tnRoute|10<<tnRoutePos)
		want(t, "VAL_SET reads 0, FSB does not exist", r.get(conf(n)),
			uint64(tnLevel|tnEnable|tnPeriodic|tn32|10<<tnRoutePos|tnReadOnly))
		r.put(conf(n), 3<<tnRoutePos)
		want(t, "an impossible route", r.get(conf(n))&tnRoute, uint64(10<<tnRoutePos))
	}
}

// Test2_3_9OneShot: a match is one interrupt; with 64 bits there is no other.
func Test2_3_9OneShot(t *testing.T) {
	r := newRig(t)
	r.put(conf(2), tnEnable|10<<tnRoutePos)
	r.put(comp(2), 100)
	r.put(regConfig, cfgEnable)
	r.ticks(99)
	want(t, "not yet", r.pins[10].rises, 0)
	r.ticks(1)
	want(t, "matches", r.pins[10].rises, 1)
	want(t, "edge: no status", r.get(regStatus), uint64(0))
	r.ticks(1 << 34)
	want(t, "once", r.pins[10].rises, 1)
	want(t, "nothing is armed", r.c.Armed(), 0)
	r.put(comp(2), r.get(regCounter))
	want(t, "the very value of the counter", r.pins[10].rises, 2)
	r.put(comp(2), r.get(regCounter)-1)
	r.ticks(1 << 34)
	want(t, "behind the counter", r.pins[10].rises, 2)
}

// Test2_3_9_2_1Wide32: 32 bits match again when the counter's low half wraps.
func Test2_3_9_2_1Wide32(t *testing.T) {
	r := newRig(t)
	r.put(conf(2), tnEnable|tn32|11<<tnRoutePos)
	r.put(comp(2), 0xF_0000_0064)
	want(t, "the upper half is not there", r.get(comp(2)), uint64(100))
	r.put32(comp(2)+4, 5)
	want(t, "nor writable", r.get(comp(2)), uint64(100))
	r.put(regConfig, cfgEnable)
	r.ticks(100)
	want(t, "matches", r.pins[11].rises, 1)
	r.ticks(1<<32 - 1)
	want(t, "not yet", r.pins[11].rises, 1)
	r.ticks(1)
	want(t, "again", r.pins[11].rises, 2)
}

// Test2_3_9_2_2Periodic: VAL_SET sets the accumulator, a second write the period; the
// comparator advances; lost periods are one interrupt and keep the phase.
func Test2_3_9_2_2Periodic(t *testing.T) {
	r := newRig(t)
	r.put(regConfig, cfgEnable|cfgLegacy)
	r.ticks(1000)
	r.put32(conf(0), tnEnable|tnPeriodic|tnValueSet|tn32) // as Linux does
	r.put32(comp(0), 1100)
	r.put32(comp(0), 50)
	r.ticks(99)
	want(t, "not yet", r.legacy[LinePIT].rises, 0)
	r.ticks(1)
	want(t, "first", r.legacy[LinePIT].rises, 1)
	want(t, "the comparator advances", r.get(comp(0)), uint64(1150))
	r.ticks(500)
	want(t, "ten more", r.legacy[LinePIT].rises, 11)
	r.c.Jump(175 * PeriodNS)
	want(t, "a late host", r.legacy[LinePIT].rises, 12)
	want(t, "keeps the phase", r.get(comp(0)), uint64(1800))
	r.put32(comp(0), 1)
	r.put32(conf(0), tnEnable|tnPeriodic|tn32)
	r.c.Jump(1e9)
	want(t, "a period of a tick is bounded by the clock", r.legacy[LinePIT].rises, 13)
}

// TestPeriodByHalves: the halves of a 64-bit period do not mix with the accumulator.
func TestPeriodByHalves(t *testing.T) {
	r := newRig(t)
	r.put(conf(0), tnPeriodic|tnValueSet)
	r.put(comp(0), 1<<40)
	r.put32(comp(0), 8)
	want(t, "period", r.timers[0].period, uint64(1<<40+8))
	want(t, "accumulator", r.get(comp(0)), uint64(1<<40))
}

// Test2_3_6Level: the pin follows the status bit, which a one clears.
func Test2_3_6Level(t *testing.T) {
	r := newRig(t)
	r.put(conf(1), tnLevel|tnEnable|10<<tnRoutePos)
	r.put(comp(1), 10)
	r.put(conf(2), tnLevel|10<<tnRoutePos)
	r.put(comp(2), 20)
	r.put(regConfig, cfgEnable)
	r.ticks(30)
	want(t, "pin", r.pins[10].high, true)
	want(t, "status, of the one without interrupt too", r.get(regStatus), uint64(6))
	r.put(regStatus, 4)
	want(t, "still", r.pins[10].high, true)
	r.put32(regStatus, 2)
	want(t, "cleared", r.pins[10].high, false)
	want(t, "status", r.get(regStatus), uint64(0))
	want(t, "rises", r.pins[10].rises, 1)
}

// Test2_3_5Halt: with ENABLE_CNF clear there are no interrupts and the rest of the time
// to a match stays.
func Test2_3_5Halt(t *testing.T) {
	r := newRig(t)
	r.put(conf(2), tnEnable|10<<tnRoutePos)
	r.put(comp(2), 100)
	r.put(regConfig, cfgEnable)
	r.ticks(60)
	r.put(regConfig, 0)
	want(t, "nothing is armed", r.c.Armed(), 0)
	r.ticks(1000)
	want(t, "halted", r.pins[10].rises, 0)
	r.put(regConfig, cfgEnable)
	r.ticks(39)
	want(t, "not yet", r.pins[10].rises, 0)
	r.ticks(1)
	want(t, "matches", r.pins[10].rises, 1)
}

// Test2_3_5Legacy: comparators 0 and 1 take the lines of the PIT and the RTC, which
// come back as they are by then.
func Test2_3_5Legacy(t *testing.T) {
	r := newRig(t)
	p, c := r.Input(LinePIT), r.Input(LineRTC)
	p.Set(true)
	c.Set(true)
	want(t, "pass", r.legacy[0].high && r.legacy[1].high, true)
	r.put(regConfig, cfgLegacy|cfgEnable)
	want(t, "cut off", r.legacy[0].high || r.legacy[1].high, false)
	p.Set(false)
	p.Set(true)
	c.Set(false)
	want(t, "stay off", r.legacy[0].rises+r.legacy[1].rises, 2)
	r.put(conf(0), tnEnable|10<<tnRoutePos)
	r.put(comp(0), 10)
	r.put(conf(1), tnEnable)
	r.put(comp(1), 20)
	r.ticks(10)
	want(t, "comparator 0 on line 0", r.legacy[0].rises, 2)
	want(t, "and not on its pin", r.pins[10].rises, 0)
	r.ticks(10)
	want(t, "comparator 1 on line 8", r.legacy[1].rises, 2)
	r.put(regConfig, cfgEnable)
	want(t, "the PIT is high", r.legacy[0].high, true)
	want(t, "the RTC is low", r.legacy[1].high, false)
	r.Reset()
	want(t, "reset does not change what others drive", r.legacy[0].high, true)
}

func TestState(t *testing.T) {
	r := newRig(t)
	r.Input(LineRTC).Set(true)
	r.put(regConfig, cfgEnable|cfgLegacy)
	r.put(conf(0), tnEnable|tnPeriodic|tnValueSet)
	r.put(comp(0), 50)
	r.put(conf(2), tnEnable|tnLevel|11<<tnRoutePos)
	r.put(comp(2), 70)
	r.ticks(60)
	saved, err := r.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	n := newRig(t)
	n.c.Advance(r.c.Now())
	if err := n.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*rig{r, n} {
		x.ticks(45)
		want(t, "counter", x.get(regCounter), uint64(105))
		want(t, "status", x.get(regStatus), uint64(4))
		want(t, "next match", x.get(comp(0)), uint64(150))
		want(t, "pin", x.pins[11].rises, 1)
		x.put(regConfig, cfgEnable)
		want(t, "the RTC's line", x.legacy[LineRTC].high, true)
	}
	again, _ := n.SaveState()
	for i := range saved {
		if n.LoadState(saved[:i]) == nil {
			t.Fatalf("%d bytes of %d", i, len(saved))
		}
	}
	bad := append([]byte(nil), saved...)
	bad[2] = 0xFF
	if n.LoadState(bad) == nil || n.LoadState(append(saved, 0)) == nil {
		t.Error("bad state")
	}
	if now, _ := n.SaveState(); string(now) != string(again) {
		t.Error("a refused state changed something")
	}
}

func TestNoAllocation(t *testing.T) {
	r := newRig(t)
	r.put(conf(0), tnEnable|tnPeriodic|tnValueSet|10<<tnRoutePos)
	r.put(comp(0), 50)
	r.put(regConfig, cfgEnable)
	var b [4]byte
	if n := testing.AllocsPerRun(100, func() {
		r.ReadMMIO(0, regCounter, b[:])
		r.WriteMMIO(0, comp(1), b[:])
		r.ticks(60)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 0x20, 4, 0, 1, 0x21, 10, 0, 0, 0x02, 3, 0, 2, 200, 0, 0, 3, 0x21, 0, 0})
	f.Add([]byte{0, 0x20, 0x4C, 1, 0, 0x21, 1, 0, 0, 2, 1, 0, 2, 255, 0, 28, 4, 1, 0, 0, 0, 0x24, 0x0E, 0x15})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRig(t)
		b := make([]byte, 8)
		for ; len(in) >= 4; in = in[4:] {
			off := uint64(in[1]) * 8
			v := uint64(in[2]) | uint64(in[3])<<8
			switch in[0] % 6 {
			case 0:
				r.put(off, v)
			case 1:
				r.put32(off+4, uint32(v)<<16)
			case 2:
				r.c.Jump(int64(in[1]) << (in[3] & 31))
			case 3:
				r.get(off)
			case 4:
				r.Input(int(in[1] & 1)).Set(in[2]&1 != 0)
			case 5:
				r.WriteMMIO(0, uint64(in[1])*4, b[:in[2]%9])
			}
			for n := range r.outputs {
				var p *pin
				switch {
				case n < firstPin:
					p = &r.legacy[n]
				case RouteCap>>(n-firstPin)&1 != 0:
					p = &r.pins[n-firstPin]
				default:
					continue
				}
				if p.high != (r.levels>>n&1 != 0) {
					t.Fatalf("output %d", n)
				}
			}
			if r.config&cfgLegacy == 0 && (r.legacy[0].high != r.inputs[0] || r.legacy[1].high != r.inputs[1]) {
				t.Fatal("the lines of PIT and RTC do not pass")
			}
		}
		saved, _ := r.SaveState()
		if err := r.LoadState(saved); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
	})
}
