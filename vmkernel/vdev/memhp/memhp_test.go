package memhp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"basalt/vmkernel/vbus"
)

type rig struct {
	t    *testing.T
	b    *Block
	bus  *vbus.Bus
	told []string
}

func newRig(t *testing.T, there ...Device) *rig {
	t.Helper()
	r := &rig{t: t, bus: vbus.New()}
	var err error
	r.b, err = New(Config{Devices: there, Took: func(slot int, d Device, status uint32) {
		r.told = append(r.told, fmt.Sprintf("%d %#x %#x", slot, d.Base, status))
	}})
	if err == nil {
		err = r.b.Plug(r.bus)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) out(off uint16, n int, v uint32) {
	p := binary.LittleEndian.AppendUint32(nil, v)
	r.bus.WritePort(Base+off, p[:n])
}

func (r *rig) in(off uint16, n int) uint32 {
	p := make([]byte, 4)
	r.bus.ReadPort(Base+off, p[:n])
	return binary.LittleEndian.Uint32(p)
}

// want looks at a slot as the AML does.
func (r *rig) want(what string, slot uint32, d Device, flags uint32) {
	r.t.Helper()
	r.out(0, 4, slot)
	got := Device{uint64(r.in(0, 4)) | uint64(r.in(4, 4))<<32, uint64(r.in(8, 4)) | uint64(r.in(12, 4))<<32, r.in(16, 4)}
	if f := r.in(flagsAt, 1); got != d || f != flags {
		r.t.Errorf("%s: slot %d: %+v %#x, want %+v %#x", what, slot, got, f, d, flags)
	}
}

func TestBlock(t *testing.T) {
	old, one, two := Device{5 << 30, 1 << 30, 0}, Device{6 << 30, 128 << 20, 1}, Device{1<<40 + 1<<32, 3 << 32, 2}
	r := newRig(t, old)
	r.want("at first", 0, old, Present)
	r.want("at first", 1, Device{}, 0)
	r.want("beyond", Slots, Device{}, 0)
	r.want("far beyond", 1<<31, Device{}, 0)
	r.out(0, 4, 1)
	r.out(flagsAt, 1, Fresh)  // of a slot with nothing in it
	r.out(statusAt, 4, 0)     // the same
	r.out(0, 2, 0)            // a selector of another size
	r.out(flagsAt+1, 1, 0xFF) // reserved
	r.out(0xC, 4, 0xFFFFFFFF) // the same
	if err := errors.Join(r.b.Add(one), r.b.Add(two)); err != nil {
		t.Fatal(err)
	}
	r.want("added", 1, one, Present|Fresh)
	r.want("added", 2, two, Present|Fresh)
	r.want("the old one", 0, old, Present)
	r.out(0, 4, 2)
	r.out(flagsAt, 1, 0xFD) // bit 1 is clear: an ejection, and what is reserved
	r.want("other bits", 2, two, Present|Fresh)
	r.out(flagsAt, 1, Fresh)
	r.want("taken", 2, two, Present)
	r.want("the other", 1, one, Present|Fresh)
	if v := r.in(6, 2); v != 0 || r.in(0, 2) != uint32(one.Base&0xFFFF) || r.in(9, 1) != 0 || r.in(11, 1) != 8 {
		t.Errorf("narrow reads: %#x", v)
	}
	if r.bus.ReadPort(Base+Size-2, make([]byte, 4)); r.in(Size-1, 1) != 0 {
		t.Error("the last byte")
	}

	// _OST: once for each device that came.
	for _, slot := range []uint32{0, 1, 2, 1, 2} {
		r.out(0, 4, slot)
		r.out(4, 4, 1)
		r.out(statusAt, 4, 0x80+slot)
	}
	if want := []string{"1 0x180000000 0x81", "2 0x10100000000 0x82"}; !slices.Equal(r.told, want) {
		t.Errorf("the guest said %q, want %q", r.told, want)
	}

	state, err := r.b.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if newRig(t, old, one).b.LoadState(state) == nil || newRig(t, old, one, Device{1, 2, 3}).b.LoadState(state) == nil {
		t.Error("the state of other memory was taken")
	}
	q := newRig(t, old, one, two)
	for i := range state {
		if q.b.LoadState(state[:i]) == nil {
			t.Errorf("%d bytes", i)
		}
	}
	q.want("before", 1, one, Present)
	if err := q.b.LoadState(state); err != nil {
		t.Fatal(err)
	}
	q.want("loaded", 1, one, Present|Fresh)
	q.b.Reset()
	q.want("after a reset", 1, one, Present)
	if got := q.b.Devices(); !slices.Equal(got, []Device{old, one, two}) {
		t.Errorf("%+v", got)
	}
}

func TestFull(t *testing.T) {
	r := newRig(t)
	for i := range uint64(Slots) {
		if err := r.b.Add(Device{Base: i << 30, Size: 1 << 30}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.b.Add(Device{}); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	r.want("the last", Slots-1, Device{(Slots - 1) << 30, 1 << 30, 0}, Present|Fresh)
	if _, err := New(Config{Devices: make([]Device, Slots+1)}); !errors.Is(err, ErrFull) {
		t.Errorf("too many at once: %v", err)
	}
}

func FuzzGuest(f *testing.F) {
	f.Add([]byte{0, 1, 1, 20, 0, 2, 2, 8, 3, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		told := 0
		b, err := New(Config{Devices: []Device{{4 << 30, 1 << 30, 0}}, Took: func(int, Device, uint32) { told++ }})
		if err != nil {
			t.Fatal(err)
		}
		bus := vbus.New()
		if err := b.Plug(bus); err != nil {
			t.Fatal(err)
		}
		added := 0
		for ; len(in) >= 2; in = in[2:] {
			switch in[0] % 4 {
			case 0:
				bus.WritePort(Base, []byte{in[1], 0, 0, in[0] >> 6})
			case 1:
				bus.WritePort(Base+uint16(in[1]&31), []byte{in[0], in[1], 0, 0}[:1<<(in[0]>>2&1)])
			case 2:
				if b.Add(Device{Base: 8 << 30, Size: uint64(in[1]) << 27}) == nil {
					added++
				}
			case 3:
				bus.ReadPort(Base+uint16(in[1]&31), make([]byte, 1<<(in[0]>>2&1)))
			}
		}
		if told > added || len(b.Devices()) != added+1 {
			t.Fatalf("%d told, %d added, %d there", told, added, len(b.Devices()))
		}
		state, _ := b.SaveState()
		if err := b.LoadState(state); err != nil {
			t.Fatal(err)
		}
	})
}
