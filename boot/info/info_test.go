package info

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// memory is a Reader over bytes at a base address.
type memory struct {
	base  uint64
	bytes []byte
}

func (m *memory) read(pa uint64, buf []byte) bool {
	if pa < m.base || pa-m.base > uint64(len(m.bytes)) || uint64(len(m.bytes))-(pa-m.base) < uint64(len(buf)) {
		return false
	}
	copy(buf, m.bytes[pa-m.base:])
	return true
}

func (m *memory) put(pa uint64, words ...any) {
	var b []byte
	for _, w := range words {
		switch w := w.(type) {
		case string:
			b = append(b, w...)
		case []byte:
			b = append(b, w...)
		default:
			b, _ = binary.Append(b, binary.LittleEndian, w)
		}
	}
	copy(m.bytes[pa-m.base:], b)
}

const testBase = 0x9000

func newMemory() *memory { return &memory{base: testBase, bytes: make([]byte, 0x3000)} }

func rsdp(revision byte) []byte {
	b := make([]byte, 36)
	copy(b, "RSD PTR ")
	b[15] = revision
	binary.LittleEndian.PutUint32(b[16:], 0x7fe1000)
	b[8] = -sum(b[:20])
	if revision < 2 {
		return b[:20]
	}
	b[20] = 36
	binary.LittleEndian.PutUint64(b[24:], 0x7fe2000)
	b[32] = -sum(b)
	return b
}

func pvhMemory() *memory {
	m := newMemory()
	m.put(testBase, uint32(pvhMagic), uint32(1), uint32(0), uint32(1), uint64(testBase+0x100), uint64(testBase+0x200),
		uint64(testBase+0x300), uint64(testBase+0x400), uint32(4), uint32(0))
	m.put(testBase+0x100, uint64(0x2000000), uint64(0x1234), uint64(testBase+0x180), uint64(0))
	m.put(testBase+0x180, "initrd\x00")
	m.put(testBase+0x200, "hostname=a loglevel=debug\x00")
	m.put(testBase+0x300, rsdp(2))
	m.put(testBase+0x400,
		uint64(0x100000), uint64(0x7f00000), uint32(1), uint32(0),
		uint64(0), uint64(0x9fc00), uint32(1), uint32(0),
		uint64(0x9fc00), uint64(0x60400), uint32(2), uint32(0),
		uint64(0x7fe0000), uint64(0x20000), uint32(3), uint32(0))
	return m
}

func mb2Memory() *memory {
	m := newMemory()
	b := []byte{}
	tag := func(kind uint32, words ...any) {
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		var p []byte
		for _, w := range words {
			switch w := w.(type) {
			case string:
				p = append(p, w...)
			case []byte:
				p = append(p, w...)
			default:
				p, _ = binary.Append(p, binary.LittleEndian, w)
			}
		}
		b = binary.LittleEndian.AppendUint32(b, kind)
		b = binary.LittleEndian.AppendUint32(b, uint32(8+len(p)))
		b = append(b, p...)
	}
	tag(mb2CmdLine, "panic=halt\x00")
	tag(mb2Module, uint32(0x3000000), uint32(0x3000010), "basalt.conf\x00")
	tag(mb2MemoryMap, uint32(24), uint32(0),
		uint64(0), uint64(0x9fc00), uint32(1), uint32(0),
		uint64(0x100000), uint64(0x3f00000), uint32(1), uint32(0),
		uint64(0xfffc0000), uint64(0x40000), uint32(2), uint32(0))
	tag(mb2Framebuffer, uint64(0xfd000000), uint32(4096), uint32(1024), uint32(768), uint8(32), uint8(1), uint16(0),
		[]byte{16, 8, 8, 8, 0, 8})
	tag(mb2NewRSDP, rsdp(2))
	tag(mb2OldRSDP, rsdp(0))
	tag(mb2End)
	m.put(testBase, uint32(8+len(b)), uint32(0), b)
	return m
}

