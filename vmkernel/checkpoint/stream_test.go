package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file of the newest version")

func sampleHeader() *Header {
	h := &Header{Engine: "fake", Level: "x86-64-v2", Fingerprint: []byte{1, 2, 3}, TSCKHz: 2_000_000, CPUs: 2,
		Memory: []Range{{0, 4 << 20}, {1 << 32, 2 << 20}}, Config: []byte(`{"name":"a"}`)}
	copy(h.Generation[:], "0123456789abcdef")
	return h
}

func sampleFrame(seed byte) []byte {
	f := make([]byte, FrameSize)
	for _, page := range []int{0, 1, 7, 511} {
		for i := range PageSize {
			f[page*PageSize+i] = seed + byte(i)*byte(page+3)
		}
	}
	return f
}

func all() *Pages {
	p := new(Pages)
	for i := range p {
		p[i] = ^uint64(0)
	}
	return p
}

// sample is a small stream with everything in it.
func sample(t testing.TB) []byte {
	var b bytes.Buffer
	w, err := NewWriter(&b, sampleHeader())
	if err != nil {
		t.Fatal(err)
	}
	w.Section("clock", false, []byte{1, 0, 5})
	w.Section("device/uart", false, bytes.Repeat([]byte{7}, 100))
	w.Section("hint", true, nil)
	for i, gpa := range []uint64{0, 2 << 20, 1 << 32} {
		f := sampleFrame(byte(i + 1))
		if i == 1 {
			clear(f)
		}
		p := all()
		p.DropZero(f)
		w.Memory(gpa, p, f)
	}
	if err := w.Close(); err != nil || w.Bytes() != int64(b.Len()) {
		t.Fatal(err, w.Bytes(), b.Len())
	}
	return b.Bytes()
}

// load reads everything and gives what was in it as text.
func load(r io.Reader) (string, error) {
	s, err := NewReader(r)
	if err != nil {
		return "", err
	}
	out := fmt.Sprintf("%+v\n", *s.Header())
	for {
		rec, err := s.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if rec.Kind == KindMemory {
			if err := rec.Each(func(gpa uint64, p []byte) error {
				out += fmt.Sprintf("page %#x %08x\n", gpa, crc32.ChecksumIEEE(p))
				return nil
			}); err != nil {
				return out, err
			}
			continue
		}
		out += fmt.Sprintf("%s %v %x\n", rec.Name, rec.Optional, rec.Data)
	}
}

