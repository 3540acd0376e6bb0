package cpuhp

import (
	"testing"

	"basalt/vmkernel/vbus"
)

func flags(t *testing.T, bus *vbus.Bus, n uint32) byte {
	t.Helper()
	bus.WritePort(Base, []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	p := []byte{0}
	bus.ReadPort(FlagAt, p)
	return p[0]
}

func TestBlock(t *testing.T) {
	b, bus := New(2), vbus.New()
	if err := b.Plug(bus); err != nil {
		t.Fatal(err)
	}
	want := func(what string, n uint32, w byte) {
		t.Helper()
		if got := flags(t, bus, n); got != w {
			t.Errorf("%s: processor %d: %#x, want %#x", what, n, got, w)
		}
	}
	want("at first", 0, Present)
	want("at first", 1, Present)
	want("at first", 2, 0)
	want("beyond", 64, 0)
	want("far beyond", 1<<31, 0)
	b.Add(2)
	b.Add(63)
	b.Add(64)
	b.Add(-1)
	want("added", 2, Present|Fresh)
	want("added", 63, Present|Fresh)
	bus.WritePort(FlagAt, []byte{0xFD}) // bit 1 is clear
	want("other bits", 63, Present|Fresh)
	bus.WritePort(FlagAt, []byte{Fresh})
	want("taken", 63, Present)
	want("the other", 2, Present|Fresh)
	state, err := b.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if New(2).LoadState(state) == nil {
		t.Error("the state of other processors was taken")
	}
	if err := b.LoadState(state); err != nil {
		t.Error(err)
	}
	for i := range state {
		if b.LoadState(state[:i]) == nil {
			t.Errorf("%d bytes", i)
		}
	}
	b.Reset()
	want("after a reset", 2, Present)
	if !b.Has(2) || b.Has(3) || b.Has(-1) || b.Has(64) || !New(64).Has(63) {
		t.Error("Has")
	}
	sel := make([]byte, 4)
	bus.ReadPort(Base, sel)
	if sel[0] != 2 {
		t.Errorf("selector % x", sel)
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 2, 1, 2, 2, 5, 3, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		b, bus := New(3), vbus.New()
		if err := b.Plug(bus); err != nil {
			t.Fatal(err)
		}
		for ; len(in) >= 2; in = in[2:] {
			switch in[0] % 4 {
			case 0:
				bus.WritePort(Base, []byte{in[1], 0, 0, in[0] >> 4})
			case 1:
				bus.WritePort(FlagAt, in[1:2])
			case 2:
				b.Add(int(in[1]))
			case 3:
				bus.ReadPort(Base+uint16(in[1]&7), make([]byte, 1<<(in[0]>>2&1)))
			}
			if b.present&7 != 7 || b.fresh&^b.present != 0 {
				t.Fatalf("%x %x", b.present, b.fresh)
			}
		}
		state, _ := b.SaveState()
		if err := b.LoadState(state); err != nil {
			t.Fatal(err)
		}
	})
}
