package pmtimer

import (
	"encoding/binary"
	"testing"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vtime"
)

// FuzzGuest reads and writes at any time and in any size: only 32 bits answer, what is
// written changes nothing, and counts and nanoseconds agree.
func FuzzGuest(f *testing.F) {
	f.Add(int64(0), int64(1e9), uint8(4), true)
	f.Add(int64(1)<<62, int64(1)<<61, uint8(1), false)
	f.Fuzz(func(t *testing.T, start, step int64, size uint8, wide bool) {
		if start < 0 || step < 0 || start > 1<<62 || step > 1<<61 {
			return // a machine's clock begins at 0
		}
		c := vtime.NewManual(start)
		p := New(c, wide)
		data := make([]byte, 1+size%8)
		p.WritePort(0, data)
		c.Jump(step)
		n := Ticks(c.Now())
		if p.ReadPort(0, data) == vbus.OK {
			if len(data) != 4 || uint64(binary.LittleEndian.Uint32(data)) != n&p.mask {
				t.Errorf("% x at count %d", data, n)
			}
		} else if len(data) == 4 {
			t.Error("no answer to 32 bits")
		}
		if at := Nanos(n); at > c.Now() || Ticks(at) != n {
			t.Errorf("count %d at %d ns is count %d at %d ns", n, c.Now(), Ticks(at), at)
		}
	})
}
