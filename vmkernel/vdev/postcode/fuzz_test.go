package postcode

import (
	"testing"

	"basalt/vmkernel/vbus"
)

// FuzzGuest accesses the port in any size: the low byte of the last write is what is
// read and saved.
func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 0x55, 2, 0xAA, 4, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		var p PostCode
		want := uint8(0)
		for ; len(in) >= 2; in = in[2:] {
			data := make([]byte, in[0]%9)
			if in[0]&0x80 != 0 {
				if p.ReadPort(Port, data) == vbus.OK && (len(data) != 1 || data[0] != want) {
					t.Fatalf("% x, want %#x", data, want)
				}
				continue
			}
			for i := range data {
				data[i] = in[1] + uint8(i)
			}
			p.WritePort(Port, data)
			if len(data) > 0 {
				want = in[1]
			}
		}
		saved, err := p.SaveState()
		var q PostCode
		if err != nil || q.LoadState(saved) != nil || q.Last() != want {
			t.Errorf("saved % x, %v: %#x, want %#x", saved, err, q.Last(), want)
		}
	})
}
