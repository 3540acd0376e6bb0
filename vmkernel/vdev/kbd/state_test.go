package kbd

import (
	"errors"
	"testing"

	"basalt/vmkernel/checkpoint"
)

func TestState(t *testing.T) {
	resets := 0
	k := New(func() { resets++ })
	k.WritePort(PortA, []byte{0xF0 | a20})
	b, err := k.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	to := New(func() { resets++ })
	if err := to.LoadState(b); err != nil || to.portA.Load() != 0xF0|a20 || resets != 0 {
		t.Errorf("%v, port A %#x, %d resets", err, to.portA.Load(), resets)
	}
	for _, bad := range [][]byte{nil, b[:2], append(b, 0), {1, 0, a20 | fastReset}, {1, 0, 0}, {2, 0, a20}} {
		if err := to.LoadState(bad); err == nil || to.portA.Load() != 0xF0|a20 {
			t.Errorf("% x: %v", bad, err)
		}
	}
	if err := to.LoadState([]byte{1, 0, 0}); !errors.Is(err, checkpoint.ErrInvalid) {
		t.Error(err)
	}
}
