package testdev

import (
	"bytes"
	"testing"

	"basalt/vmkernel/vbus"
)

type pins [NumLines]bool

type pin struct {
	p *pins
	n int
}

func (p pin) Set(high bool) { p.p[p.n] = high }

func board(t testing.TB) (*vbus.Bus, *Device, *pins) {
	b, p := vbus.New(), &pins{}
	d := New(func(n int) vbus.Line { return pin{p, n} })
	if err := d.Plug(b); err != nil {
		t.Fatal(err)
	}
	return b, d, p
}

func TestLinesAndRegister(t *testing.T) {
	b, d, p := board(t)
	b.WritePort(Lines+14, []byte{1})
	b.WritePort(Lines+23, []byte{0x80})
	if !p[14] || !p[23] || p[13] {
		t.Errorf("%v", p)
	}
	b.WritePort(Register+1, []byte{7, 8})
	got := make([]byte, 4)
	if b.ReadPort(Register, got); !bytes.Equal(got, []byte{0, 7, 8, 0}) {
		t.Errorf("register %x", got)
	}
	s, _ := d.SaveState()
	_, d2, p2 := board(t)
	if err := d2.LoadState(s); err != nil || *p2 != *p || d2.reg != d.reg {
		t.Errorf("%v, %v", err, p2)
	}
	for cut := range s {
		if d2.LoadState(s[:cut]) == nil {
			t.Errorf("%d bytes of a state are taken", cut)
		}
	}
	b.WritePort(Lines+14, []byte{0})
	if p[14] || !p[23] {
		t.Errorf("%v", p)
	}
	d.Reset()
	if *p != (pins{}) {
		t.Errorf("after a reset %v", p)
	}
	if a := b.ReadPort(Lines, got[:1]); a != vbus.NoRegister {
		t.Errorf("a line reads as %v", a)
	}
}

func FuzzPorts(f *testing.F) {
	f.Add([]byte{0, 14, 1, 2, 1, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		b, d, p := board(t)
		for ; len(in) >= 3; in = in[3:] {
			data := make([]byte, 1<<(in[0]>>6%3))
			for i := range data {
				data[i] = in[2]
			}
			port := uint16(Lines) + uint16(in[1])
			if in[0]&1 != 0 {
				port = Register + uint16(in[1])
			}
			b.WritePort(port, data)
			b.ReadPort(port, data)
		}
		s, err := d.SaveState()
		if err == nil {
			err = d.LoadState(s)
		}
		if err != nil {
			t.Fatal(err)
		}
		if d.Reset(); *p != (pins{}) {
			t.Fatal("a line stays high")
		}
		_ = d.LoadState(in)
	})
}
