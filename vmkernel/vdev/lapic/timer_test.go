package lapic

import "testing"

func TestTimer(t *testing.T) { // 11.5.4; TSC 3 GHz, timer 1 GHz
	_, a, _, _, _ := pair(t)
	now := uint64(1000)
	a.Write(LVTT, 0x40, now)
	a.Write(TDCR, 0xB, now) // divide by 1
	a.Write(TMICT, 100, now)
	want(t, "one-shot deadline", a.Deadline(), now+300)
	want(t, "count", a.Read(TMCCT, now+150), uint32(50))
	want(t, "not yet", a.Expire(now+299), false)
	want(t, "now", a.Expire(now+300), true)
	want(t, "vector", take(t, a), 0x40)
	a.EOI()
	want(t, "stopped", a.Deadline(), uint64(0))
	want(t, "count is 0", a.Read(TMCCT, now+400), uint32(0))

	a.Write(LVTT, 0x20040, now)
	a.Write(TMICT, 100, now)
	want(t, "periodic fires", a.Expire(now+310), true)
	want(t, "keeps its phase", a.Deadline(), now+600)
	want(t, "missed periods merge", a.Expire(now+3010), true)
	want(t, "phase again", a.Deadline(), now+3300)
	want(t, "one interrupt", take(t, a), 0x40)
	a.EOI()
	want(t, "no second", take(t, a), -1)
	want(t, "count wraps before Expire", a.Read(TMCCT, now+3300+150), uint32(50))

	a.Write(TDCR, 0, now+3000) // divide by 2: 100 ticks remain and take twice as long
	want(t, "divider change keeps the count", a.Deadline(), now+3000+600)
	a.Write(TMICT, 0, now)
	want(t, "initial count 0 stops", a.Deadline(), uint64(0))

	a.Write(LVTT, 0x10040, now)
	a.Write(TMICT, 1, now)
	want(t, "masked timers expire", a.Expire(now+1e9), true)
	want(t, "without an interrupt", take(t, a), -1)
	for v, div := range map[uint32]uint32{0: 2, 1: 4, 2: 8, 3: 16, 8: 32, 9: 64, 10: 128, 11: 1} {
		a.Write(TDCR, v, 0)
		a.Write(TMICT, 1000, 0)
		want(t, "divider", a.Deadline(), uint64(3000*div))
	}
}

// TestShortestPeriod: a periodic count of 1 must not make the host look at the timer
// at every entry.
func TestShortestPeriod(t *testing.T) {
	a := NewSet(Config{TSCHz: 3e9, TimerHz: 1e9, MinPeriod: 150_000}).APIC(0)
	a.Write(SVR, 0x1FF, 0)
	a.Write(TDCR, 0xB, 0)
	a.Write(LVTT, 0x20040, 0)
	a.Write(TMICT, 1, 1000)
	want(t, "first", a.Deadline(), uint64(151_000))
	want(t, "fires", a.Expire(151_000), true)
	want(t, "second", a.Deadline(), uint64(301_000))
	want(t, "count stays in its range", a.Read(TMCCT, 160_000) <= 1, true)
	a.Write(LVTT, 0x10040, 0)
	a.Write(TMICT, 1, 1000)
	want(t, "one-shot is not limited", a.Deadline(), uint64(1003))
	a.Write(LVTT, 0x30040, 0) // from one-shot to periodic without a new count
	want(t, "fires", a.Expire(1003), true)
	want(t, "limited from then on", a.Deadline(), uint64(151_003))
}

func TestTSCDeadline(t *testing.T) { // 11.5.4.1
	_, a, _, _, _ := pair(t)
	a.SetTSCDeadline(500, 1)
	want(t, "ignored in the other modes", a.Deadline(), uint64(0))
	a.Write(LVTT, 0x40|2<<17, 0)
	a.SetTSCDeadline(500, 1)
	want(t, "armed", a.TSCDeadline(), uint64(500))
	a.Write(TMICT, 5, 0)
	want(t, "TMICT is ignored", a.Deadline(), uint64(500))
	want(t, "TMCCT is 0", a.Read(TMCCT, 0), uint32(0))
	a.Expire(500)
	want(t, "MSR is 0 after it fired", a.TSCDeadline(), uint64(0))
	want(t, "vector", take(t, a), 0x40)
	a.EOI()
	a.SetTSCDeadline(400, 600)
	want(t, "the past fires at once", take(t, a), 0x40)
	a.SetTSCDeadline(900, 600)
	a.SetTSCDeadline(0, 600)
	want(t, "0 disarms", a.Deadline(), uint64(0))
	a.SetTSCDeadline(900, 600)
	a.Write(LVTT, 0x40, 0)
	want(t, "leaving the mode disarms", a.Deadline(), uint64(0))
}

func BenchmarkTSCDeadline(b *testing.B) {
	a := NewSet(Config{}).APIC(0)
	a.Write(SVR, 0x1FF, 0)
	a.Write(LVTT, 0x40|2<<17, 0)
	b.ReportAllocs()
	for b.Loop() {
		a.SetTSCDeadline(100, 1)
	}
}
