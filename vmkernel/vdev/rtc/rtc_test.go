package rtc

import (
	"bytes"
	"testing"
	"time"

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

type rig struct {
	*RTC
	c *vtime.Manual
	n pin
}

// newRig starts on Thursday, 2026-01-01 23:59:58.5.
func newRig() *rig {
	r := &rig{c: vtime.NewManual(0)}
	r.RTC = New(r.c, &r.n, Config{
		Wall:      time.Date(2026, 1, 1, 23, 59, 58, 5e8, time.UTC).UnixNano(),
		MemBelow4: 3 << 30, MemAbove4: 1 << 30, CPUs: 4,
	})
	return r
}

func (r *rig) get(i uint8) byte {
	b := []byte{i | 0x80} // with the NMI mask bit, as Linux does
	r.WritePort(IndexPort, b)
	r.ReadPort(DataPort, b)
	return b[0]
}

func (r *rig) set(i, v uint8) {
	r.WritePort(IndexPort, []byte{i})
	r.WritePort(DataPort, []byte{v})
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestTimeOfDayBCD24(t *testing.T) {
	r := newRig()
	for i, v := range map[uint8]byte{Seconds: 0x58, Minutes: 0x59, Hours: 0x23, DayOfWeek: 5, DayOfMonth: 1, Month: 1, Year: 0x26, Century: 0x20, RegD: 0x80} {
		want(t, "cell", r.get(i), v)
	}
	r.c.Advance(2e9)
	for i, v := range map[uint8]byte{Seconds: 0, Minutes: 0, Hours: 0, DayOfWeek: 6, DayOfMonth: 2} {
		want(t, "past midnight", r.get(i), v)
	}
}

func TestFormats(t *testing.T) {
	r := newRig()
	r.set(RegB, bDM)
	want(t, "binary", r.get(Minutes), byte(59))
	want(t, "12 hours, PM", r.get(Hours), byte(11|0x80))
	r.c.Advance(2e9)
	want(t, "midnight is 12 AM", r.get(Hours), byte(12))
	r.set(RegB, 0)
	r.set(Hours, 0x92)
	want(t, "12 PM is noon", r.get(Hours), byte(0x92))
	r.set(RegB, b24)
	want(t, "noon", r.get(Hours), byte(0x12))
}

func TestSettingTheTimeWithSET(t *testing.T) { // Linux mc146818_set_time
	r := newRig()
	r.set(RegB, r.get(RegB)|bSET)
	r.set(RegA, r.get(RegA)|0x70)
	for i, v := range map[uint8]byte{Seconds: 0x10, Minutes: 0x20, Hours: 0x08, DayOfMonth: 0x29, Month: 0x02, Year: 0x28, Century: 0x20} {
		r.set(i, v)
	}
	r.c.Advance(5e9)
	want(t, "stands", r.get(Seconds), byte(0x10))
	r.set(RegB, r.get(RegB)&^bSET)
	r.set(RegA, aDivNormal|6)
	want(t, "leap day", r.get(DayOfMonth), byte(0x29))
	want(t, "day of the week", r.get(DayOfWeek), byte(3))
	r.c.Advance(16*3600*1e9 - 5e8)
	want(t, "goes on", r.get(Month), byte(3))
	r.set(Month, 0xFF) // no date: normalised, never a panic
	r.set(Century, 0xFF)
	r.get(Year)
}

func TestUIP(t *testing.T) { // Linux mc146818_get_time waits for UIP to clear
	r := newRig()
	want(t, "clear", r.get(RegA)&aUIP, byte(0))
	r.c.Advance(5e8 - 100_000)
	want(t, "set before the update", r.get(RegA)&aUIP, byte(aUIP))
	want(t, "the old second still reads", r.get(Seconds), byte(0x58))
	r.c.Advance(100_000)
	want(t, "clear after it", r.get(RegA)&aUIP, byte(0))
	want(t, "the new second", r.get(Seconds), byte(0x59))
	r.set(RegB, b24|bSET)
	r.c.Advance(1e9 - 50_000)
	want(t, "never with SET", r.get(RegA)&aUIP, byte(0))
}

func TestPeriodicInterrupt(t *testing.T) {
	r := newRig()
	r.set(RegB, b24|bPIE) // 1024 Hz
	r.get(RegC)
	r.c.Advance(976_563)
	want(t, "one period", r.n.rises, 1)
	r.c.Advance(10e6)
	want(t, "IRQF holds the line", r.n.rises, 1)
	want(t, "flags", r.get(RegC), byte(cIRQF|cPF))
	want(t, "reading C lowers the line", r.n.high, false)
	r.n.rises = 0
	for range 1000 {
		r.c.Advance(1e6)
		r.get(RegC)
	}
	want(t, "acknowledged at 1000 Hz, it fires 1000 times", r.n.rises, 1000)
	r.set(RegA, aDivNormal|1) // 256 Hz
	r.get(RegC)
	r.n.rises = 0
	for range 100 {
		r.c.Advance(10e6)
		r.get(RegC)
	}
	want(t, "rate 1 is 256 Hz", r.n.rises, 100)
	r.set(RegA, aDivNormal)
	r.get(RegC)
	r.n.rises = 0
	r.c.Advance(1e9)
	want(t, "rate 0 is none", r.n.rises, 0)
	want(t, "no timer", r.c.Armed(), 0)
}

func TestUpdateEndedInterrupt(t *testing.T) {
	r := newRig()
	r.set(RegB, b24|bUIE)
	r.c.Advance(499e6)
	want(t, "not yet", r.n.rises, 0)
	r.c.Advance(1e6)
	want(t, "at the second", r.n.rises, 1)
	want(t, "flags", r.get(RegC)&^cPF, byte(cIRQF|cUF))
	r.set(RegB, r.get(RegB)|bSET)
	want(t, "SET clears UIE", r.get(RegB)&bUIE, byte(0))
}

func TestAlarm(t *testing.T) {
	r := newRig()
	r.set(HoursAlarm, 0x01)
	r.set(MinutesAlarm, 0x02)
	r.set(SecondsAlarm, 0x03)
	r.set(RegB, b24|bAIE)
	r.c.Advance(3723e9 + 1e9)
	want(t, "not yet", r.n.rises, 0)
	r.c.Advance(5e8)
	want(t, "at 01:02:03", r.n.rises, 1)
	want(t, "flags", r.get(RegC)&(cIRQF|cAF), byte(cIRQF|cAF))
	r.c.Jump(86399e9)
	want(t, "a day less a second", r.n.rises, 1)
	r.c.Jump(1e9)
	want(t, "a day later", r.n.rises, 2)
	r.get(RegC)
	r.set(HoursAlarm, 0xFF)
	r.set(MinutesAlarm, 0xC0)
	r.n.rises = 0
	for range 10 {
		r.c.Advance(60e9)
		r.get(RegC)
	}
	want(t, "any hour and minute: every minute", r.n.rises, 10)
	r.set(SecondsAlarm, 0x77)
	r.get(RegC)
	r.n.rises = 0
	r.c.Jump(86400e9 * 2)
	want(t, "an impossible alarm never comes", r.n.rises, 0)
}

func TestFlagsWithoutEnables(t *testing.T) {
	r := newRig()
	r.c.Advance(2e9)
	want(t, "PF, UF and (midnight) AF, no IRQF", r.get(RegC), byte(cPF|cUF|cAF))
	want(t, "cleared by reading", r.get(RegC), byte(0))
	want(t, "no timer needed", r.c.Armed(), 0)
	r.c.Advance(2e9)
	r.set(RegB, b24|bUIE)
	want(t, "enabling with the flag set interrupts", r.n.high, true)
}

func TestMemorySizeCells(t *testing.T) {
	r := newRig()
	for i, v := range map[uint8]byte{0x15: 0x80, 0x16: 0x02, 0x17: 0xFF, 0x18: 0xFF, 0x30: 0xFF, 0x31: 0xFF, 0x34: 0x00, 0x35: 0xBF, 0x5B: 0x00, 0x5C: 0x40, 0x5D: 0, 0x5F: 3} {
		if got := r.get(i); got != v {
			t.Errorf("cell %#x: %#x, want %#x", i, got, v)
		}
	}
	r.set(Shutdown, 0x0A)
	r.Reset()
	want(t, "memory survives a reset", r.get(Shutdown), byte(0x0A))
	r.WritePort(IndexPort2, []byte{0x05})
	r.WritePort(DataPort2, []byte{0x42})
	b := []byte{0}
	r.ReadPort(DataPort2, b)
	want(t, "upper bank", b[0], byte(0x42))
	want(t, "index is write-only", r.ReadPort(IndexPort, b), vbus.NoRegister)
	want(t, "wide", r.ReadPort(DataPort, make([]byte, 2)), vbus.BadSize)
}

func TestAdjustAndState(t *testing.T) {
	r := newRig()
	r.Adjust(2e9)
	want(t, "adjusted", r.get(Seconds), byte(0))
	r.set(RegB, b24|bUIE)
	saved, _ := r.SaveState()
	q := newRig()
	if err := q.LoadState(saved); err != nil {
		t.Fatal(err)
	}
	q.c.Advance(5e8)
	want(t, "the interrupt comes", q.n.rises, 1)
	saved[2+RegA] = 0x80
	if err := q.LoadState(saved); err == nil {
		t.Error("UIP was taken")
	}
}

func TestNoAllocation(t *testing.T) {
	r := newRig()
	b := []byte{0}
	if n := testing.AllocsPerRun(100, func() {
		for i := range uint8(16) {
			b[0] = i
			r.WritePort(IndexPort, b)
			r.ReadPort(DataPort, b)
			r.WritePort(DataPort, b)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 0x0B, 1, 0x72, 2, 0, 3, 200})
	f.Add([]byte{0, 0x0A, 1, 0x2F, 0, 5, 1, 0xFF, 19, 255, 0, 12, 2, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRig()
		b := []byte{0}
		for ; len(in) >= 2; in = in[2:] {
			b[0] = in[1]
			switch in[0] & 3 {
			case 0:
				r.WritePort(IndexPort, b)
			case 1:
				r.WritePort(DataPort, b)
			case 2:
				r.ReadPort(DataPort, b)
			case 3:
				r.c.Jump(int64(in[1]) << (in[0] >> 2 & 31))
			}
			if r.n.high != r.irqf() {
				t.Fatal("the line is not IRQF")
			}
		}
		saved, _ := r.SaveState()
		if err := r.LoadState(saved); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
	})
}

func BenchmarkImpossibleAlarm(b *testing.B) {
	r := newRig()
	r.set(HoursAlarm, 0xFF)
	r.set(MinutesAlarm, 0xFF)
	r.set(SecondsAlarm, 0x77)
	for b.Loop() {
		r.nextAlarm(1)
	}
}

func BenchmarkWorstAlarm(b *testing.B) {
	r := newRig()
	r.set(HoursAlarm, 0x00)
	r.set(MinutesAlarm, 0x59)
	r.set(SecondsAlarm, 0x58)
	for b.Loop() {
		r.nextAlarm(59*60 + 59)
	}
}

// TestLoadMovesNoLine: an interrupt that was due when the clock stopped comes when it
// goes on, not while the state is loaded: the controllers are loaded afterwards.
func TestLoadMovesNoLine(t *testing.T) {
	for name, enable := range map[string]uint8{"periodic": bPIE, "update": bUIE, "alarm": bAIE} {
		r := newRig()
		r.set(SecondsAlarm, 0xC0)
		r.set(MinutesAlarm, 0xC0)
		r.set(HoursAlarm, 0xC0)
		r.set(RegB, b24|enable)
		saved, _ := r.SaveState()
		q := newRig()
		q.c.Jump(3 * second)
		if err := q.LoadState(saved); err != nil {
			t.Fatal(err)
		}
		want(t, name+": the line", q.n.high, false)
		if again, _ := q.SaveState(); !bytes.Equal(again, saved) {
			t.Errorf("%s: the state changed while it was loaded", name)
		}
		q.c.Advance(0)
		want(t, name+": the line when the clock runs", q.n.high, true)
	}
}
