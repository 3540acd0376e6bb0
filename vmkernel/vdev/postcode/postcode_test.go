package postcode

import (
	"testing"

	"basalt/vmkernel/vbus"
)

func TestPort(t *testing.T) {
	p := &PostCode{}
	b := vbus.New()
	if err := b.AddPorts(p, Port, 1); err != nil {
		t.Fatal(err)
	}
	buf := []byte{0x5A}
	if n := testing.AllocsPerRun(10, func() { b.WritePort(Port, buf) }); n != 0 || p.Last() != 0x5A {
		t.Fatal("write")
	}
	buf[0] = 0
	b.ReadPort(Port, buf)
	if buf[0] != 0x5A {
		t.Fatal("read")
	}
	p.Reset()
	if p.Last() != 0 || p.ReadPort(Port, make([]byte, 2)) != vbus.BadSize || p.WritePort(Port, nil) != vbus.OK {
		t.Fatal("rules")
	}
}
