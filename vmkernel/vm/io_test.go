package vm

import (
	"bytes"
	"encoding/binary"
	"testing"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vdev/ioapic"
	"basalt/vmkernel/vdev/lapic"
)

// TestFastMMIOOfTheAPIC: the registers of the page after a reset are answered in the run
// loop, as ordinary Go would; everything else is left to it.
func TestFastMMIOOfTheAPIC(t *testing.T) {
	a := lapic.NewSet(lapic.Config{X2APIC: true}).APIC(0)
	l := &localAPIC{a: a, phys: 40}
	l.cpu = vcpu.New(vcpu.Config{APIC: l, Time: &machineTime{p: &Platform{TSC: func() uint64 { return 1000 }}}})
	c := &cpuIO{apic: l, b: &board{bus: vbus.New(), mem: memoryAt(t, gmem.Range{Start: 0x1000_0000, Size: gmem.FrameSize})}}
	if silent, ok := c.FastWriteMMIO(lapic.DefaultBase+lapic.SVR, 4, 0x1ff); silent || !ok || a.Read(lapic.SVR, 0) != 0x1ff {
		t.Errorf("SVR: silent %v, taken %v, now %#x", silent, ok, a.Read(lapic.SVR, 0))
	}
	if v, ok := c.FastReadMMIO(lapic.DefaultBase+lapic.SVR, 4); v != 0x1ff || !ok {
		t.Errorf("SVR reads %#x, %v", v, ok)
	}
	left := func(name string, gpa uint64, size uint8) {
		t.Helper()
		_, read := c.FastReadMMIO(gpa, size)
		_, write := c.FastWriteMMIO(gpa, size, 0)
		if read || write {
			t.Errorf("%s: read %v, write %v", name, read, write)
		}
	}
	left("two bytes", lapic.DefaultBase+lapic.SVR, 2)
	left("eight bytes", lapic.DefaultBase+lapic.SVR, 8)
	left("the middle of a register", lapic.DefaultBase+lapic.SVR+4, 4)
	if _, ok := c.FastWriteMMIO(lapic.DefaultBase+0x10F0, 4, 0); ok {
		t.Error("a write to the page behind was taken")
	}
	if _, ok := c.FastReadMMIO(lapic.DefaultBase+0x40, 4); ok {
		t.Error("a register that there is not was read: its error interrupt is for ordinary Go")
	}
	a.Write(lapic.ESR, 0, 0)
	if e := a.Read(lapic.ESR, 0); e != 0 {
		t.Errorf("ESR %#x", e)
	}
	if !a.SetBase(0x1000_0000|lapic.BaseBSP|lapic.BaseEN, 40) {
		t.Fatal("no other base")
	}
	nobody := func(name string) {
		t.Helper()
		v, read := c.FastReadMMIO(lapic.DefaultBase+lapic.SVR, 4)
		if _, write := c.FastWriteMMIO(lapic.DefaultBase+lapic.SVR, 4, 0); !read || uint32(v) != ^uint32(0) || write {
			t.Errorf("%s: read %v, %#x, write %v", name, read, v, write)
		}
	}
	nobody("where the page was")
	left("where memory may be", 0x1000_0000+lapic.SVR, 4)
	a.Reset()
	if !a.SetBase(lapic.DefaultBase|lapic.BaseBSP|lapic.BaseEN|lapic.BaseEXTD, 40) {
		t.Fatal("no x2APIC mode")
	}
	nobody("x2APIC mode")
}

// memoryAt is memory that nothing is read from.
func memoryAt(t *testing.T, r gmem.Range) *gmem.Memory {
	t.Helper()
	m, err := gmem.New(gmem.Config{Regions: []gmem.Range{r}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFastReads: reads of the I/O APIC and where nothing is are answered in the run loop
// as ordinary Go would. Memory that has no frame yet is not nothing, and the local APIC's
// page is before all.
func TestFastReads(t *testing.T) {
	l := &localAPIC{a: lapic.NewSet(lapic.Config{}).APIC(0), phys: 40}
	l.cpu = vcpu.New(vcpu.Config{APIC: l, Time: &machineTime{p: &Platform{TSC: func() uint64 { return 1000 }}}})
	const ram = 0x4000_0000
	c := &cpuIO{apic: l, b: &board{bus: vbus.New(), mem: memoryAt(t, gmem.Range{Start: ram, Size: gmem.FrameSize})}}
	p := ioapic.New(nil) // no message is sent
	if err := c.b.bus.AddMMIO(p, 0, ioapic.DefaultBase, ioapic.Size); err != nil {
		t.Fatal(err)
	}
	c.WriteMMIO(ioapic.DefaultBase+ioapic.IOREGSEL, []byte{ioapic.IOAPICVER})
	for _, x := range []struct {
		name string
		gpa  uint64
		size uint8
		ok   bool
	}{
		{"IOREGSEL", ioapic.DefaultBase, 4, true},
		{"IOWIN", ioapic.DefaultBase + ioapic.IOWIN, 4, true},
		{"IOWIN as eight bytes", ioapic.DefaultBase + ioapic.IOWIN, 8, true},
		{"a byte of IOWIN", ioapic.DefaultBase + ioapic.IOWIN, 1, true},
		{"no register", ioapic.DefaultBase + 0x20, 4, false},
		{"below the I/O APIC", ioapic.DefaultBase - 4, 4, true},
		{"nothing", 0xFEF0_0000, 4, true},
		{"above everything", 1<<52 - 8, 8, true},
		{"memory", ram, 4, false},
		{"the end of memory", ram + gmem.FrameSize - 8, 8, false},
		{"behind memory", ram + gmem.FrameSize, 8, true},
	} {
		v, ok := c.FastReadMMIO(x.gpa, x.size)
		if ok != x.ok {
			t.Errorf("%s: %v", x.name, ok)
		}
		var want [8]byte
		c.ReadMMIO(x.gpa, want[:x.size])
		var got [8]byte
		binary.LittleEndian.PutUint64(got[:], v)
		if ok && !bytes.Equal(got[:x.size], want[:x.size]) {
			t.Errorf("%s: % x, ordinary Go reads % x", x.name, got[:x.size], want[:x.size])
		}
	}
	if !l.a.SetBase(ioapic.DefaultBase|lapic.BaseBSP|lapic.BaseEN, 40) {
		t.Fatal("no other base")
	}
	if _, ok := c.FastReadMMIO(ioapic.DefaultBase+ioapic.IOWIN, 4); ok {
		t.Error("the I/O APIC answers where the local APIC is")
	}
}
