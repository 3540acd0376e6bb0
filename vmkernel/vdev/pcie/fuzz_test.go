package pcie

import (
	"testing"

	spec "basalt/drivers/spec/pci"
)

// check holds what must be true whatever a guest did.
func (r *rig) check() {
	r.t.Helper()
	for e := range r.root.endpoints() {
		for i, c := range e.claims {
			if !c.on {
				continue
			}
			b := e.cfg.BARs[i]
			last := c.base + b.Size - 1
			if b.Kind == IO && (c.base < IOBase || last >= ioEnd) || b.Kind != IO && !r.root.inWindow(c.base, last) {
				r.t.Fatalf("%s: BAR %d decoded at %#x", e.Name(), i, c.base)
			}
			if base, ok := e.wanted(i); !ok || base != c.base {
				r.t.Fatalf("%s: BAR %d claims %#x, the registers say %#x, %v", e.Name(), i, c.base, base, ok)
			}
		}
		if !e.blocked {
			for i := range e.claims {
				if base, ok := e.wanted(i); ok && !e.claims[i].on {
					r.t.Fatalf("%s: BAR %d is not decoded at %#x", e.Name(), i, base)
				}
			}
		}
		if e.BusMaster() && e.regs.u16(spec.Command)&spec.CommandBusMaster == 0 {
			r.t.Fatalf("%s: bus master against the command register", e.Name())
		}
	}
}

// FuzzGuest is a guest that writes where it likes: five bytes are an action.
func FuzzGuest(f *testing.F) {
	f.Add([]byte{0x00, 0x04, 0x07, 0x00, 0x00, 0x01, 0x10, 0x00, 0x00, 0xd0})
	f.Add([]byte{0x21, 0x10, 0xff, 0xff, 0xff, 0x21, 0x04, 0x07, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x21, 0x80, 0xff, 0xff, 0x07})
	f.Add([]byte{0x81, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0xe0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRig(t, 3)
		var es []*Endpoint
		for _, n := range []string{"a", "b"} {
			e, _ := r.endpoint(n, nic())
			if _, err := r.root.Plug(e); err != nil {
				t.Fatal(err)
			}
			es = append(es, e)
		}
		must(t, r.root.Configure())
		for ; len(in) >= 5; in = in[5:] {
			what, off, v := in[0], int(in[1]), uint64(le.Uint32(append([]byte{in[2], in[3], in[4]}, in[2])))
			at := Address{Bus: what & 3}
			if what&3 == 0 {
				at = slotAddress(int(what >> 2 & 1))
			}
			e := es[what&1]
			switch what >> 5 {
			case 0, 1:
				r.put(at, off, 1<<(what>>3&3), v)
			case 2:
				r.put(at, spec.BaseAddress0+off&0x1c, 4, v<<8)
			case 3:
				r.mem(0xc000_0000+v<<4, 1<<(what>>3&3))
				r.poke(0xc000_0000+v<<4, 1<<(what>>3&3), v)
				b := le.AppendUint32(nil, uint32(v))
				r.bus.WritePort(0xcf8+uint16(off&7), b[:1<<(off>>3&3)%7])
				r.bus.ReadPort(uint16(v), b[:1])
			case 4:
				e.Signal(uint16(off))
				e.SetINTx(v&1 != 0)
			case 5:
				_, _ = r.root.Unplug(e)
			case 6:
				if r.root.Remove(e) != nil {
					_, _ = r.root.Plug(e)
				}
			case 7:
				s, err := r.root.SaveState()
				must(t, err)
				must(t, r.root.LoadState(s))
				s, err = e.SaveState()
				must(t, err)
				must(t, e.LoadState(s))
			}
			r.check()
		}
		r.bus.Reset()
		must(t, r.root.Configure())
		r.check()
		for e := range r.root.endpoints() {
			if !e.claims[0].on || r.get(e.Address(), 0, 4) != 0x1041_1af4 {
				t.Fatal("a reset does not bring the machine back")
			}
		}
	})
}

// FuzzState loads what it is given.
func FuzzState(f *testing.F) {
	r, e, _ := plugged(f, 3, nic())
	rs, _ := r.root.SaveState()
	es, _ := e.SaveState()
	f.Add(rs, es)
	f.Add([]byte{1, 0}, []byte{1, 0})
	f.Fuzz(func(t *testing.T, rs, es []byte) {
		r, e, _ := plugged(t, 3, nic())
		a, b := r.root.LoadState(rs), e.LoadState(es)
		r.check()
		if e.Address() == cardAt && r.get(Address{}, 0, 4) != 0x29c0_8086 {
			t.Fatal("the host bridge is gone")
		}
		if s, err := r.root.SaveState(); err != nil || a == nil && r.root.LoadState(s) != nil {
			t.Fatal("own state refused")
		}
		if s, err := e.SaveState(); err != nil || b == nil && e.LoadState(s) != nil {
			t.Fatal("own state refused")
		}
		r.bus.Reset()
		must(t, r.root.Configure())
		if r.get(cardAt, 0, 4) != 0x1041_1af4 && r.root.ports[0].card != nil {
			t.Fatal("a reset does not bring the device back")
		}
	})
}
