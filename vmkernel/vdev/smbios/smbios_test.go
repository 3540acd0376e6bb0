package smbios

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// parsed is a structure as a guest reads it.
type parsed struct {
	kind    byte
	handle  uint16
	b       []byte // with the header
	strings []string
}

// text is the string whose number is at off.
func (p *parsed) text(off int) string {
	n := int(p.b[off])
	if n == 0 {
		return ""
	}
	return p.strings[n-1]
}

// scan finds the entry point as Linux's dmi_scan_machine does, in a copy of
// 0xF0000-0xFFFFF, and reads the table.
func scan(t *testing.T, area []byte) map[byte][]parsed {
	t.Helper()
	const origin = 0xF0000
	for at := 0; at+EntrySize <= len(area); at += 16 {
		e := area[at:]
		if !bytes.HasPrefix(e, []byte("_SM3_")) {
			continue
		}
		sum := byte(0)
		for _, v := range e[:e[6]] {
			sum += v
		}
		if sum != 0 || e[6] != EntrySize || e[7] != 3 {
			t.Fatalf("entry point % x", e[:EntrySize])
		}
		start, size := le.Uint64(e[16:])-origin, uint64(le.Uint32(e[12:]))
		return walk(t, area[start:start+size])
	}
	t.Fatal("no entry point")
	return nil
}

func walk(t *testing.T, b []byte) map[byte][]parsed {
	out := map[byte][]parsed{}
	handles := map[uint16]bool{}
	for len(b) > 0 {
		p := parsed{kind: b[0], handle: le.Uint16(b[2:]), b: b[:b[1]]}
		if handles[p.handle] {
			t.Errorf("handle %#x twice", p.handle)
		}
		handles[p.handle] = true
		end := bytes.Index(b[b[1]:], []byte{0, 0})
		if end < 0 {
			t.Fatalf("structure %d has no end", p.kind)
		}
		if end > 0 {
			p.strings = strings.Split(string(b[b[1]:int(b[1])+end]), "\x00")
		}
		b = b[int(b[1])+end+2:]
		out[p.kind] = append(out[p.kind], p)
		if p.kind == typeEnd {
			break
		}
	}
	if len(b) != 0 || len(out[typeEnd]) != 1 {
		t.Errorf("%d bytes behind the end", len(b))
	}
	return out
}

func at(t *testing.T, c Config, base uint64) map[byte][]parsed {
	t.Helper()
	image, err := Build(c, base)
	if err != nil {
		t.Fatal(err)
	}
	if len(image) > MaxSize {
		t.Errorf("%d bytes", len(image))
	}
	area := make([]byte, 0x10000)
	copy(area[base-0xF0000:], image)
	return scan(t, area)
}

func uuid(s string) (u [16]byte) {
	b, _ := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	copy(u[:], b)
	return u
}

