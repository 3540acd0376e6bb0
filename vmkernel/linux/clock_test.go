package linux

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

func TestMuldiv(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for range 10000 {
		a, b, c := rnd.Uint64()>>rnd.IntN(64), rnd.Uint64()>>rnd.IntN(64), rnd.Uint64()>>rnd.IntN(64)
		want := new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
		if c != 0 {
			want.Div(want, new(big.Int).SetUint64(c))
		}
		if c == 0 || !want.IsUint64() {
			want.SetUint64(0) // what does not fit
		}
		if got := muldiv(a, b, c); got != want.Uint64() {
			t.Fatalf("muldiv(%d, %d, %d) = %d, want %v", a, b, c, got, want)
		}
	}
}

// TestTicks holds conversions to and from nanoseconds together for clocks from
// 100 MHz to 6 GHz: after ten years the error is below a tenth of a second.
func TestTicks(t *testing.T) {
	oldHz, oldMult := tscHz, clockMult
	defer func() { tscHz, clockMult = oldHz, oldMult }()
	for _, hz := range []uint64{100e6, 999_999_937, 1e9, 2_494_140_000, 6e9} {
		tscHz, clockMult = hz, muldiv(1e9, 1<<32, hz)
		for _, ns := range []uint64{0, 1, 999, 1e6, 1e9, 3600e9, 10 * 365 * 86400e9} {
			back := ticksToNS(nsToTicks(ns))
			if diff := int64(ns - back); diff < -1e8 || diff > int64(ns/1e8)+1e8 || ns < 1e9 && (diff > 20 || diff < -20) {
				t.Errorf("%d Hz: %d ns become %d", hz, ns, back)
			}
		}
	}
}

func TestDaysSinceEpoch(t *testing.T) {
	for d := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2400; d = d.AddDate(0, 0, 1) {
		if got := daysSinceEpoch(d.Year(), int(d.Month()), d.Day()); got != uint64(d.Unix()/86400) {
			t.Fatalf("%v is day %d", d, got)
		}
	}
}

func TestRTCTime(t *testing.T) {
	want := uint64(time.Date(2026, 11, 23, 21, 8, 59, 0, time.UTC).Unix())
	for _, c := range []struct {
		name string
		regs [8]byte // seconds minutes hours day month year, then status B
		want uint64
	}{
		{"BCD 24 hours", [8]byte{0x59, 0x08, 0x21, 0x23, 0x11, 0x26, 2}, want},
		{"binary 24 hours", [8]byte{59, 8, 21, 23, 11, 26, 6}, want},
		{"BCD 12 hours", [8]byte{0x59, 0x08, 0x89, 0x23, 0x11, 0x26, 0}, want},
		{"binary 12 hours", [8]byte{59, 8, 0x89, 23, 11, 26, 4}, want},
		{"midnight of 12 hours", [8]byte{0, 0, 0x12, 0x01, 0x01, 0x00, 0}, uint64(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix())},
		{"noon of 12 hours", [8]byte{0, 0, 0x92, 0x29, 0x02, 0x24, 0}, uint64(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC).Unix())},
	} {
		if got := unixOfRTC(c.regs); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, time.Unix(int64(got), 0).UTC(), time.Unix(int64(c.want), 0).UTC())
		}
	}
}
