package vcpu_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"basalt/vmkernel/vcpu"
)

func level(t testing.TB, name string) vcpu.Level {
	t.Helper()
	l, err := vcpu.ParseLevel(name)
	if err != nil || name != "" && l.String() != name {
		t.Fatal(name, l, err)
	}
	return l
}

func TestWhichProcessorsCarryWhichLevels(t *testing.T) {
	for i := range processors {
		p := &processors[i]
		want := append([]string{"host"}, strings.Fields(p.levels)...)
		var got []string
		for _, l := range vcpu.SupportedLevels(p.host()) {
			got = append(got, l.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", p.name, got, want)
		}
	}
}

func TestRefusalNamesEachFeature(t *testing.T) {
	noAVX := byName("Haswell").host()
	noAVX.Caps = vcpu.Caps{XCR0: 3}
	moved := byName("Haswell").host()
	moved.CPUID = func(l, sub uint32) (a, b, c, d uint32) {
		if a, b, c, d = byName("Haswell").cpuid(l, sub); l == 0xd && sub == 2 {
			b = 0x400
		}
		return a, b, c, d
	}
	for _, c := range []struct {
		host  vcpu.Host
		level string
		want  []string
	}{
		{byName("Ice Lake-SP").host(), "x86-64-v4", []string{"AVX512F", "AVX512DQ", "AVX512CD", "AVX512BW", "AVX512VL"}},
		{byName("Ivy Bridge").host(), "x86-64-v3", []string{"FMA", "MOVBE", "BMI1", "AVX2", "BMI2", "LZCNT", "physical addresses of 39 bits (it has 36)"}},
		{byName("Shanghai").host(), "x86-64-v2", []string{"SSSE3", "SSE4.1", "SSE4.2"}},
		{byName("Naples").host(), "intel-nehalem", []string{`a processor of GenuineIntel (this is "AuthenticAMD")`}},
		{byName("Skylake").host(), "amd-opteron-g3", []string{`a processor of AuthenticAMD (this is "GenuineIntel")`, "SSE4A", "MISALIGNSSE", "MMXEXT", "FXSR_OPT", "physical addresses of 46 bits (it has 39)"}},
		{noAVX, "intel-haswell", []string{"FMA", "AVX", "F16C", "AVX2", "INVPCID", "RDTSCP"}},
		{moved, "x86-64-v3", []string{"AVX state of 256 bytes at 576 (it has 256 at 1024)"}},
	} {
		err := level(t, c.level).Check(c.host)
		var le *vcpu.LevelError
		if !errors.As(err, &le) || !slices.Equal(le.Missing, c.want) {
			t.Errorf("%s: %v, want %q", c.level, err, c.want)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q lacks %q", err, w)
			}
		}
		if id, err := vcpu.NewCPUID(c.host, level(t, c.level), 1, 1000, 1000); id != nil || !errors.As(err, &le) {
			t.Errorf("%s: made in spite of %v", c.level, err)
		}
	}
}

// TestALevelLooksTheSameEverywhere: every processor of a vendor that can carry a level
// shows the same leaves and derives the same rules from them, whatever its clock.
func TestALevelLooksTheSameEverywhere(t *testing.T) {
	for _, l := range vcpu.Levels()[1:] {
		seen := map[bool]*vcpu.CPUID{}
		for i := range processors {
			p := &processors[i]
			if l.Check(p.host()) != nil {
				continue
			}
			id, err := vcpu.NewCPUID(p.host(), l, 4, 1000*uint32(i+1), 1000)
			if err != nil {
				t.Fatal(err)
			}
			first := seen[p.intel]
			if first == nil {
				seen[p.intel] = id
				continue
			}
			if err := vcpu.CompareLeaves(first.Leaves(), id.Leaves()); err != nil {
				t.Errorf("%s on %s: %v", l, p.name, err)
			}
			a, b := *first.Features(), *id.Features()
			a.ArchCap, b.ArchCap = 0, 0
			if a != b || b.HasArchCap {
				t.Errorf("%s on %s: %+v, %+v", l, p.name, a, b)
			}
		}
		if len(seen) == 0 && !strings.Contains(l.String(), "server") && l.String() != "x86-64-v4" {
			t.Errorf("no processor carries %s", l)
		}
		if len(seen) == 2 && vcpu.CompareLeaves(seen[true].Leaves(), seen[false].Leaves()) == nil {
			t.Errorf("%s: the vendor does not show", l)
		}
	}
}

