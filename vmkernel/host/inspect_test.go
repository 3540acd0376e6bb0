package host

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"basalt/vmkernel/checkpoint"
)

func FuzzInspectState(f *testing.F) {
	var w bytes.Buffer
	s, err := checkpoint.NewWriter(&w, &checkpoint.Header{Engine: "vt-x", CPUs: 1, Memory: []checkpoint.Range{{Size: 2 << 20}}, Config: []byte(`{"CPUs":1,"MemoryMiB":2}`)})
	if err == nil {
		err = errors.Join(s.Section(NoteSection, true, []byte("hello")), s.Close())
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Add(w.Bytes())
	f.Add(w.Bytes()[:40])
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, err := range []error{CheckState(bytes.NewReader(b)), func() error { _, err := InspectState(bytes.NewReader(b)); return err }()} {
			if err != nil && !errors.Is(err, ErrBadState) && !errors.Is(err, ErrIncompatible) || err == io.EOF {
				t.Error(err)
			}
		}
	})
}
