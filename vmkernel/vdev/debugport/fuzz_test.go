package debugport

import (
	"bytes"
	"testing"
)

// FuzzGuest writes in all sizes: exactly the bytes that were written as bytes come out,
// in their order.
func FuzzGuest(f *testing.F) {
	f.Add([]byte("hello\n\x00\xff"), uint8(0))
	f.Add([]byte{0xE9, 0, 1}, uint8(0x55))
	f.Fuzz(func(t *testing.T, in []byte, sizes uint8) {
		var out bytes.Buffer
		var want []byte
		d := New(&out)
		for i, c := range in {
			data := []byte{c, 0, 0, 0}[:1<<(sizes>>(i%8)&1)]
			d.WritePort([]uint16{Bochs, Firmware}[c&1], data)
			if len(data) == 1 {
				want = append(want, c)
			}
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%q came out of %q", out.Bytes(), want)
		}
	})
}
