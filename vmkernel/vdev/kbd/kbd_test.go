package kbd

import (
	"testing"

	"basalt/vmkernel/vbus"
)

func TestLinuxFindsNoController(t *testing.T) { // i8042_flush and i8042_controller_check
	resets := 0
	b := vbus.New()
	if err := New(func() { resets++ }).Plug(b); err != nil {
		t.Fatal(err)
	}
	buf := []byte{0}
	for range 20 {
		b.ReadPort(Command, buf)
		if buf[0] != 0xFF {
			t.Fatal("status is not all ones")
		}
		b.ReadPort(Data, buf)
	}
	out := func(p uint16, v byte) { b.WritePort(p, []byte{v}) }
	out(Data, 0xFE)
	out(Command, 0xFF)
	out(Command, 0xD1)
	if resets != 0 {
		t.Fatal("reset without a pulse of line 0")
	}
	out(Command, 0xFE)
	if resets != 1 {
		t.Fatal("0xFE resets")
	}
	b.ReadPort(PortA, buf)
	if buf[0] != a20 {
		t.Fatal("A20 is open")
	}
	out(PortA, 0)
	b.ReadPort(PortA, buf)
	if buf[0] != a20 || resets != 1 {
		t.Fatal("A20 stays open")
	}
	out(PortA, 3)
	if resets != 2 {
		t.Fatal("fast reset")
	}
}
