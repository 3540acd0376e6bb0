package checkpoint

import (
	"bytes"
	"errors"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	e := NewEncoder(2)
	e.U8(1)
	e.U16(2)
	e.U32(3)
	e.U64(4)
	e.I64(-5)
	e.Bool(true)
	e.Fixed([]byte{6, 7})
	e.Var([]byte{8})
	d := NewDecoder(e.Bytes(), 2)
	var f [2]byte
	if d.Version() != 2 || d.U8() != 1 || d.U16() != 2 || d.U32() != 3 || d.U64() != 4 || d.I64() != -5 || !d.Bool() {
		t.Fatal("fields differ")
	}
	d.Fixed(f[:])
	if f != [2]byte{6, 7} || !bytes.Equal(d.Var(4), []byte{8}) {
		t.Fatal("bytes differ")
	}
	if err := d.Done("x"); err != nil {
		t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":         {nil, ErrShort},
		"version zero":  {[]byte{0, 0, 1}, ErrVersion},
		"newer version": {[]byte{2, 0, 1}, ErrVersion},
		"short":         {[]byte{1, 0}, ErrShort},
		"long":          {[]byte{1, 0, 1, 9}, ErrLong},
		"boolean":       {[]byte{1, 0, 7}, ErrInvalid},
	} {
		d := NewDecoder(c.b, 1)
		d.Bool()
		if err := d.Done("x"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	d := NewDecoder([]byte{1, 0, 255, 255, 255, 255}, 1)
	if d.Var(16) != nil || !errors.Is(d.Done("x"), ErrInvalid) {
		t.Error("a huge length was believed")
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte{1, 0, 4, 0, 0, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, in []byte) {
		d := NewDecoder(in, 3)
		v := d.Var(64)
		d.U64()
		d.Bool()
		if err := d.Done("x"); err == nil && len(in) != 2+4+len(v)+8+1 {
			t.Fatal("bytes were left over or invented")
		}
	})
}