func uefiMemory() *memory {
	m := newMemory()
	m.put(testBase, uint64(UEFIMagic), uint32(1), uint32(UEFISize), uint64(testBase+0x100), uint64(3*48), uint64(48),
		uint64(testBase+0x300),
		uint64(0x80000000), uint32(800), uint32(600), uint32(800), uint32(1), uint32(0), uint32(0), uint32(0), uint32(0),
		uint64(testBase+0x200), uint64(5), uint64(0x5000000), uint64(77), uint64(0x7eee018))
	desc := func(i int, kind uint32, start, pages uint64) {
		m.put(testBase+0x100+uint64(i)*48, kind, uint32(0), start, uint64(0), pages, uint64(0xf), uint64(0))
	}
	desc(0, efiBootServicesData, 0, 0xa0)
	desc(1, efiConventional, 0x100000, 0x7f00)
	desc(2, efiACPINVS, 0x8000000, 4)
	m.put(testBase+0x200, "a=b c")
	m.put(testBase+0x300, rsdp(2))
	return m
}

func TestParsePVH(t *testing.T) {
	var f Facts
	if p := f.ParsePVH(pvhMemory().read, testBase); p != None {
		t.Fatal(p)
	}
	want := []Region{{0, 0x9fc00, Usable}, {0x9fc00, 0x100000, Reserved}, {0x100000, 0x7fe0000, Usable}, {0x7fe0000, 0x8000000, ACPIReclaimable}}
	checkRegions(t, &f, want)
	if got := string(f.CommandLine()); got != "hostname=a loglevel=debug" {
		t.Errorf("command line %q", got)
	}
	if pa, x := f.RootTable(); f.RSDP != testBase+0x300 || pa != 0x7fe2000 || !x {
		t.Errorf("RSDP %#x, root table %#x %v", f.RSDP, pa, x)
	}
	if m := f.Modules[0]; f.NumModules != 1 || m.Start != 0x2000000 || m.End != 0x2001234 || string(m.Name[:m.NameLen]) != "initrd" {
		t.Errorf("modules %d %+v", f.NumModules, m)
	}
	if f.Flags != 0 || f.Protocol != PVH {
		t.Errorf("flags %b, protocol %v", f.Flags, f.Protocol)
	}
}

func TestParseMultiboot2(t *testing.T) {
	var f Facts
	if p := f.ParseMultiboot2(mb2Memory().read, testBase); p != None {
		t.Fatal(p)
	}
	checkRegions(t, &f, []Region{{0, 0x9fc00, Usable}, {0x100000, 0x4000000, Usable}, {0xfffc0000, 0x100000000, Reserved}})
	if got := string(f.CommandLine()); got != "panic=halt" {
		t.Errorf("command line %q", got)
	}
	if m := f.Modules[0]; f.NumModules != 1 || m.End-m.Start != 16 || string(m.Name[:m.NameLen]) != ConfigName {
		t.Errorf("modules %d %+v", f.NumModules, m)
	}
	want := Framebuffer{Kind: RGB, BPP: 32, Addr: 0xfd000000, Pitch: 4096, Width: 1024, Height: 768,
		RedPos: 16, RedSize: 8, GreenPos: 8, GreenSize: 8, BlueSize: 8}
	if f.Framebuffer != want {
		t.Errorf("framebuffer %+v", f.Framebuffer)
	}
	if f.RSDPLen != 36 || f.Flags != 0 {
		t.Errorf("RSDP of %d bytes, flags %b", f.RSDPLen, f.Flags)
	}
}

func TestParseUEFI(t *testing.T) {
	var f Facts
	if p := f.ParseUEFI(uefiMemory().read, testBase); p != None {
		t.Fatal(p)
	}
	checkRegions(t, &f, []Region{{0, 0xa0000, Usable}, {0x100000, 0x8000000, Usable}, {0x8000000, 0x8004000, ACPINVS}})
	want := Framebuffer{Kind: RGB, BPP: 32, Addr: 0x80000000, Pitch: 3200, Width: 800, Height: 600,
		RedPos: 16, RedSize: 8, GreenPos: 8, GreenSize: 8, BlueSize: 8}
	if f.Framebuffer != want {
		t.Errorf("framebuffer %+v", f.Framebuffer)
	}
	if string(f.CommandLine()) != "a=b c" || f.NumModules != 1 || f.Modules[0].End != 0x500004d || f.SystemTable != 0x7eee018 || f.Flags != 0 {
		t.Errorf("command line %q, modules %+v, table %#x, flags %b", f.CommandLine(), f.Modules[0], f.SystemTable, f.Flags)
	}
}

