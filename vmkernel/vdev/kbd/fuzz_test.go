package kbd

import "testing"

// FuzzGuest is a guest that accesses the ports at random: A20 stays open, only the two
// ways that there are reset, and the state is taken back.
func FuzzGuest(f *testing.F) {
	f.Add([]byte{1, 0xFE, 2, 1, 2, 0, 2, 3, 0x42, 0})
	f.Add([]byte{0x81, 0xFE, 0xC2, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		resets, want := 0, 0
		k := New(func() { resets++ })
		buf := make([]byte, 4)
		for ; len(in) >= 2; in = in[2:] {
			port := []uint16{Data, Command, PortA, PortA}[in[0]&3]
			data := buf[:1<<(in[0]>>6%3)]
			if in[0]&0x20 != 0 {
				k.ReadPort(port, data)
				continue
			}
			clear(data)
			data[0] = in[1]
			k.WritePort(port, data)
			if len(data) > 1 {
				continue // refused; the bus makes bytes of it
			}
			switch {
			case port == Command && in[1] >= 0xF0 && in[1]&1 == 0:
				want++
			case port == PortA:
				want += int(in[1] & fastReset) // the bit is a pulse: it never stays
			}
		}
		if resets != want {
			t.Errorf("%d resets, want %d", resets, want)
		}
		if k.ReadPort(PortA, buf[:1]); buf[0]&a20 == 0 || buf[0]&fastReset != 0 {
			t.Errorf("port A reads %#x", buf[0])
		}
		saved, err := k.SaveState()
		if err != nil || k.LoadState(saved) != nil {
			t.Errorf("own state % x refused", saved)
		}
	})
}
