package debugport

import (
	"bytes"
	"testing"

	"basalt/vmkernel/vbus"
)

func TestPort(t *testing.T) {
	var out bytes.Buffer
	d := New(&out)
	b := vbus.New()
	for _, p := range []uint16{Bochs, Firmware} {
		if err := b.AddPorts(d, p, 1); err != nil {
			t.Fatal(err)
		}
		for _, c := range "hi" {
			b.WritePort(p, []byte{byte(c)})
		}
	}
	b.WritePort(Bochs, []byte{'!', 'x'}) // wide: split, the second byte is nobody's
	buf := []byte{0}
	b.ReadPort(Bochs, buf)
	if out.String() != "hihi!" || buf[0] != 0xE9 {
		t.Fatalf("%q %x", out.String(), buf)
	}
	if d.ReadPort(0, nil) != vbus.BadSize {
		t.Fatal("size")
	}
}
