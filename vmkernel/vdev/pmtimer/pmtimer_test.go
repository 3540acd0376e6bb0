package pmtimer

import (
	"testing"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vtime"
)

func TestFrequencyAndWidth(t *testing.T) {
	c := vtime.NewManual(0)
	narrow, wide := New(c, false), New(c, true)
	c.Advance(1e9)
	if narrow.Count() != Hz || wide.Count() != Hz {
		t.Fatal("a second is not 3579545 counts")
	}
	c.Advance(9e9)
	if narrow.Count() != 10*Hz&0xFFFFFF || wide.Count() != 10*Hz {
		t.Fatal("width")
	}
	b := make([]byte, 4)
	if wide.ReadPort(0, b) != vbus.OK || b[3] != byte(10*Hz>>24) {
		t.Fatal("port")
	}
	if wide.ReadPort(0, b[:1]) == vbus.OK || wide.WritePort(0, b) == vbus.OK {
		t.Fatal("access rules")
	}
}

func TestLinuxMonotonicReads(t *testing.T) { // acpi_pm clocksource: reads must go on
	c := vtime.NewManual(0)
	w := New(c, true)
	last := w.Count()
	for range 1000 {
		c.Advance(1000)
		if n := w.Count(); n <= last {
			t.Fatal("the counter stands")
		} else {
			last = n
		}
	}
	for _, n := range []uint64{0, 1, 1 << 23, 1 << 40} {
		if Ticks(Nanos(n)) != n {
			t.Fatal("conversion")
		}
	}
	Nanos(^uint64(0))
}