// TestWhatALevelShows asks a guest's questions.
func TestWhatALevelShows(t *testing.T) {
	for _, c := range []struct {
		host, level      string
		sig              uint32
		max              uint32
		ecx1, b7, c7     uint32
		cx, dx           uint32 // 8000_0001
		xcr0, size, phys uint32
		brand            string
	}{
		// Independently written from the psABI's table and the CPUID bit numbers.
		{"Skylake", "x86-64-v2", 0x106a5, 0xb, 1<<0 | 1<<9 | 1<<13 | 1<<19 | 1<<20 | 1<<23 | 1<<21 | 1<<24 | 1<<31, 2, 0,
			1, 1<<11 | 1<<20 | 1<<29, 0, 0, 36, "Basalt virtual CPU x86-64-v2"},
		{"Skylake", "x86-64-v3", 0x306c3, 0xd, 1<<0 | 1<<9 | 1<<12 | 1<<13 | 1<<19 | 1<<20 | 1<<22 | 1<<23 | 1<<26 | 1<<28 | 1<<29 | 1<<21 | 1<<24 | 1<<31,
			2 | 1<<3 | 1<<5 | 1<<8, 0, 0x21, 1<<11 | 1<<20 | 1<<29, 7, 832, 39, "Basalt virtual CPU x86-64-v3"},
		{"Milan", "x86-64-v3", 0x800f12, 0xd, 1<<0 | 1<<9 | 1<<12 | 1<<13 | 1<<19 | 1<<20 | 1<<22 | 1<<23 | 1<<26 | 1<<28 | 1<<29 | 1<<21 | 1<<24 | 1<<31,
			2 | 1<<3 | 1<<5 | 1<<8, 0, 0x21, 1<<11 | 1<<20 | 1<<29 | 1<<9 | 0x0183f1fd, 7, 832, 39, "Basalt virtual CPU x86-64-v3"},
		// The dump of the first processor of the kind, less what we hide, plus what is ours.
		{"Ice Lake-SP", "intel-sandybridge", 0x206a7, 0xd, 0x1fbae3ff&^(1<<2|1<<3|1<<4|1<<5|1<<6|1<<7|1<<8|1<<14|1<<15|1<<27) | 1<<31, 2, 0,
			1, 0x28100000 | 1<<11, 7, 832, 36, "Basalt virtual CPU intel-sandybridge"},
		{"Rome", "amd-epyc", 0x800f12, 0xd, 0x7ed8320b&^(1<<3|1<<27) | 1<<21 | 1<<24 | 1<<31, 0x209c01a9 | 2, 0,
			0x1e1, 0x2fd3fbff &^ 2, 7, 832, 46, "Basalt virtual CPU amd-epyc"},
	} {
		r := newRig(t)
		var err error
		if r.v.CPUID, err = vcpu.NewCPUID(byName(c.host).host(), level(t, c.level), 1, 2_000_000, 1_000_000); err != nil {
			t.Fatal(err)
		}
		ask := func(l, sub uint32) [4]uint32 {
			g := &r.e.R.GPR
			g[vcpu.RAX], g[vcpu.RCX] = uint64(l), uint64(sub)
			r.run(t, vcpu.Exit{Kind: vcpu.KindCPUID, InstLen: 2})
			return [4]uint32{uint32(g[vcpu.RAX]), uint32(g[vcpu.RBX]), uint32(g[vcpu.RCX]), uint32(g[vcpu.RDX])}
		}
		name := c.level + " on " + c.host
		check := func(what string, got, want uint32) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %s is %#x, want %#x: differ by %#x", name, what, got, want, got^want)
			}
		}
		one, seven, ext := ask(1, 0), ask(7, 0), ask(0x80000001, 0)
		check("highest leaf", ask(0, 0)[0], c.max)
		check("signature", one[0], c.sig)
		check("1 EBX", one[1], 0x10800)
		check("1 ECX", one[2], c.ecx1)
		check("1 EDX", one[3], 0x078bfbff&^2)
		check("7 EBX", seven[1], c.b7)
		check("7 ECX", seven[2], c.c7)
		check("7 EDX", seven[3], 0)
		check("80000001 ECX", ext[2], c.cx)
		check("80000001 EDX", ext[3], c.dx)
		if c.xcr0 != 0 {
			check("XCR0", ask(0xd, 0)[0], c.xcr0)
			check("XSAVE area", ask(0xd, 0)[2], c.size)
		} else if f := r.v.CPUID.Features(); f.XCR0 != 1 || f.CR4&vcpu.CR4OSXSAVE != 0 {
			t.Errorf("%s: XCR0 %#x CR4 %#x", name, f.XCR0, f.CR4)
		}
		check("addresses", ask(0x80000008, 0)[0], c.phys|48<<8)
		check("invariant TSC", ask(0x80000007, 0)[3], 0)
		var brand string
		for l := uint32(0x80000002); l <= 0x80000004; l++ {
			for _, w := range ask(l, 0) {
				brand += string([]byte{byte(w), byte(w >> 8), byte(w >> 16), byte(w >> 24)})
			}
		}
		if strings.TrimRight(brand, "\x00") != c.brand {
			t.Errorf("%s: brand %q", name, brand)
		}
		// CR4 and the MSRs follow.
		cr4 := r.v.CPUID.Features().CR4
		for bit, shown := range map[uint64]bool{1: false, vcpu.CR4OSFXSR: true, vcpu.CR4OSXSAVE: c.xcr0 != 0,
			vcpu.CR4PCIDE: c.ecx1>>17&1 != 0, vcpu.CR4SMEP: c.b7>>7&1 != 0, vcpu.CR4SMAP: c.b7>>20&1 != 0, vcpu.CR4UMIP: c.c7>>2&1 != 0} {
			if cr4&bit != 0 != shown {
				t.Errorf("%s: CR4 %#x, bit %#x", name, cr4, bit)
			}
		}
		_, arch := r.v.ReadMSR(0x10a)
		_, aux := r.v.ReadMSR(0xc0000103)
		if arch || aux != (c.dx>>27&1 != 0) {
			t.Errorf("%s: ARCH_CAPABILITIES %v, TSC_AUX %v", name, arch, aux)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for i, l := range vcpu.Levels() {
		if level(t, l.String()) != l || i == 0 != (l == vcpu.Level{}) {
			t.Errorf("%s is not itself", l)
		}
		if n := len("Basalt virtual CPU " + l.String()); n > 47 {
			t.Errorf("%s: a brand of %d bytes", l, n)
		}
	}
	if level(t, "") != (vcpu.Level{}) {
		t.Error("the empty level is not host")
	}
	for _, bad := range []string{"x86-64-v1", "X86-64-V2", " host", strings.Repeat("x", 1<<20)} {
		_, err := vcpu.ParseLevel(bad)
		if err == nil || !strings.Contains(err.Error(), "amd-epyc-milan") || len(err.Error()) > 1000 {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

// TestLevelsNeverChange holds the features of every level: saved machines count on
// them. A hash that changes here is a mistake, not a hash to correct.
func TestLevelsNeverChange(t *testing.T) {
	for _, l := range vcpu.Levels()[1:] {
		want, ok := frozen[l.String()]
		got := fmt.Sprintf("%d/%d %s", l.PhysBits(), len(l.Features()), digest(l.Features()))
		if !ok || got != want {
			t.Errorf("%q: %q,", l, got)
		}
	}
}

func TestCompareLeaves(t *testing.T) {
	make := func(host, lv string) []vcpu.Leaf {
		id, err := vcpu.NewCPUID(byName(host).host(), level(t, lv), 2, 2_000_000, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		return id.Leaves()
	}
	v3 := make("Haswell", "x86-64-v3")
	other := slices.Clone(v3)
	for i := range other {
		if other[i].Leaf == 0xb {
			other[i].EBX++
			break
		}
	}
	for _, c := range []struct {
		saved, now []vcpu.Leaf
		want       []string // nil: none
	}{
		{v3, make("Ice Lake-SP", "x86-64-v3"), nil},
		{v3, make("Haswell", "x86-64-v2"), []string{"AVX2 is not here", "FMA is not here"}},
		{make("Haswell", "x86-64-v2"), v3, []string{"AVX is here and was not there"}},
		{v3, make("Naples", "x86-64-v3"), []string{"leaf 0.0 is 0000000d 68747541"}},
		{make("Haswell", ""), make("Broadwell", ""), []string{"ADX is here and was not there"}},
		{other, v3, []string{"leaf b.0 is 00000000 00000001"}},
		{nil, v3, []string{"leaf 0.0 was not there", "and more"}},
		{append(slices.Clone(v3), v3[0]), v3, []string{"leaf 0.0 is not here, or is saved twice"}},
		{[]vcpu.Leaf{{Leaf: 99, Sub: 1}}, v3, []string{"leaf 63.1 is not here"}},
	} {
		err := vcpu.CompareLeaves(c.saved, c.now)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%v, want %q", err, c.want)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%v\nlacks %q", err, w)
			}
		}
	}
}
