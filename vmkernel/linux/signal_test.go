package linux

import "testing"

func TestSignalDue(t *testing.T) {
	th := newThreads(t, 1)[0]
	const urg = 1 << 22
	for _, c := range []struct {
		name                  string
		pending, mask, rflags uint64
		inSig                 uint32
		want                  bool
	}{
		{"nothing", 0, 0, 0x202, 0, false},
		{"pending", urg, 0, 0x202, 0, true},
		{"blocked", urg, urg, 0x202, 0, false},
		{"inside a handler", urg, 0, 0x202, 1, false},
		{"a run loop: interrupts are off", urg, 0, 0x002, 0, false},
	} {
		th.pending, th.mask, th.frame.rflags, th.inSig = c.pending, c.mask, c.rflags, c.inSig
		if got := th.signalDue(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
