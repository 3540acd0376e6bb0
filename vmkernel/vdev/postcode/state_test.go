package postcode

import "testing"

func TestState(t *testing.T) {
	p, to := &PostCode{}, &PostCode{}
	p.Set(0x42)
	b, err := p.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := to.LoadState(b); err != nil || to.Last() != 0x42 {
		t.Errorf("%v, code %#x", err, to.Last())
	}
	for _, bad := range [][]byte{nil, b[:2], append(b, 0), {2, 0, 1}} {
		if err := to.LoadState(bad); err == nil || to.Last() != 0x42 {
			t.Errorf("% x: %v", bad, err)
		}
	}
}
