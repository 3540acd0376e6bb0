package pit

import (
	"testing"

	"basalt/vmkernel/vbus"
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

// rig moves a PIT by whole ticks.
type rig struct {
	*PIT
	c *vtime.Manual
	n pin
	t int64
}

func newRig() *rig {
	r := &rig{c: vtime.NewManual(0)}
	r.PIT = New(r.c, &r.n)
	return r
}

func (r *rig) ticks(n int64) {
	r.t += n
	r.c.Advance(nanos(r.t) - r.c.Now())
}

func (r *rig) out(port uint16, v ...byte) {
	for _, b := range v {
		r.WritePort(port, []byte{b})
	}
}

func (r *rig) in(port uint16) byte {
	b := []byte{0}
	r.ReadPort(port, b)
	return b[0]
}

func (r *rig) word(port uint16) int { return int(r.in(port)) | int(r.in(port))<<8 }

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestConversions(t *testing.T) {
	for _, x := range []int64{0, 1, 2, 1193182, 1 << 40} {
		want(t, "ticks of nanos", ticks(nanos(x)), x)
		if x > 0 {
			want(t, "one nanosecond earlier", ticks(nanos(x)-1), x-1)
		}
	}
	want(t, "a second", ticks(1e9), int64(Hz))
	nanos(1<<63 - 1)
	ticks(1<<63 - 1)
}

// TestFirmware: 65536 ticks a period, from the start and after a reset.
func TestFirmware(t *testing.T) {
	r := newRig()
	for range 2 {
		r.ticks(3 * 65536)
		want(t, "at power-on", r.n.rises, 0)
		r.Firmware()
		r.ticks(1) // the count is loaded
		for i := range 3 {
			r.ticks(65535)
			want(t, "before the period is over", r.n.rises, i)
			r.ticks(1)
			want(t, "when it is", r.n.rises, i+1)
		}
		r.Reset()
		r.n.rises = 0
	}
}

func TestMode0InterruptOnTerminalCount(t *testing.T) {
	r := newRig()
	r.out(Control, 0x30)
	r.out(Counter0, 5, 0)
	r.ticks(5)
	want(t, "N ticks: not yet", r.n.rises, 0)
	r.ticks(1)
	want(t, "N+1 ticks after the write", r.n.rises, 1)
	r.ticks(70000)
	want(t, "once", r.n.rises, 1)
	want(t, "goes on counting down", r.word(Counter0), (65536*2-70000)&0xFFFF)
	r.out(Counter0, 3)
	want(t, "the first byte lowers the output", r.n.high, false)
	r.ticks(100)
	want(t, "and stops", r.n.rises, 1)
	r.out(Counter0, 0)
	r.ticks(4)
	want(t, "again", r.n.rises, 2)
}

func TestMode2RateGenerator(t *testing.T) {
	r := newRig()
	r.out(Control, 0x34)
	r.out(Counter0, 10, 0)
	want(t, "no interrupt from the control word", r.n.rises, 0)
	r.ticks(1)
	var seq []int
	for range 11 {
		r.out(Control, 0x00)
		seq = append(seq, r.word(Counter0))
		r.ticks(1)
	}
	for i, v := range seq {
		want(t, "count", v, 10-i%10)
	}
	r.ticks(89)
	want(t, "an edge each period", r.n.rises, 10)
	r.out(Counter0, 20, 0)
	r.ticks(9)
	want(t, "a new count waits for the period", r.n.rises, 10)
	r.ticks(1)
	want(t, "old period", r.n.rises, 11)
	r.ticks(19)
	want(t, "new period", r.n.rises, 11)
	r.ticks(1)
	want(t, "new period ends", r.n.rises, 12)
}

func TestMode2MissedPeriodsMerge(t *testing.T) {
	r := newRig()
	r.out(Control, 0x34)
	r.out(Counter0, 100, 0)
	r.c.Jump(nanos(1051))
	want(t, "one interrupt for ten periods", r.n.rises, 1)
	r.t = 1051
	r.ticks(49)
	want(t, "phase before", r.n.rises, 1)
	r.ticks(1)
	want(t, "phase kept", r.n.rises, 2)
}

func TestMode3SquareWave(t *testing.T) {
	r := newRig()
	r.out(PortB, 1)
	r.out(Control, 0xB6)
	r.out(Counter2, 5, 0)
	r.ticks(1)
	levels := ""
	for range 10 {
		if r.in(PortB)&portBOut2 != 0 {
			levels += "1"
		} else {
			levels += "0"
		}
		r.ticks(1)
	}
	want(t, "odd count: (N+1)/2 high, (N-1)/2 low", levels, "1110011100")
	r.out(Control, 0xB6)
	r.out(Counter2, 8, 0)
	r.ticks(1)
	for _, v := range []int{8, 6, 4, 2, 8, 6, 4, 2, 8} {
		r.out(Control, 0x80)
		want(t, "counts by two", r.word(Counter2), v)
		r.ticks(1)
	}
	r.out(Control, 0x36)
	r.out(Counter0, 0, 0) // 65536: 18.2 Hz
	r.ticks(65536*3 + 1)
	want(t, "18.2 Hz", r.n.rises, 3)
}

func TestMode4SoftwareStrobe(t *testing.T) { // Linux one-shot clock event
	r := newRig()
	r.out(Control, 0x38)
	r.out(Counter0, 50, 0)
	r.ticks(51)
	want(t, "low for one tick at the terminal count", r.n.rises, 0)
	r.ticks(1)
	want(t, "strobe ends", r.n.rises, 1)
	r.ticks(200000)
	want(t, "once", r.n.rises, 1)
	r.out(Counter0, 10, 0)
	r.ticks(12)
	want(t, "each write starts it", r.n.rises, 2)
}

func TestModes1And5NeedATrigger(t *testing.T) {
	r := newRig()
	r.out(Control, 0xB2)
	r.out(Counter2, 10, 0)
	r.ticks(50)
	want(t, "waits", r.in(PortB)&portBOut2 != 0, true)
	r.out(PortB, 1)
	r.ticks(2)
	want(t, "one-shot is low", r.in(PortB)&portBOut2 != 0, false)
	r.ticks(9)
	want(t, "until N", r.in(PortB)&portBOut2 != 0, true)
	r.out(PortB, 0)
	r.out(Control, 0xBA)
	r.out(Counter2, 10, 0)
	r.out(PortB, 1)
	r.ticks(11)
	want(t, "hardware strobe", r.in(PortB)&portBOut2 != 0, false)
	r.ticks(1)
	want(t, "ends", r.in(PortB)&portBOut2 != 0, true)
}

func TestGatePausesMode0(t *testing.T) {
	r := newRig()
	r.out(PortB, 1)
	r.out(Control, 0xB0)
	r.out(Counter2, 100, 0)
	r.ticks(41)
	r.out(PortB, 0)
	r.ticks(1000)
	want(t, "stands", r.word(Counter2), 60)
	r.out(PortB, 1)
	r.ticks(59)
	want(t, "goes on", r.in(PortB)&portBOut2, byte(0))
	r.ticks(1)
	want(t, "ends", r.in(PortB)&portBOut2, byte(portBOut2))
}

func TestLatchAndReadBack(t *testing.T) {
	r := newRig()
	r.out(Control, 0x34)
	r.out(Counter0, 0x00, 0x10)
	want(t, "null count until it is loaded", func() byte { r.out(Control, 0xE2); return r.in(Counter0) }(), byte(0xF4))
	r.ticks(1)
	r.out(Control, 0x00)
	r.ticks(100)
	want(t, "the latch holds", r.word(Counter0), 0x1000)
	r.out(Control, 0xC2) // count and status of channel 0
	r.ticks(5)
	want(t, "status first", r.in(Counter0), byte(0xB4))
	want(t, "then the count", r.word(Counter0), 0x1000-100)
	r.out(Control, 0x00)
	r.ticks(7)
	r.out(Control, 0x00)
	want(t, "a second latch command is ignored", r.word(Counter0), 0x1000-105)
	r.out(Control, 0x14) // low byte only
	r.out(Counter0, 0x20)
	r.ticks(1)
	want(t, "one byte", r.in(Counter0), byte(0x20))
	r.out(Control, 0x24) // high byte only
	r.out(Counter0, 0x20)
	r.ticks(1)
	want(t, "one byte", r.in(Counter0), byte(0x20))
}

func TestBCD(t *testing.T) {
	r := newRig()
	r.out(Control, 0x31)
	r.out(Counter0, 0x00, 0x10)
	r.ticks(2)
	want(t, "999", r.word(Counter0), 0x0999)
	r.ticks(1000)
	want(t, "wraps at 9999", r.word(Counter0), 0x9999)
}

func TestLinuxQuickPITCalibrate(t *testing.T) { // arch/x86/kernel/tsc.c
	r := newRig()
	r.out(PortB, r.in(PortB)&^2|1)
	r.out(Control, 0xB0)
	r.out(Counter2, 0xFF, 0xFF)
	r.ticks(1)
	r.in(Counter2)
	r.in(Counter2)
	for msb := 0xFF; msb > 0xF0; msb-- {
		reads := 0
		for {
			r.in(Counter2)
			if int(r.in(Counter2)) != msb {
				break
			}
			if reads++; reads > 300 {
				t.Fatal("the high byte does not move")
			}
			r.ticks(1)
		}
		want(t, "every value of the high byte lasts 256 ticks", reads >= 255, true)
		r.t--
		r.ticks(1)
	}
}

func TestLinuxPITCalibrateTSC(t *testing.T) { // polls OUT2 in port 0x61
	r := newRig()
	const latch = Hz / 20 // 50 ms
	r.out(PortB, r.in(PortB)&^2|1)
	r.out(Control, 0xB0)
	r.out(Counter2, latch&0xFF, latch>>8)
	n := 0
	for r.in(PortB)&portBOut2 == 0 {
		r.ticks(1)
		n++
	}
	want(t, "50 ms", n, latch+1)
}

func TestPort61RefreshToggles(t *testing.T) {
	r := newRig()
	a := r.in(PortB) & portBRefresh
	r.c.Advance(refreshNS)
	want(t, "toggles", r.in(PortB)&portBRefresh != a, true)
	r.out(PortB, 0xFF)
	want(t, "writable bits", r.in(PortB)&portBMask, byte(portBMask))
}

func TestAccessRules(t *testing.T) {
	r := newRig()
	want(t, "control is write-only", r.ReadPort(Control, make([]byte, 1)), vbus.NoRegister)
	want(t, "wide", r.ReadPort(Counter0, make([]byte, 2)), vbus.BadSize)
	want(t, "wide", r.WritePort(Counter0, make([]byte, 2)), vbus.BadSize)
	want(t, "other", r.WritePort(0x62, make([]byte, 1)), vbus.NoRegister)
}

func TestState(t *testing.T) {
	r := newRig()
	r.out(Control, 0x34)
	r.out(Counter0, 100, 0)
	r.ticks(150)
	saved, _ := r.SaveState()
	q := newRig()
	q.ticks(150)
	if err := q.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	q.ticks(50)
	want(t, "not yet", q.n.rises, 0)
	q.ticks(1)
	want(t, "the next edge comes at its time", q.n.rises, 1)
	saved[11] = 9
	if err := q.LoadState(saved); err == nil {
		t.Error("mode 9 was taken")
	}
	r.Reset()
	want(t, "reset stops the timer", r.c.Armed(), 0)
}

func TestNoAllocation(t *testing.T) {
	r := newRig()
	b := []byte{0x34}
	if n := testing.AllocsPerRun(100, func() {
		b[0] = 0x34
		r.WritePort(Control, b)
		b[0] = 50
		r.WritePort(Counter0, b)
		r.WritePort(Counter0, b)
		r.ReadPort(Counter0, b)
		r.ReadPort(PortB, b)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{3, 0x34, 0, 10, 0, 0, 0x80, 50})
	f.Add([]byte{4, 1, 3, 0xB6, 2, 3, 2, 0, 0x85, 9, 0x42, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRig()
		ports := []uint16{0x40, 0x41, 0x42, 0x43, 0x61, 0x43, 0x61, 0x40}
		b := []byte{0}
		for ; len(in) >= 2; in = in[2:] {
			switch in[0] >> 6 {
			case 0:
				b[0] = in[1]
				r.WritePort(ports[in[0]&7], b)
			case 1:
				r.ReadPort(ports[in[0]&7], b)
			case 2:
				r.c.Jump(int64(in[1]) << (in[0] & 31))
			case 3:
				r.c.Advance(int64(in[1]) * 100)
			}
			for i := range r.ch {
				c := &r.ch[i]
				if at := c.rise(ticks(r.c.Now())); at != 0 && at <= ticks(r.c.Now()) {
					t.Fatal("an edge in the past")
				}
			}
		}
		saved, _ := r.SaveState()
		if err := r.LoadState(saved); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
	})
}
