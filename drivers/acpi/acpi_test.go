package acpi

import (
	"encoding/binary"
	"errors"
	"testing"
)

// memory is sparse physical memory.
type memory map[uint64][]byte

func (m memory) View(pa uint64, n int) []byte {
	for at, b := range m {
		if pa >= at && pa-at <= uint64(len(b)) && uint64(n) <= uint64(len(b))-(pa-at) {
			return b[pa-at:][:n]
		}
	}
	return nil
}

func fix(b []byte, at int) []byte {
	b[at] = 0
	b[at] = -sum(b)
	return b
}

func table(sig string, parts ...any) []byte {
	b := make([]byte, headerSize)
	copy(b, sig)
	b[8] = 6
	for _, p := range parts {
		b, _ = binary.Append(b, binary.LittleEndian, p)
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	return fix(b, 9)
}

func rsdpBytes(rsdt uint32, xsdt uint64) []byte {
	b := make([]byte, rsdpSize2)
	copy(b, "RSD PTR ")
	copy(b[9:], "BASALT")
	b[15] = 2
	binary.LittleEndian.PutUint32(b[16:], rsdt)
	fix(b[:rsdpSize1], 8)
	binary.LittleEndian.PutUint32(b[20:], rsdpSize2)
	binary.LittleEndian.PutUint64(b[24:], xsdt)
	return fix(b, 32)
}

// madtBytes is q35 with 2 processors, a disabled one and one x2APIC-only.
func madtBytes() []byte {
	return table("APIC", uint32(0xfee00000), uint32(1),
		[]byte{0, 8, 0, 0, 1, 0, 0, 0}, []byte{0, 8, 1, 1, 1, 0, 0, 0},
		[]byte{0, 8, 2, 2, 0, 0, 0, 0}, []byte{0, 8, 3, 3, 2, 0, 0, 0},
		[]byte{9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0},
		[]byte{1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0},
		[]byte{2, 10, 0, 0, 2, 0, 0, 0, 0, 0},
		[]byte{2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0},
		[]byte{2, 10, 0, 11, 11, 0, 0, 0, 0x0f, 0},
		[]byte{4, 6, 0xff, 0, 0, 1},
		[]byte{99, 4, 1, 2})
}

func fadtBytes() []byte {
	b := make([]byte, 276-headerSize)
	put := binary.LittleEndian.PutUint32
	o := func(off int) []byte { return b[off-headerSize:] }
	put(o(40), 0x7ffe0000)
	o(46)[0] = 9
	put(o(64), 0x604)
	o(89)[0] = 2
	put(o(76), 0x608)
	o(91)[0] = 4
	put(o(112), flagReset|flagTimer32)
	copy(o(116), []byte{1, 8, 0, 1, 0xf9, 0x0c})
	o(128)[0] = 0xf
	copy(o(208), []byte{1, 32, 0, 3, 8, 6})
	return table("FACP", b)
}

func machine() memory {
	const madt, mcfg, hpet, fadt, xsdt, rsdt = 0x1000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000
	return memory{
		madt:    madtBytes(),
		mcfg:    table("MCFG", uint64(0), uint64(0xb0000000), []byte{0, 0, 0, 255, 0, 0, 0, 0}, uint64(0xb0000001), uint64(0)),
		hpet:    table("HPET", uint32(0x8086a201), []byte{0, 64, 0, 0}, uint64(0xfed00000), []byte{0, 100, 0, 0}),
		fadt:    fadtBytes(),
		xsdt:    table("XSDT", []uint64{madt, mcfg, 0xdead0000, hpet, fadt}),
		rsdt:    table("RSDT", []uint32{madt, fadt}),
		0xf0010: rsdpBytes(rsdt, xsdt),
	}
}

func TestMachine(t *testing.T) {
	m := machine()
	var ts Tables
	if err := ts.Load(m, 0xf0010); err != nil || ts.N != 4 || ts.Dropped != 1 || string(ts.OEM[:]) != "BASALT" {
		t.Fatalf("Load: %v, %d tables, %d dropped", err, ts.N, ts.Dropped)
	}
	find := func(sig string) []byte {
		b, err := ts.Find(m, sig)
		if err != nil {
			t.Fatalf("%s: %v", sig, err)
		}
		return b
	}
	var madt MADT
	if err := madt.Parse(find("APIC")); err != nil {
		t.Fatal(err)
	}
	if madt.NCPUs != 4 || !madt.CPUs[1].Enabled || madt.CPUs[2].Enabled || !madt.CPUs[2].OnlineCapable || madt.CPUs[3].APICID != 0x100 {
		t.Errorf("processors: %+v", madt.CPUs[:madt.NCPUs])
	}
	if madt.NIOAPICs != 1 || madt.IOAPICs[0].Addr != 0xfec00000 || !madt.LegacyPICs || madt.LocalAPIC != 0xfee00000 {
		t.Errorf("controllers: %+v", madt.IOAPICs[0])
	}
	if g, level, low := madt.GSI(0); g != 2 || level || low {
		t.Errorf("ISA 0: %d %v %v", g, level, low)
	}
	if g, level, low := madt.GSI(11); g != 11 || !level || !low {
		t.Errorf("ISA 11: %d %v %v", g, level, low)
	}
	if g, level, low := madt.GSI(9); g != 9 || !level || low {
		t.Errorf("ISA 9: %d %v %v", g, level, low)
	}
	if madt.NNMIs != 1 || madt.NMIs[0].UID != AllCPUs || madt.NMIs[0].LINT != 1 {
		t.Errorf("NMI: %+v", madt.NMIs[0])
	}
	var mcfg MCFG
	if err := mcfg.Parse(find("MCFG")); err != nil || mcfg.N != 1 || mcfg.Dropped != 1 || mcfg.Segments[0] != (Segment{0xb0000000, 0, 0, 255}) {
		t.Errorf("MCFG: %v %+v", err, mcfg)
	}
	var hpet HPET
	if err := hpet.Parse(find("HPET")); err != nil || hpet.Addr != 0xfed00000 || hpet.MinTick != 100 {
		t.Errorf("HPET: %v %+v", err, hpet)
	}
	var fadt FADT
	if err := fadt.Parse(find("FACP")); err != nil {
		t.Fatal(err)
	}
	if fadt.PMTimer != (Register{1, 32, 0x608}) || !fadt.PMTimer32 || fadt.PM1aCnt.Addr != 0x604 || fadt.Reset.Addr != 0xcf9 || fadt.ResetValue != 0xf || fadt.SCI != 9 || fadt.DSDT != 0x7ffe0000 {
		t.Errorf("FADT: %+v", fadt)
	}
}

func TestRefusals(t *testing.T) {
	var ts Tables
	for _, c := range []struct {
		name string
		hurt func(m memory)
		want error
	}{
		{"no signature", func(m memory) { m[0xf0010][0] = 'X' }, ErrNoRSDP},
		{"RSDP checksum", func(m memory) { m[0xf0010][9]++ }, ErrNoRSDP},
		{"broken XSDT falls back", func(m memory) { m[0x6000][9]++ }, nil},
		{"both roots broken", func(m memory) { m[0x6000][9]++; m[0x7000][9]++ }, ErrNoRoot},
		{"XSDT longer than memory", func(m memory) { m[0x6000][5] = 0xff; delete(m, 0x7000) }, ErrNoRoot},
	} {
		m := machine()
		c.hurt(m)
		if err := ts.Load(m, 0xf0010); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := ts.Find(machine(), "NONE"); err != ErrAbsent {
		t.Errorf("absent table: %v", err)
	}
}

func TestScan(t *testing.T) {
	bios := make([]byte, 0x20000)
	copy(bios[0x10:], "RSD PTR junk")
	copy(bios[0x1ffd0:], rsdpBytes(0x7000, 0x6000))
	if pa, err := Scan(memory{0xe0000: bios}); err != nil || pa != 0xfffd0 {
		t.Errorf("Scan: %#x, %v", pa, err)
	}
	if _, err := Scan(memory{}); err != ErrNoRSDP {
		t.Errorf("Scan of nothing: %v", err)
	}
}

func TestParsersDoNotAllocate(t *testing.T) {
	b := madtBytes()
	madt, fadt, f := new(MADT), new(FADT), fadtBytes()
	if n := testing.AllocsPerRun(10, func() {
		if madt.Parse(b) != nil || madt.Parse(b[:50]) != ErrLength || fadt.Parse(f) != nil {
			t.Error("parse")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLoad(f *testing.F) {
	m := machine()
	flat := make([]byte, 0x8000)
	for at, b := range m {
		if at < 0x8000 {
			copy(flat[at:], b)
		}
	}
	copy(flat[0x10:], m[0xf0010])
	f.Add(flat, uint64(0x10))
	f.Add([]byte("RSD PTR "), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, at uint64) {
		m := memory{0: b}
		var ts Tables
		if ts.Load(m, at) != nil {
			return
		}
		for i := range ts.List[:ts.N] {
			body, err := ts.Find(m, string(ts.List[i].Signature[:]))
			if err == nil && len(body) < headerSize {
				t.Fatal("short body without error")
			}
		}
	})
}

func FuzzTables(f *testing.F) {
	for _, b := range machine() {
		f.Add(b)
	}
	madt, mcfg, hpet, fadt := new(MADT), new(MCFG), new(HPET), new(FADT)
	f.Fuzz(func(t *testing.T, b []byte) {
		if madt.Parse(b) == nil {
			for i := range 256 {
				madt.GSI(uint8(i))
			}
		}
		if mcfg.Parse(b) == nil {
			for _, s := range mcfg.Segments[:mcfg.N] {
				if s.Start > s.End {
					t.Fatal("crossed buses")
				}
			}
		}
		_ = hpet.Parse(b)
		_ = fadt.Parse(b)
	})
}