func TestTables(t *testing.T) {
	c := Config{UUID: uuid("00112233-4455-6677-8899-aabbccddeeff"), Serial: "vm-1", Version: "1.2", CPUs: 4,
		Processor: 0x1234, Memory: []Range{{0, 3 << 30}, {4 << 30, 5 << 30}}}
	s := at(t, c, 0xFE000)
	// Table 3: the structures that must be there, each with its least length.
	for kind, size := range map[byte]int{typeBIOS: 0x1A, typeSystem: 0x1B, typeEnclosure: 0x16, typeProcessor: 0x30,
		typeMemoryArray: 0x17, typeMemory: 0x28, typeMapped: 0x1F, typeBoot: 0x0B, typeEnd: 4} {
		if len(s[kind]) == 0 || len(s[kind][0].b) != size {
			t.Errorf("type %d: %d structures, % x", kind, len(s[kind]), s[kind])
		}
	}
	// 7.2.1 gives this very example.
	sys := s[typeSystem][0]
	if got := hex.EncodeToString(sys.b[8:24]); got != "33221100554477668899aabbccddeeff" {
		t.Errorf("UUID %s", got)
	}
	for off, want := range map[int]string{4: maker, 5: product, 6: "1.2", 7: "vm-1", 25: "", 26: "Virtual Machine"} {
		if got := sys.text(off); got != want {
			t.Errorf("system string at %d: %q", off, got)
		}
	}
	if b := s[typeBIOS][0]; b.b[19]&(1<<4) == 0 || b.text(8) != "01/01/2026" {
		t.Errorf("BIOS % x", b.b)
	}
	if p := s[typeProcessor][0]; p.b[35] != 4 || p.b[37] != 4 || le.Uint16(p.b[42:]) != 4 || le.Uint64(p.b[8:]) != 0x1234 || p.b[24] != 0x41 {
		t.Errorf("processor % x", p.b)
	}
	if m := s[typeMemory][0]; le.Uint16(m.b[12:]) != 8<<10 || le.Uint16(m.b[4:]) != s[typeMemoryArray][0].handle || m.text(16) != "DIMM 0" {
		t.Errorf("memory % x", m.b)
	}
	if len(s[typeMapped]) != 2 || le.Uint32(s[typeMapped][1].b[4:]) != 4<<20 || le.Uint32(s[typeMapped][1].b[8:]) != 9<<20-1 {
		t.Errorf("mapped %v", s[typeMapped])
	}
}

func TestLarge(t *testing.T) {
	s := at(t, Config{CPUs: 300, Serial: strings.Repeat("x", 100) + "\n", Memory: []Range{{0, 3 << 30}, {4 << 30, 5 << 40}}}, 0xF0000)
	if p := s[typeProcessor][0]; p.b[35] != 255 || le.Uint16(p.b[42:]) != 300 {
		t.Errorf("processor % x", p.b)
	}
	if m := s[typeMemory][0]; le.Uint16(m.b[12:]) != 0x7FFF || le.Uint32(m.b[28:]) != 5<<20+3<<10 {
		t.Errorf("memory % x", m.b)
	}
	if a := s[typeMemoryArray][0]; le.Uint32(a.b[7:]) != 1<<31 || le.Uint64(a.b[15:]) != 5<<40+3<<30 {
		t.Errorf("array % x", a.b)
	}
	if m := s[typeMapped][1]; le.Uint32(m.b[4:]) != 1<<32-1 || le.Uint64(m.b[15:]) != 4<<30 || le.Uint64(m.b[23:]) != 5<<40+4<<30-1 {
		t.Errorf("mapped % x", m.b)
	}
	if n := len(s[typeSystem][0].text(7)); n != maxText {
		t.Errorf("serial of %d bytes", n)
	}
}

func TestRefusals(t *testing.T) {
	ok := Config{CPUs: 1, Memory: []Range{{0, 1 << 20}}}
	for _, c := range []struct {
		c    Config
		base uint64
	}{{ok, 0xE0000}, {ok, 0xFE001}, {ok, 0xFFFF0}, {Config{Memory: ok.Memory}, 0xF0000}, {Config{CPUs: 1}, 0xF0000},
		{Config{CPUs: 1, Memory: []Range{{1, 1024}}}, 0xF0000}, {Config{CPUs: 1, Memory: make([]Range, 9)}, 0xF0000}} {
		if _, err := Build(c.c, c.base); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v at %#x: %v", c.c, c.base, err)
		}
	}
}

// FuzzText: no text of a configuration breaks the table.
func FuzzText(f *testing.F) {
	f.Add("vm-1", "0.1")
	f.Add("", "\x00\x00a")
	f.Fuzz(func(t *testing.T, serial, version string) {
		s := at(t, Config{CPUs: 1, Serial: serial, Version: version, Memory: []Range{{0, 1 << 20}}}, 0xFE000)
		if len(s) != 9 {
			t.Errorf("%d kinds", len(s))
		}
	})
}
