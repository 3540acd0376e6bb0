package virtio_test

import (
	"testing"

	spec "basalt/drivers/spec/virtio"
)

// FuzzRegisters writes and reads registers at will, with rings that are rubbish
// half of the time. Afterwards a proper driver finds a device that works.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{})
	// A whole initialization: status, features, queue 0, DRIVER_OK, doorbell.
	f.Add([]byte{
		0x14, 1, 0, 0, 0x14, 1, 1, 0, 0x14, 1, 3, 0, 0x08, 4, 1, 0, 0x0c, 4, 1, 0, 0x14, 1, 11, 0,
		0x16, 2, 0, 0, 0x18, 2, 8, 0, 0x21, 4, 1, 0, 0x29, 4, 2, 0, 0x31, 4, 3, 0, 0x1c, 2, 1, 0, 0x14, 1, 15, 0, 0xC0, 2, 0, 0,
	})
	f.Add([]byte{0x16, 2, 1, 0, 0x3a, 2, 1, 0, 0x1c, 2, 0, 0, 0xC1, 2, 0, 0, 0x80, 8, 3, 9, 0x40, 1, 0, 0, 0x14, 1, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t)
		window := r.dev.PCI().Capabilities
		w := window[len(window)-1]
		var data [8]byte
		for len(script) >= 4 {
			op, n, v := script[0], int(script[1]), uint16(script[2])|uint16(script[3])<<8
			script = script[4:]
			off := uint64(op)
			switch {
			case op >= 0xC0:
				off = r.Notify + uint64(op&0x3f)
			case op >= 0x80:
				off = r.Config + uint64(op&0x3f)
			case op >= 0x40:
				off = r.ISR + uint64(op&0x3f)
			case op&3 == 1 && op >= spec.QueueDesc: // an address in memory
				off, v = off&^3, v<<4
			}
			size := n & 0xf
			data = [8]byte{byte(v), byte(v >> 8)}
			switch {
			case n&0x80 != 0:
				w.Write(int(op)%24, data[:min(size, 4)])
				w.Read(int(op)%24, data[:min(size, 4)])
			case n&0x40 != 0:
				r.Mem.PutUint16(uint64(v), uint16(op))
				r.dev.ConfigChanged()
			case size <= 8:
				if n&0x20 == 0 {
					r.dev.WriteBAR(n>>4&1, off, data[:size])
				}
				r.dev.ReadBAR(n>>4&1, off, data[:size])
			}
		}
		r.Init(0, 2, 0)
		r.echo(0, 0xfeed)
		r.echo(1, 0xbeef)
	})
}

// FuzzLoadState loads rubbish. What is accepted is a device that can be paused,
// saved, loaded again and reset.
func FuzzLoadState(f *testing.F) {
	for _, features := range kinds {
		r := newRig(f)
		r.Init(features, 2, 16)
		r.echo(0, 1)
		r.pause()
		s, err := r.dev.SaveState()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, state []byte) {
		r := newRig(t)
		r.pause()
		if err := r.dev.LoadState(state); err != nil {
			want(t, "status after a refusal", r.Status(), 0)
		} else {
			s, err := r.dev.SaveState()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.dev.LoadState(s); err != nil {
				t.Fatalf("its own state: %v", err)
			}
		}
		r.dev.Resume()
		r.Ring(0)
		r.dev.Reset()
		r.Init(0, 2, 0)
		r.echo(0, 2)
	})
}
