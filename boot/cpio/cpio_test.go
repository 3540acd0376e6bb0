package cpio

import (
	"bytes"
	"errors"
	"testing"
)

func sample() []byte {
	var b []byte
	b = Append(b, Entry{Name: "goroot", Mode: KindDir | 0o755})
	b = Append(b, Entry{Name: "goroot/a.txt", Mode: KindFile | 0o644, Body: []byte("hello")})
	b = Append(b, Entry{Name: "goroot/link", Mode: KindSymlink | 0o777, Body: []byte("a.txt")})
	b = Append(b, Entry{Name: "empty", Mode: KindFile | 0o600})
	return End(b)
}

func TestRoundTrip(t *testing.T) {
	var got []byte
	err := Read(sample(), func(e Entry) error {
		got = Append(got, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(End(got), sample()) {
		t.Fatal("an archive read and written again differs")
	}
}

func TestEveryCutIsAnError(t *testing.T) {
	b := sample()
	last := len(b) - 1
	for b[last] == 0 {
		last--
	}
	for n := 0; n <= last; n++ {
		if err := Read(b[:n], func(Entry) error { return nil }); !errors.Is(err, ErrFormat) {
			t.Fatalf("cut at %d of %d: %v", n, len(b), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample())
	f.Add([]byte(Magic))
	f.Add(bytes.Replace(sample(), []byte("00000005"), []byte("fffffff5"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		err := Read(b, func(e Entry) error {
			total += len(e.Body) + len(e.Name)
			return nil
		})
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatal(err)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of entries out of %d", total, len(b))
		}
	})
}