// TestRefused breaks one thing at a time.
func TestRefused(t *testing.T) {
	pvh := (*Facts).ParsePVH
	mb2 := (*Facts).ParseMultiboot2
	uefi := (*Facts).ParseUEFI
	for _, c := range []struct {
		name  string
		parse func(*Facts, Reader, uint64) Problem
		mem   *memory
		at    uint64
		put   any
		want  Problem
		flags Flags
	}{
		{"pvh magic", pvh, pvhMemory(), 0, uint32(1), ErrMagic, 0},
		{"pvh version", pvh, pvhMemory(), 4, uint32(0), ErrVersion, 0},
		{"pvh map count", pvh, pvhMemory(), 48, uint32(1 << 20), ErrSize, 0},
		{"pvh no map", pvh, pvhMemory(), 48, uint32(0), ErrNoMemoryMap, 0},
		{"pvh map elsewhere", pvh, pvhMemory(), 40, uint64(1 << 40), ErrNoMemory, Unreadable},
		{"pvh map wraps", pvh, pvhMemory(), 40, ^uint64(15), ErrNoMemory, Unreadable},
		{"pvh endless modules", pvh, pvhMemory(), 12, ^uint32(0), None, TruncatedModules},
		{"pvh rsdp sum", pvh, pvhMemory(), 0x310, uint32(1), None, BadRSDP},
		{"pvh command line elsewhere", pvh, pvhMemory(), 24, uint64(1 << 50), None, Unreadable},
		{"pvh region wraps", pvh, pvhMemory(), 0x408, ^uint64(0), None, BadRegion},
		{"mb2 size small", mb2, mb2Memory(), 0, uint32(8), ErrSize, 0},
		{"mb2 size large", mb2, mb2Memory(), 0, uint32(1 << 30), ErrSize, 0},
		{"mb2 first tag too long", mb2, mb2Memory(), 12, ^uint32(0), ErrNoMemoryMap, BadTag},
		{"mb2 first tag too short", mb2, mb2Memory(), 12, uint32(7), ErrNoMemoryMap, BadTag},
		{"mb2 first tag is the end", mb2, mb2Memory(), 8, uint32(0), ErrNoMemoryMap, 0},
		{"uefi magic", uefi, uefiMemory(), 0, uint32(0), ErrMagic, 0},
		{"uefi version", uefi, uefiMemory(), 8, uint32(2), ErrVersion, 0},
		{"uefi map size", uefi, uefiMemory(), UEFIOffMapSize, uint64(1 << 30), ErrSize, 0},
		{"uefi descriptor size", uefi, uefiMemory(), UEFIOffDescSize, uint64(0), ErrSize, 0},
		{"uefi screen too wide", uefi, uefiMemory(), UEFIOffScreen + 8, uint32(1 << 30), None, BadTag},
		{"uefi screen line", uefi, uefiMemory(), UEFIOffScreen + 16, ^uint32(0), None, BadTag},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f Facts
			c.mem.put(testBase+c.at, c.put)
			if p := c.parse(&f, c.mem.read, testBase); p != c.want {
				t.Errorf("problem %v, want %v", p, c.want)
			}
			if f.Flags&c.flags != c.flags {
				t.Errorf("flags %b, want %b", f.Flags, c.flags)
			}
			checkMap(t, &f)
		})
	}
	if !errors.Is(ErrMagic.Err(), ErrMagic) || None.Err() != nil {
		t.Error("Err does not give the problem")
	}
}

func checkRegions(t *testing.T, f *Facts, want []Region) {
	t.Helper()
	checkMap(t, f)
	got := f.Regions[:f.NumRegions]
	if len(got) != len(want) {
		t.Fatalf("regions %#x, want %#x", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("region %d is %#x, want %#x", i, got[i], want[i])
		}
	}
}

// checkMap asserts what doc.go promises about Regions.
func checkMap(t *testing.T, f *Facts) {
	t.Helper()
	for i, r := range f.Regions[:f.NumRegions] {
		if r.Start >= r.End || r.End > maxPhysical || r.Kind == 0 {
			t.Fatalf("region %d is %#x", i, r)
		}
		if i == 0 {
			continue
		}
		if p := f.Regions[i-1]; p.End > r.Start || p.End == r.Start && p.Kind == r.Kind {
			t.Fatalf("regions %#x and %#x are not in order, or not merged", p, r)
		}
	}
}