func TestStream(t *testing.T) {
	b := sample(t)
	if len(b) > 10*PageSize {
		t.Errorf("%d bytes: zero pages were written", len(b))
	}
	got, err := load(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got, "page "); n != 8 {
		t.Errorf("%d pages:\n%s", n, got)
	}
	f := sampleFrame(1)
	for _, want := range []string{"device/uart false 0707", "hint true \n", "Engine:fake",
		fmt.Sprintf("page %#x %08x", 7*PageSize, crc32.ChecksumIEEE(f[7*PageSize:8*PageSize])), "page 0x1001ff000 "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestReadsNoFurther: what follows a stream on a connection is not touched.
func TestReadsNoFurther(t *testing.T) {
	r := bytes.NewReader(append(sample(t), "next"...))
	if _, err := load(r); err != nil || r.Len() != 4 {
		t.Errorf("%v, %d bytes left", err, r.Len())
	}
}

func TestTruncated(t *testing.T) {
	b := sample(t)
	for n := 0; n < len(b); n++ {
		if n > 600 && n < len(b)-100 && n%509 != 0 {
			continue
		}
		if _, err := load(bytes.NewReader(b[:n])); !errors.Is(err, ErrTruncated) && (n >= prefixSize || !errors.Is(err, ErrNotState)) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
}

func TestEveryFlippedBit(t *testing.T) {
	b := sample(t)
	for i := range b {
		if i > 400 && i < len(b)-80 && i%997 != 0 {
			continue
		}
		for bit := range 8 {
			if i > 64 && bit != i%8 {
				continue
			}
			b[i] ^= 1 << bit
			_, err := load(bytes.NewReader(b))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
			b[i] ^= 1 << bit
		}
	}
}

// raw makes records with right checksums and wrong content.
func raw(kind Kind, flags uint8, name string, claim uint64, p []byte) []byte {
	h := []byte{byte(kind), flags}
	h = binary.LittleEndian.AppendUint16(h, uint16(len(name)))
	h = binary.LittleEndian.AppendUint64(h, claim)
	sum := crc32.Checksum(append(append([]byte(nil), h...), name...), castagnoli)
	h = binary.LittleEndian.AppendUint32(h, sum)
	h = append(append(h, name...), p...)
	return binary.LittleEndian.AppendUint32(h, crc32.Checksum(p, castagnoli))
}

func section(name string, p []byte) []byte { return raw(KindSection, 0, name, uint64(len(p)), p) }

func chunk(gpa uint64, pages Pages, n int) []byte {
	p := binary.LittleEndian.AppendUint64(nil, gpa)
	for _, w := range pages {
		p = binary.LittleEndian.AppendUint64(p, w)
	}
	p = append(p, make([]byte, n*PageSize)...)
	return raw(KindMemory, 0, "memory", uint64(len(p)), p)
}

func TestHostile(t *testing.T) {
	head := sampleHeader().encode()
	prefix := append([]byte(magic), 1, 0, 0, 0)
	good := append(append([]byte(nil), prefix...), raw(KindHeader, 0, "header", uint64(len(head)), head)...)
	after := func(more ...[]byte) []byte { return append(bytes.Clone(good), bytes.Join(more, nil)...) }
	changed := func(f func(h *Header)) []byte {
		h := sampleHeader()
		f(h)
		b := h.encode()
		return append(bytes.Clone(prefix), raw(KindHeader, 0, "header", uint64(len(b)), b)...)
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
		text string
	}{
		"text":             {[]byte("hello, I am a file of text"), ErrNotState, "offset 0"},
		"newer":            {append([]byte(magic), 2, 0, 0, 0), ErrVersion, "version 2"},
		"version 0":        {append([]byte(magic), 0, 0, 0, 0), ErrVersion, ""},
		"no header":        {append(bytes.Clone(prefix), section("a", nil)...), ErrMissing, "header"},
		"huge section":     {after(raw(KindSection, 0, "device/uart", 100<<30, nil)), ErrTooLarge, "device/uart at offset"},
		"longest":          {after(raw(KindSection, 0, "a", ^uint64(0), nil)), ErrTooLarge, ""},
		"claims more":      {after(raw(KindSection, 0, "a", MaxSection, []byte("b"))), ErrTruncated, "a at offset"},
		"bad name":         {after(section("A b", nil)), ErrMalformed, ""},
		"no name":          {after(section("", nil)), ErrMalformed, ""},
		"flags":            {after(raw(KindSection, 4, "a", 0, nil)), ErrMalformed, ""},
		"kind":             {after(raw(9, 1, "a", 0, nil)), ErrUnknown, "kind 9"},
		"twice":            {after(section("a", nil), section("a", nil)), ErrMalformed, "twice"},
		"second header":    {after(raw(KindHeader, 0, "header", uint64(len(head)), head)), ErrMalformed, ""},
		"odd memory":       {after(raw(KindMemory, 0, "memory", memoryHead+1, make([]byte, memoryHead+1))), ErrMalformed, ""},
		"empty memory":     {after(raw(KindMemory, 0, "memory", memoryHead, make([]byte, memoryHead))), ErrMalformed, ""},
		"misaligned":       {after(chunk(4096, Pages{1}, 1)), ErrMalformed, "0x1000"},
		"not memory":       {after(chunk(6<<20, Pages{1}, 1)), ErrMalformed, "0x600000"},
		"bitmap":           {after(chunk(0, Pages{3}, 1)), ErrMalformed, "2 pages in the bitmap"},
		"descending":       {after(chunk(2<<20, Pages{1}, 1), chunk(0, Pages{1}, 1)), ErrMalformed, "ascend"},
		"again":            {after(chunk(0, Pages{1}, 1), chunk(0, Pages{1}, 1)), ErrMalformed, "ascend"},
		"end claims":       {after(raw(kindEnd, 0, "end", endSize, make([]byte, endSize))), ErrMalformed, "announced"},
		"end short":        {after(raw(kindEnd, 0, "end", 1, []byte{1})), ErrMalformed, ""},
		"odd region":       {changed(func(h *Header) { h.Memory[0].Size = 5 }), ErrInvalid, "memory range"},
		"regions overlap":  {changed(func(h *Header) { h.Memory[1].Start = 0 }), ErrInvalid, ""},
		"region wraps":     {changed(func(h *Header) { h.Memory[1] = Range{1 << 63, 1 << 63} }), ErrInvalid, ""},
		"too many regions": {changed(func(h *Header) { h.Memory = make([]Range, 65) }), ErrInvalid, ""},
		"engine":           {changed(func(h *Header) { h.Engine = "a\x00" }), ErrInvalid, "engine"},
		"fingerprint":      {changed(func(h *Header) { h.Fingerprint = make([]byte, maxFingerprint+1) }), ErrInvalid, ""},
	} {
		_, err := load(bytes.NewReader(c.in))
		var e *Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	sum := 0
	var many [][]byte
	for i := 0; sum <= MaxTotal; i++ {
		many = append(many, section(fmt.Sprint(i), make([]byte, MaxSection)))
		sum += MaxSection
	}
	if _, err := load(bytes.NewReader(after(many...))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d MiB of sections: %v", sum>>20, err)
	}
}

// TestTooManySections: their names are remembered, so their number has a limit.
func TestTooManySections(t *testing.T) {
	b := sample(t)[:0]
	head := sampleHeader().encode()
	b = append(append(b, magic...), 1, 0, 0, 0)
	b = append(b, raw(KindHeader, 0, "header", uint64(len(head)), head)...)
	for i := range MaxSections + 1 {
		b = append(b, section(fmt.Sprint(i), nil)...)
	}
	if _, err := load(bytes.NewReader(b)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// TestClaimsCostNothing: a header of 100 GB and a record of the largest size, of
// which nothing arrives.
func TestClaimsCostNothing(t *testing.T) {
	h := sampleHeader()
	h.Memory = []Range{{0, 100 << 30}}
	b := h.encode()
	in := append([]byte(magic), 1, 0, 0, 0)
	in = append(in, raw(KindHeader, 0, "header", uint64(len(b)), b)...)
	cut := raw(KindMemory, 0, "memory", memoryHead+FrameSize, nil)
	in = append(in, cut[:len(cut)-4]...)
	r, err := NewReader(bytes.NewReader(in))
	if err != nil || r.Header().MemorySize() != 100<<30 {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if cap(r.buf) > 2*growth {
		t.Errorf("%d bytes for nothing", cap(r.buf))
	}
}

func TestRounds(t *testing.T) {
	var b bytes.Buffer
	w, _ := NewWriter(&b, sampleHeader())
	f := sampleFrame(1)
	w.Memory(2<<20, all(), f)
	w.Memory(0, &Pages{1}, f)
	w.Memory(2<<20, &Pages{2}, f)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	r.AllowRounds()
	n := 0
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rec.Each(func(uint64, []byte) error { n++; return nil })
	}
	if n != 514 {
		t.Error(n)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
}

type failing struct{ after int }

var errDisk = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestWriterErrors(t *testing.T) {
	w, err := NewWriter(&failing{500}, sampleHeader())
	if err != nil {
		t.Fatal(err)
	}
	w.Section("a", false, make([]byte, 1000))
	if err := w.Close(); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	w, _ = NewWriter(io.Discard, sampleHeader())
	if err := w.Section("a", false, make([]byte, MaxSection+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := w.Section("Ä", false, nil); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if err := w.Memory(4096, &Pages{1}, sampleFrame(1)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	h := sampleHeader()
	h.Memory = []Range{{0, 1}}
	if _, err := NewWriter(io.Discard, h); err == nil {
		t.Error("a header that no reader takes")
	}
}

func TestMemoryDoesNotAllocate(t *testing.T) {
	w, _ := NewWriter(io.Discard, sampleHeader())
	f, p := sampleFrame(1), all()
	if n := testing.AllocsPerRun(10, func() { w.Memory(0, p, f) }); n > 1 {
		t.Errorf("%v allocations for a frame", n)
	}
}

// TestGolden: every version that was ever on main loads, and gives what was in it.
func TestGolden(t *testing.T) {
	name := filepath.Join("testdata", fmt.Sprintf("v%d.state", Version))
	if *update {
		if err := os.WriteFile(name, sample(t), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := load(bytes.NewReader(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("testdata/v*.state")
	if len(files) != Version {
		t.Fatalf("golden files %v, the version is %d", files, Version)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := load(bytes.NewReader(b)); err != nil || got != want {
			t.Errorf("%s: %v\n%s", f, err, got)
		}
		if f == name && !bytes.Equal(b, sample(t)) {
			t.Errorf("%s: the writer writes another format under the same version", f)
		}
	}
}

func FuzzReader(f *testing.F) {
	b := sample(f)
	f.Add(b)
	f.Add(b[:len(b)/2])
	head := sampleHeader().encode()
	small := append([]byte(magic), 1, 0, 0, 0)
	small = append(small, raw(KindHeader, 0, "header", uint64(len(head)), head)...)
	f.Add(append(bytes.Clone(small), section("device/uart", []byte{1, 0})...))
	f.Add(append(bytes.Clone(small), raw(KindSection, 1, "x", 1<<40, nil)...))
	f.Add(append(bytes.Clone(small), chunk(0, Pages{1}, 1)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := NewReader(bytes.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out, r.Header())
		if err != nil {
			t.Fatalf("a header that was read cannot be written: %v", err)
		}
		for {
			rec, err := r.Next()
			if cap(r.buf) > 2*len(in)+2*growth {
				t.Fatalf("%d bytes taken for a stream of %d", cap(r.buf), len(in))
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("no place in %v", err)
				}
				return
			}
			if rec.Kind == KindMemory {
				frame := make([]byte, FrameSize)
				rec.Each(func(gpa uint64, p []byte) error { copy(frame[gpa%FrameSize:], p); return nil })
				w.Memory(rec.GPA, &rec.Pages, frame)
			} else {
				w.Section(rec.Name, rec.Optional, rec.Data)
			}
		}
		if err := w.Close(); err != nil || !bytes.Equal(out.Bytes(), in[:out.Len()]) {
			t.Fatalf("written again it is different: %v", err)
		}
	})
}
