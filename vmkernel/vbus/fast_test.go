package vbus

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// bell takes 2-byte writes of its own number in W1.
type bell struct {
	toy
	rings int
}

func (d *bell) FastWritePort(port uint16, size uint8, value uint32) bool {
	if size != 2 || value != 7 {
		return false
	}
	d.rings++
	return true
}

func TestFastWritePort(t *testing.T) {
	b := New()
	d := &bell{toy: toy{name: "bell", max: 2}}
	must(t, b.AddPorts(d, 0xC000, 4))
	must(t, b.AddPorts(&toy{name: "slow", max: 4}, 0xD000, 4))
	for _, c := range []struct {
		name  string
		port  uint16
		size  uint8
		value uint32
		want  bool
	}{
		{"a doorbell", 0xC000, 2, 7, true},
		{"what the device leaves", 0xC000, 2, 8, false},
		{"another size", 0xC000, 1, 7, false},
		{"over the end", 0xC003, 2, 7, false},
		{"no such size", 0xC000, 3, 7, false},
		{"a device that cannot", 0xD000, 2, 7, false},
		{"nobody", 0xE000, 2, 7, false},
		{"the last port", 0xFFFF, 4, 7, false},
	} {
		before := d.rings
		if got := b.FastWritePort(c.port, c.size, c.value); got != c.want || (d.rings > before) != c.want {
			t.Errorf("%s: %v, %d rings", c.name, got, d.rings-before)
		}
	}
	if s := b.Snapshot(); s[0].PortWrites != 1 || s[2].PortWrites != 0 {
		t.Errorf("counted %+v", s)
	}
	must(t, b.Remove(d))
	if b.FastWritePort(0xC000, 2, 7) {
		t.Error("a removed device answers")
	}
}

func TestFastWritePortIsFast(t *testing.T) {
	w1test.Fast(t, (*Bus).FastWritePort)
	b := New()
	must(t, b.AddPorts(&bell{toy: toy{name: "bell", max: 2}}, 0xC000, 4))
	if n := testing.AllocsPerRun(100, func() { b.FastWritePort(0xC000, 2, 7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func (d *bell) FastWriteMMIO(region int, off uint64, size uint8, value uint64) bool {
	if region != 3 || off != 8 || size != 2 || value != 7 {
		return false
	}
	d.rings++
	return true
}

func TestFastWriteMMIO(t *testing.T) {
	b := New()
	d := &bell{toy: toy{name: "bell", max: 8}}
	must(t, b.AddMMIO(d, 3, 0xC000_0000, 10))
	must(t, b.AddMMIO(&toy{name: "slow", max: 8}, 3, 0xD000_0000, 16))
	for _, c := range []struct {
		name  string
		gpa   uint64
		size  uint8
		value uint64
		want  bool
	}{
		{"a doorbell", 0xC000_0008, 2, 7, true},
		{"what the device leaves", 0xC000_0008, 2, 8, false},
		{"another register", 0xC000_0000, 2, 7, false},
		{"over the end", 0xC000_0008, 4, 7, false},
		{"a device that cannot", 0xD000_0008, 2, 7, false},
		{"nobody", 0xE000_0008, 2, 7, false},
		{"the last address", ^uint64(0), 2, 7, false},
	} {
		before := d.rings
		if got := b.FastWriteMMIO(c.gpa, c.size, c.value); got != c.want || (d.rings > before) != c.want {
			t.Errorf("%s: %v, %d rings", c.name, got, d.rings-before)
		}
	}
	if s := b.Snapshot(); s[0].MMIOWrites != 1 || s[1].MMIOWrites != 0 {
		t.Errorf("counted %+v", s)
	}
	if n := testing.AllocsPerRun(100, func() { b.FastWriteMMIO(0xC000_0008, 2, 7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	must(t, b.Remove(d))
	if b.FastWriteMMIO(0xC000_0008, 2, 7) {
		t.Error("a removed device answers")
	}
	w1test.Fast(t, (*Bus).FastWriteMMIO)
}

// clockwork answers reads of its first 8 bytes with 9.
type clockwork struct{ toy }

func (*clockwork) FastReadMMIO(region int, off uint64, size uint8) (uint64, bool) {
	return 9, region == 3 && off < 8
}

func TestFastReadMMIO(t *testing.T) {
	b := New()
	must(t, b.AddMMIO(&clockwork{toy{name: "clock", max: 8}}, 3, 0xC000_0000, 10))
	must(t, b.AddMMIO(&toy{name: "slow", max: 8}, 3, 0xD000_0000, 16))
	for _, c := range []struct {
		name         string
		gpa          uint64
		size         uint8
		want, nobody bool
	}{
		{"a register", 0xC000_0004, 4, true, false},
		{"what the device leaves", 0xC000_0008, 2, false, false},
		{"over the end", 0xC000_0008, 4, false, false},
		{"a device that cannot", 0xD000_0000, 4, false, false},
		{"nobody", 0xE000_0000, 8, false, true},
		{"nobody up to a device", 0xCFFF_FFFC, 4, false, true},
		{"nobody at first", 0xCFFF_FFFC, 8, false, false},
		{"the last address", ^uint64(0), 1, false, true},
	} {
		v, ok := b.FastReadMMIO(c.gpa, c.size)
		if ok != c.want || ok && v != 9 {
			t.Errorf("%s: %v, %d", c.name, ok, v)
		}
		v, ok = b.FastReadNobody(c.gpa, c.size)
		if ok != c.nobody || ok && v != ^uint64(0) {
			t.Errorf("%s: nobody %v, %#x", c.name, ok, v)
		}
	}
	if s := b.Snapshot(); s[0].MMIOReads != 1 || s[1].MMIOReads != 0 {
		t.Errorf("counted %+v", s)
	}
	if n := b.lost.MMIOReads.Load(); n != 3 {
		t.Errorf("%d reads of nobody", n)
	}
	if n := testing.AllocsPerRun(100, func() { b.FastReadMMIO(0xC000_0000, 4); b.FastReadNobody(0xE000_0000, 4) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	w1test.Fast(t, (*Bus).FastReadMMIO, (*Bus).FastReadNobody)
}
