package pci

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	spec "basalt/drivers/spec/pci"
)

func bridge(secondary uint8) *chip {
	c := newChip(0x1b36, 1, spec.ClassBridgePCI<<8)
	c.b[spec.HeaderType] = spec.HeaderBridge
	c.b[spec.SecondaryBus] = secondary
	return c
}

func TestEnumerate(t *testing.T) {
	multi := newChip(0x8086, 0x7000, spec.ClassBridgeISA<<8)
	multi.b[spec.HeaderType] = spec.HeaderMultiFunction
	m := &machine{chips: map[Address]*chip{
		{0, 0, 0, 0}:  newChip(0x8086, 0x1237, spec.ClassBridgeHost<<8),
		{0, 0, 1, 0}:  multi,
		{0, 0, 1, 3}:  newChip(0x8086, 0x7113, 0x068000),
		{0, 0, 2, 0}:  bridge(4),
		{0, 0, 2, 1}:  newChip(1, 1, 0), // not multifunction: must not be seen
		{0, 0, 3, 0}:  bridge(0),
		{0, 0, 5, 0}:  bridge(4),
		{0, 4, 1, 0}:  bridge(2), // back over the root's shoulder
		{0, 4, 2, 0}:  bridge(6),
		{0, 6, 31, 0}: newChip(0x8086, 0x10d3, spec.ClassNetworkEthernet<<8),
	}}
	b, err := Enumerate(m, m, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range b.Functions {
		got = append(got, f.Name())
	}
	want := strings.Fields("0000:00:00.0 0000:00:01.0 0000:00:01.3 0000:00:02.0 0000:04:01.0 0000:04:02.0 0000:06:1f.0 0000:00:03.0 0000:00:05.0")
	if !slices.Equal(got, want) {
		t.Errorf("found %v", got)
	}
	if len(b.Skipped) != 3 {
		t.Errorf("skipped %q", b.Skipped)
	}
	if n := b.Find(func(d bus.Device) bool { return d.Class()>>8 == spec.ClassNetworkEthernet }); len(n) != 1 || n[0].String() != "0000:06:1f.0 8086:10d3 class 020000" {
		t.Errorf("Find: %v", n)
	}
}

func one(t *testing.T, m *machine, c *chip) *Function {
	t.Helper()
	m.chips = map[Address]*chip{{0, 0, 3, 0}: c}
	b, err := Enumerate(m, m, 0, 0)
	if err != nil || len(b.Functions) != 1 {
		t.Fatalf("Enumerate: %v, %d functions", err, len(b.Functions))
	}
	return b.Functions[0]
}

func TestBARs(t *testing.T) {
	c := newChip(0x8086, 0x100e, 0x020000)
	c.put32(0x10, 0xfebc0000)
	c.size[0] = 0x20000
	c.put32(0x14, 0xc001)
	c.size[1] = 0x40
	c.put32(0x18, 0xc000000c)
	c.put32(0x1c, 0x8)
	c.size[2] = 1 << 30
	c.put32(0x24, 0x4) // 64 bits in the last register
	c.size[5] = 0x1000
	before := c.b
	m := &machine{}
	f := one(t, m, c)
	for _, r := range []struct {
		i    int
		want BAR
		ok   bool
	}{
		{0, BAR{Addr: 0xfebc0000, Size: 0x20000}, true},
		{1, BAR{Addr: 0xc000, Size: 0x40, IO: true}, true},
		{2, BAR{Addr: 0x8_c0000000, Size: 1 << 30, Wide: true, Prefetch: true}, true},
		{3, BAR{}, false}, {4, BAR{}, false}, {5, BAR{}, false}, {6, BAR{}, false}, {-1, BAR{}, false},
	} {
		if r.i == 3 {
			continue // the upper half of 2: a driver does not ask for it
		}
		got, err := f.SizeBAR(r.i)
		if (err == nil) != r.ok || r.ok && got != r.want {
			t.Errorf("BAR %d: %+v, %v", r.i, got, err)
		}
	}
	if c.b != before {
		t.Error("sizing changed configuration space")
	}
	if c.decoded != 0 {
		t.Errorf("%d sizing patterns with decoding on", c.decoded)
	}
	if _, err := f.BAR(0); err != nil {
		t.Error(err)
	}
	if _, err := f.BAR(1); err != nil {
		t.Error(err)
	}
	if want := []string{"mem 0xfebc0000+0x20000", "io 0xc000+0x40"}; !slices.Equal(m.mapped, want) {
		t.Errorf("mapped %q", m.mapped)
	}
	f.EnableBusMaster()
	if c.b[spec.Command]&7 != 7 {
		t.Errorf("command %#x", c.b[spec.Command])
	}
}

func TestCapabilityLoops(t *testing.T) {
	for _, c := range []struct {
		name string
		hurt func(c *chip)
		want int
	}{
		{"straight", func(*chip) {}, 2},
		{"self loop", func(c *chip) { c.b[0x51] = 0x50 }, 2},
		{"back loop", func(c *chip) { c.b[0x51] = 0x40 }, 2},
		{"into the header", func(c *chip) { c.b[0x41] = 0x10 }, 1},
		{"no list", func(c *chip) { c.b[spec.Status] = 0 }, 0},
		{"all ones", func(c *chip) { c.b[0x41] = 0xfc; c.b[0xfc], c.b[0xfd] = 0xff, 0xff }, 1},
	} {
		ch := newChip(1, 1, 0)
		ch.cap(0x40, spec.CapMSI)
		ch.cap(0x50, spec.CapMSIX)
		c.hurt(ch)
		n := 0
		for range Capabilities(bustest.Registers(ch, 256)) {
			n++
		}
		if n != c.want {
			t.Errorf("%s: %d capabilities, want %d", c.name, n, c.want)
		}
	}
	ch := newChip(1, 1, 0)
	ch.cap(0xfc, spec.CapMSIX)
	if _, ok := Capability(bustest.Registers(ch, 256), spec.CapMSIX, spec.MSIXLength); ok {
		t.Error("a capability that does not fit was found")
	}
}

func msixChip(entries, bir, off int) *chip {
	c := newChip(0x1af4, 0x1041, 0x020000)
	c.put32(0x10, 0xfe000000)
	c.size[0] = 0x1000
	c.cap(0x40, spec.CapMSIX, byte(entries-1), byte((entries-1)>>8), byte(off|bir), byte(off>>8), 0, 0)
	c.b[spec.InterruptPin], c.b[spec.InterruptLine] = 1, 11
	return c
}

func TestMSIX(t *testing.T) {
	m := &machine{limit: 2}
	c := msixChip(4, 0, 0x800)
	f := one(t, m, c)
	v, err := f.Interrupts(3)
	if err != nil || len(v) != 2 {
		t.Fatalf("%d vectors, %v (3 asked, 2 to be had)", len(v), err)
	}
	table := m.mem[0xfe000000]
	for i := range 2 {
		e := bus.Window(table, uintptr(0x800+16*i), 16)
		if e.Read32(0) != 0xfee01000 || e.Read32(8) != uint32(0x41+i) || e.Read32(12) != spec.MSIXEntryMasked {
			t.Errorf("entry %d: %#x %#x %#x", i, e.Read32(0), e.Read32(8), e.Read32(12))
		}
	}
	v[1].Enable()
	if table.Read32(0x81c) != 0 {
		t.Error("Enable left the entry masked")
	}
	v[1].Close()
	if table.Read32(0x81c) != spec.MSIXEntryMasked {
		t.Error("Close left the entry unmasked")
	}
	if c.b[0x43]&0xc0 != 0x80 || c.b[spec.Command+1]&4 == 0 {
		t.Errorf("control %#x, command %#x", c.b[0x43], c.b[spec.Command+1])
	}
}

func TestInterruptFallBacks(t *testing.T) {
	for _, r := range []struct {
		name  string
		c     *chip
		limit int
		want  string
	}{
		{"table outside its BAR", msixChip(512, 0, 0x800), 8, "wire 0000:00:03.0 pin 1 line 11 at 0000:00:03.0"},
		{"table in a BAR that is not there", msixChip(4, 5, 0), 8, "wire 0000:00:03.0 pin 1 line 11 at 0000:00:03.0"},
		{"no vectors", msixChip(4, 0, 0), 0, "wire 0000:00:03.0 pin 1 line 11 at 0000:00:03.0"},
	} {
		m := &machine{limit: r.limit}
		v, err := one(t, m, r.c).Interrupts(1)
		if err != nil || len(v) != 1 || m.mapped[len(m.mapped)-1] != r.want {
			t.Errorf("%s: %v %q", r.name, err, m.mapped)
		}
		if r.c.b[0x43]&0x80 != 0 {
			t.Errorf("%s: MSI-X is still on", r.name)
		}
	}
	if _, err := one(t, &machine{}, newChip(1, 1, 0)).Interrupts(1); err == nil {
		t.Error("a function without a pin has an interrupt")
	}
}

func TestMSI(t *testing.T) {
	for _, wide := range []bool{false, true} {
		c := newChip(1, 1, 0)
		control, data := byte(0x76), 0x58
		if wide {
			control, data = 0xf6, 0x5c
		}
		c.cap(0x50, spec.CapMSI, control)
		v, err := one(t, &machine{limit: 1}, c).Interrupts(4)
		if err != nil || len(v) != 1 {
			t.Fatal(len(v), err)
		}
		if c.b[0x52]&0x71 != 0 || c.b[data] != 0x41 || c.b[0x57] != 0xfe {
			t.Errorf("wide %v: % x", wide, c.b[0x50:0x60])
		}
		v[0].Enable()
		if c.b[0x52]&1 == 0 {
			t.Error("Enable did not enable")
		}
	}
}

// ports is the pair 0xcf8/0xcfc in front of a machine.
type ports struct {
	m    *machine
	addr uint32
}

func (p *ports) reg() (bus.Registers, uintptr) {
	r, _ := p.m.Function(Address{0, uint8(p.addr >> 16), uint8(p.addr >> 11 & 31), uint8(p.addr >> 8 & 7)})
	return r, uintptr(p.addr & 0xfc)
}

func (p *ports) Load(off uintptr, n int) uint64 {
	if off < 4 || p.addr>>31 == 0 {
		return ^uint64(0)
	}
	r, at := p.reg()
	switch at += off & 3; n {
	case 1:
		return uint64(r.Read8(at))
	case 2:
		return uint64(r.Read16(at))
	}
	return uint64(r.Read32(at))
}

func (p *ports) Store(off uintptr, n int, v uint64) {
	if off == 0 && n == 4 {
		p.addr = uint32(v)
		return
	}
	r, at := p.reg()
	switch at += off & 3; n {
	case 1:
		r.Write8(at, uint8(v))
	case 2:
		r.Write16(at, uint16(v))
	case 4:
		r.Write32(at, uint32(v))
	}
}

// TestSpacesAgree reads the same machine through ports and through ECAM.
func TestSpacesAgree(t *testing.T) {
	m := &machine{chips: map[Address]*chip{{0, 0, 0, 0}: newChip(0x8086, 0x29c0, 0x060000), {0, 0, 7, 0}: bridge(1), {0, 1, 0, 0}: msixChip(4, 0, 0)}}
	list := func(s Space) string {
		b, err := Enumerate(s, m, 0, 0)
		return fmt.Sprint(b.Functions, err)
	}
	p := &Ports{IO: bustest.Registers(&ports{m: m}, 8)}
	e := &ECAM{Base: 0xb0000000, End: 255, Map: func(pa, size uint64) (bus.Registers, error) {
		return bustest.Registers(ecamBus{m, uint8((pa - 0xb0000000) >> 20)}, uintptr(size)), nil
	}}
	direct := list(m)
	if a, b := list(p), list(e); a != direct || b != direct {
		t.Errorf("ports %s\nECAM %s\ndirect %s", a, b, direct)
	}
	r, _ := p.Function(Address{0, 1, 0, 0})
	r.Write16(spec.Command, 6)
	r.Write8(spec.InterruptLine, 9)
	r.Write64(spec.BaseAddress0, 0xfd000000)
	if r.Read64(spec.BaseAddress0) != 0xfd000000 || r.Read8(spec.InterruptLine) != 9 || r.Read16(spec.Command) != 6 {
		t.Error("port accesses do not read back")
	}
	if _, err := p.Function(Address{Segment: 1}); err == nil {
		t.Error("ports reached another segment")
	}
	if _, err := (&ECAM{End: 3}).Function(Address{Bus: 4}); err == nil {
		t.Error("ECAM reached a bus outside its window")
	}
}

type ecamBus struct {
	m   *machine
	bus uint8
}

func (e ecamBus) reg(off uintptr) (bus.Registers, uintptr) {
	r, _ := e.m.Function(Address{0, e.bus, uint8(off >> 15), uint8(off >> 12 & 7)})
	return r, off & 0xfff
}

func (e ecamBus) Load(off uintptr, n int) uint64 {
	r, at := e.reg(off)
	switch n {
	case 1:
		return uint64(r.Read8(at))
	case 2:
		return uint64(r.Read16(at))
	}
	return uint64(r.Read32(at))
}

func (e ecamBus) Store(off uintptr, n int, v uint64) {}

func FuzzFunction(f *testing.F) {
	f.Add(msixChip(4, 0, 0x800).b[:], uint64(0x1000))
	c := newChip(1, 1, 0)
	c.cap(0x50, spec.CapMSI, 0xf6)
	f.Add(c.b[:], uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, size uint64) {
		c := new(chip)
		copy(c.b[:], b)
		for i := range c.size {
			c.size[i] = size >> i
		}
		m := &machine{limit: 3, chips: map[Address]*chip{{0, 0, 3, 0}: c}}
		m.mem = map[uint64]bus.DMA{}
		bs, err := Enumerate(m, tiny{m}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range bs.Functions {
			for i := range 6 {
				_, _ = f.SizeBAR(i)
			}
			if v, err := f.Interrupts(2); err == nil {
				for _, i := range v {
					i.Enable()
					i.Close()
				}
			}
		}
	})
}

// tiny refuses to map what a fuzzed BAR says, beyond a little.
type tiny struct{ *machine }

func (p tiny) MapMemory(pa, size uint64) (bus.Registers, error) {
	if size > 1<<20 {
		return nil, fmt.Errorf("too large")
	}
	return bustest.RAM(int(size)), nil
}

// TestSwizzle follows INTB# of device 3 behind device 2 behind device 5.
func TestSwizzle(t *testing.T) {
	nic := newChip(0x8086, 0x100e, 0x020000)
	nic.b[spec.InterruptPin], nic.b[spec.InterruptLine] = 2, 10
	m := &machine{chips: map[Address]*chip{
		{0, 0, 5, 0}: bridge(1), {0, 1, 2, 0}: bridge(2), {0, 2, 3, 0}: nic, {0, 0, 6, 0}: nic,
	}}
	b, err := Enumerate(m, m, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range b.Find(func(d bus.Device) bool { return d.Class() == 0x020000 }) {
		if _, err := f.Interrupts(1); err != nil {
			t.Fatal(err)
		}
	}
	// (1+3)%4 = INTA# at device 2 of bus 1; (0+2)%4 = INTC# at device 5.
	want := []string{"wire 0000:02:03.0 pin 3 line 10 at 0000:00:05.0", "wire 0000:00:06.0 pin 2 line 10 at 0000:00:06.0"}
	if !slices.Equal(m.mapped, want) {
		t.Errorf("%q", m.mapped)
	}
}