// TestRegionsAgainstModel paints random regions into the map and into an array
// of units, and compares.
func TestRegionsAgainstModel(t *testing.T) {
	const units = 64 // few enough that the map never overflows
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var f Facts
		var model [units]Kind
		for range 30 {
			start := rnd.Uint64N(units)
			size := rnd.Uint64N(units - start)
			k := Kind(1 + rnd.IntN(6))
			f.addRegion(start*0x1000, size*0x1000, k)
			for u := start; u < start+size; u++ {
				model[u] = max(model[u], k)
			}
		}
		checkMap(t, &f)
		var got [units]Kind
		for _, r := range f.Regions[:f.NumRegions] {
			for u := r.Start / 0x1000; u < r.End/0x1000; u++ {
				got[u] = r.Kind
			}
		}
		if got != model {
			t.Fatalf("seed %d: map %v, model %v", seed, got, model)
		}
	}
}

// TestRegionsOverflow fills the map and checks that nothing restrictive is
// ever lost to something usable.
func TestRegionsOverflow(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var f Facts
		const units = 1000
		var model [units]Kind
		for range 1000 {
			start := rnd.Uint64N(units - 3)
			k := Kind(1 + rnd.IntN(6))
			f.addRegion(start*0x1000, 0x2000, k)
			model[start], model[start+1] = max(model[start], k), max(model[start+1], k)
		}
		checkMap(t, &f)
		for _, r := range f.Regions[:f.NumRegions] {
			for u := r.Start / 0x1000; u < r.End/0x1000; u++ {
				if r.Kind < model[u] {
					t.Fatalf("seed %d: unit %d is %v in the map, but %v was said", seed, u, r.Kind, model[u])
				}
			}
		}
		if f.Flags&TruncatedRegions == 0 {
			t.Fatal("the test did not fill the map")
		}
	}
}

func TestFindRSDP(t *testing.T) {
	for _, at := range []uint64{0x9fc00, 0xe0000, 0xf5aa0, 0xfffe0} {
		m := &memory{bytes: make([]byte, 0x100000)}
		m.put(0x40e, uint16(0x9fc0))
		m.put(0xe8000, "RSD PTR but not really one")
		m.put(at, rsdp(0))
		var f Facts
		if !f.FindRSDP(m.read) || f.RSDP != at || f.RSDPLen != 20 {
			t.Errorf("RSDP at %#x found at %#x", at, f.RSDP)
		}
		if pa, x := f.RootTable(); pa != 0x7fe1000 || x {
			t.Errorf("root table %#x %v", pa, x)
		}
	}
	var f Facts
	if f.FindRSDP((&memory{bytes: make([]byte, 0x100000)}).read) {
		t.Error("found an RSDP in zeros")
	}
}

func TestCommandLineBounds(t *testing.T) {
	m := &memory{base: testBase, bytes: make([]byte, 0x3000)}
	copy(m.bytes, pvhMemory().bytes)
	m.put(testBase+24, uint64(testBase+0x1000))
	for i := 0x1000; i < 0x2fff; i++ {
		m.bytes[i] = 'x'
	}
	var f Facts
	if p := f.ParsePVH(m.read, testBase); p != None || f.CmdLineLen != MaxCmdLine || f.Flags != TruncatedCmdLine {
		t.Errorf("%v, %d bytes, flags %b", p, f.CmdLineLen, f.Flags)
	}
	// A string that ends with memory itself.
	m.put(testBase+24, uint64(testBase+0x3000-5))
	if p := f.ParsePVH(m.read, testBase); p != None || string(f.CommandLine()) != "xxxx" || f.Flags != 0 {
		t.Errorf("%v, %q, flags %b", p, f.CommandLine(), f.Flags)
	}
}

func TestNoAllocation(t *testing.T) {
	f := new(Facts)
	pvh, mb2, uefi := pvhMemory(), mb2Memory(), uefiMemory()
	var rp, rm, ru Reader = pvh.read, mb2.read, uefi.read
	if n := testing.AllocsPerRun(10, func() {
		f.ParsePVH(rp, testBase)
		f.ParseMultiboot2(rm, testBase)
		f.ParseUEFI(ru, testBase)
		f.FindRSDP(rp)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
