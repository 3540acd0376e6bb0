package vbus

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// toy records accesses and answers with the low byte of each address.
type toy struct {
	name string
	max  int // largest access it takes
	log  []string
	seen int
}

func (d *toy) Name() string { return d.name }
func (d *toy) Reset()       { d.log = append(d.log, "reset") }
func (d *toy) ReadPort(port uint16, data []byte) Access {
	d.seen++
	if len(data) > d.max {
		return BadSize
	}
	for i := range data {
		data[i] = byte(port) + byte(i)
	}
	return OK
}
func (d *toy) WritePort(port uint16, data []byte) Access {
	if len(data) > d.max {
		return BadSize
	}
	d.log = append(d.log, fmt.Sprintf("%x=%x", port, data))
	return OK
}
func (d *toy) ReadMMIO(region int, off uint64, data []byte) Access {
	if len(data) > d.max {
		return BadSize
	}
	for i := range data {
		data[i] = byte(off) + byte(i)
	}
	return OK
}
func (d *toy) WriteMMIO(region int, off uint64, data []byte) Access {
	if len(data) > d.max {
		return BadSize
	}
	d.log = append(d.log, fmt.Sprintf("%d:%x=%x", region, off, data))
	return OK
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPortRules(t *testing.T) {
	b := New()
	wide, narrow := &toy{name: "wide", max: 4}, &toy{name: "narrow", max: 1}
	pci, reset := &toy{name: "pci", max: 4}, &toy{name: "reset", max: 1}
	must(t, b.AddPorts(wide, 0x10, 4))
	must(t, b.AddPorts(narrow, 0x14, 2))
	must(t, b.AddPortsSized(pci, 0xCF8, 4, Size4))
	must(t, b.AddPortsSized(reset, 0xCF9, 1, Size1))
	must(t, b.AddPorts(&toy{name: "top", max: 1}, 0xFFFF, 1))
	for _, c := range []struct {
		name string
		port uint16
		size int
		want []byte
		a    Access
	}{
		{"whole access goes to the device", 0x10, 4, []byte{0x10, 0x11, 0x12, 0x13}, OK},
		{"unclaimed reads all ones", 0x100, 4, []byte{255, 255, 255, 255}, NoRegister},
		{"straddling access is split", 0x12, 4, []byte{0x12, 0x13, 0x14, 0x15}, OK},
		{"refused width is split", 0x14, 2, []byte{0x14, 0x15}, OK},
		{"split into a hole", 0x15, 2, []byte{0x15, 255}, OK},
		{"sized claim takes its width", 0xCF8, 4, []byte{0xF8, 0xF9, 0xFA, 0xFB}, OK},
		{"sized claim leaves the rest", 0xCF9, 1, []byte{0xF9}, OK},
		{"sized claim does not answer others", 0xCF8, 1, []byte{255}, NoRegister},
		{"nothing wraps at the top", 0xFFFF, 2, []byte{0xFF, 0xFF}, OK},
		{"odd width", 0x10, 3, []byte{255, 255, 255}, BadSize},
	} {
		data := make([]byte, c.size)
		if a := b.ReadPort(c.port, data); a != c.a || !bytes.Equal(data, c.want) {
			t.Errorf("%s: %x, %v; want %x, %v", c.name, data, a, c.want, c.a)
		}
	}
	b.WritePort(0x13, []byte{1, 2})
	if got := strings.Join(append(wide.log, narrow.log...), " "); got != "13=01 14=02" {
		t.Errorf("split write: %s", got)
	}
}

func TestMMIORules(t *testing.T) {
	b := New()
	lo, hi := &toy{name: "lo", max: 8}, &toy{name: "hi", max: 4}
	must(t, b.AddMMIO(lo, 0, 0x1000, 0x10))
	must(t, b.AddMMIO(hi, 7, 0x1010, 0x10))
	must(t, b.AddMMIO(&toy{name: "top", max: 8}, 0, 0xFFFF_FFFF_FFFF_FFF0, 0x10))
	for _, c := range []struct {
		name string
		gpa  uint64
		size int
		want []byte
		a    Access
	}{
		{"inside", 0x1004, 4, []byte{4, 5, 6, 7}, OK},
		{"hole", 0x3000, 2, []byte{255, 255}, NoRegister},
		{"across two devices", 0x100E, 4, []byte{14, 15, 0, 1}, OK},
		{"from a hole into a device", 0xFFE, 4, []byte{255, 255, 0, 1}, OK},
		{"from a device into a hole", 0x101F, 2, []byte{15, 255}, OK},
		{"refused width is not split", 0x1010, 8, bytes.Repeat([]byte{255}, 8), BadSize},
		{"nothing wraps at the top", 0xFFFF_FFFF_FFFF_FFFE, 4, []byte{14, 15, 255, 255}, OK},
		{"too wide", 0x1000, 9, bytes.Repeat([]byte{255}, 9), BadSize},
		{"empty", 0x1000, 0, []byte{}, BadSize},
	} {
		data := make([]byte, c.size)
		if a := b.ReadMMIO(c.gpa, data); a != c.a || !bytes.Equal(data, c.want) {
			t.Errorf("%s: %x, %v; want %x, %v", c.name, data, a, c.want, c.a)
		}
	}
	b.WriteMMIO(0x100F, []byte{1, 2, 3})
	b.WriteMMIO(0xFFFF_FFFF_FFFF_FFFF, []byte{1, 2})
	if got := strings.Join(append(lo.log, hi.log...), " "); got != "0:f=01 7:0=0203" {
		t.Errorf("split write: %s", got)
	}
}

func TestRegistrationRefuses(t *testing.T) {
	b := New()
	a, c := &toy{name: "a"}, &toy{name: "c"}
	must(t, b.AddPorts(a, 0x60, 5))
	must(t, b.AddMMIO(a, 0, 0x1000, 0x1000))
	for name, x := range map[string]struct{ got, want error }{
		"port overlap":    {b.AddPorts(c, 0x64, 1), ErrOverlap},
		"port range":      {b.AddPorts(c, 0xFFFF, 2), ErrRange},
		"no ports":        {b.AddPorts(c, 1, 0), ErrRange},
		"memory overlap":  {b.AddMMIO(c, 0, 0x1FFF, 1), ErrOverlap},
		"memory wraps":    {b.AddMMIO(c, 0, ^uint64(0), 2), ErrRange},
		"memory empty":    {b.AddMMIO(c, 0, 0, 0), ErrRange},
		"name twice":      {b.Add(&toy{name: "a"}), ErrOverlap},
		"remove stranger": {b.Remove(c), ErrUnknown},
		"no such region":  {b.RemoveMMIO(a, 3), ErrUnknown},
		"no such port":    {b.RemovePorts(a, 3), ErrUnknown},
	} {
		if !errors.Is(x.got, x.want) {
			t.Errorf("%s: %v, want %v", name, x.got, x.want)
		}
	}
	if err := b.AddPorts(c, 0x64, 1); !strings.Contains(err.Error(), "c: ports 0x64-0x64 meet a at 0x60-0x64") {
		t.Error(err)
	}
	must(t, b.RemovePorts(a, 0x60))
	must(t, b.AddPorts(c, 0x64, 1))
	must(t, b.Remove(a))
	if a := b.ReadMMIO(0x1000, make([]byte, 1)); a != NoRegister {
		t.Error("removed device answers")
	}
}

func TestLifeCycleAndCounters(t *testing.T) {
	b := New()
	var order []string
	for _, n := range []string{"x", "y", "z"} {
		d := &toy{name: n, max: 1}
		must(t, b.Add(d))
		must(t, b.Add(d)) // again is fine
	}
	must(t, b.AddPorts(b.Devices()[1], 0, 1))
	b.Reset()
	for _, d := range b.Devices() {
		order = append(order, d.Name()+d.(*toy).log[0])
	}
	if fmt.Sprint(order) != "[xreset yreset zreset]" {
		t.Error(order)
	}
	b.ReadPort(0, []byte{0})
	b.WritePort(0, []byte{0})
	b.ReadPort(1, []byte{0})
	b.ReadMMIO(1, []byte{0})
	s := b.Snapshot()
	if s[1].PortReads != 1 || s[1].PortWrites != 1 || s[3].PortReads != 1 || s[3].MMIOReads != 1 || s[3].Device != "unclaimed" {
		t.Errorf("%+v", s)
	}
}

func TestAccessDoesNotAllocate(t *testing.T) {
	b := New()
	must(t, b.AddPorts(&toy{name: "p", max: 1}, 0x20, 2))
	must(t, b.AddMMIO(&toy{name: "m", max: 8}, 0, 0x1000, 0x1000))
	buf := make([]byte, 4)
	if n := testing.AllocsPerRun(100, func() {
		b.ReadPort(0x20, buf)
		b.ReadPort(0x999, buf)
		b.ReadMMIO(0x1FFE, buf)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

type pin struct {
	mu    sync.Mutex
	level bool
	rises int
}

func (p *pin) Set(high bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if high && !p.level {
		p.rises++
	}
	p.level = high
}

func TestSharedLineIsAWiredOr(t *testing.T) {
	var p pin
	s := NewShared(&p)
	a, b := s.Output(0), s.Output(31)
	a.Set(true)
	b.Set(true)
	a.Set(false)
	if !p.level || p.rises != 1 {
		t.Fatal("the line fell while one output is high")
	}
	b.Set(false)
	if p.level || s.Output(32) != nil {
		t.Fatal("the line stays high")
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			o := s.Output(i)
			for range 2000 {
				o.Set(true)
				o.Set(false)
			}
			o.Set(i == 2)
		})
	}
	wg.Wait()
	if !p.level {
		t.Fatal("a level was lost in a race")
	}
}

func TestFanAndCounted(t *testing.T) {
	var p, q pin
	c := &Counted{To: Fan{&p, &q, NoLine{}}}
	c.Set(true)
	c.Set(true)
	Pulse(c)
	Pulse(c)
	if c.Edges() != 2 || p.rises != 2 || q.level {
		t.Fatalf("%d edges, %d rises", c.Edges(), p.rises)
	}
}

func BenchmarkReadPort(b *testing.B) {
	bus := New()
	bus.AddPorts(&toy{name: "p", max: 1}, 0x20, 2)
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		bus.ReadPort(0x20, buf)
	}
}

func BenchmarkReadMMIO(b *testing.B) {
	bus := New()
	for i := range 20 {
		bus.AddMMIO(&toy{name: fmt.Sprint(i), max: 8}, 0, uint64(i)<<16, 0x1000)
	}
	buf := make([]byte, 4)
	b.ReportAllocs()
	for b.Loop() {
		bus.ReadMMIO(0x70010, buf)
	}
}

// FuzzRouter registers what the input says and compares every byte of every
// access with a flat table of owners.
func FuzzRouter(f *testing.F) {
	f.Add([]byte{0x10, 4, 0x14, 2, 0x13, 3, 0xFE, 8})
	f.Fuzz(func(t *testing.T, in []byte) {
		b := New()
		var owner [300]bool
		for i := 0; i+1 < len(in) && i < 40; i += 2 {
			base, n := int(in[i]), int(in[i+1]%16)
			free := n > 0
			for j := base; j < base+n; j++ {
				free = free && !owner[j]
			}
			d := &toy{name: fmt.Sprint(i), max: 8}
			pioErr, memErr := b.AddPorts(d, uint16(base), n), b.AddMMIO(d, 0, uint64(base), uint64(n))
			if (pioErr == nil) != free || (memErr == nil) != free {
				t.Fatalf("%d+%d: %v, %v, free %v", base, n, pioErr, memErr, free)
			}
			for j := base; free && j < base+n; j++ {
				owner[j] = true
			}
		}
		for at := range 280 {
			for n := 1; n <= 8; n++ {
				data := make([]byte, n)
				for kind := range 2 {
					var a Access
					if kind == 0 {
						if a = b.ReadPort(uint16(at), data); sizeLog(n) < 0 {
							continue
						}
					} else {
						a = b.ReadMMIO(uint64(at), data)
					}
					answered := false
					for i := range data {
						answered = answered || owner[at+i]
						if !owner[at+i] && data[i] != 0xFF {
							t.Fatalf("nobody owns %d, it reads %#x", at+i, data[i])
						}
						if kind == 0 && owner[at+i] && data[i] != byte(at+i) {
							t.Fatalf("port %d reads %#x", at+i, data[i])
						}
					}
					if (a == OK) != answered {
						t.Fatalf("%d bytes at %d: %v", n, at, a)
					}
				}
			}
		}
	})
}
