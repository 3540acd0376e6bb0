package vm

import (
	"testing"

	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vdev/lapic"
)

// TestFastMMIOOfTheAPIC: the registers of the page after a reset are answered in the run
// loop, as ordinary Go would; everything else is left to it.
func TestFastMMIOOfTheAPIC(t *testing.T) {
	a := lapic.NewSet(lapic.Config{X2APIC: true}).APIC(0)
	l := &localAPIC{a: a, phys: 40}
	l.cpu = vcpu.New(vcpu.Config{APIC: l, Time: &machineTime{p: &Platform{TSC: func() uint64 { return 1000 }}}})
	c := &cpuIO{apic: l, b: &board{bus: vbus.New()}}
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
	left("the page behind", lapic.DefaultBase+0x10F0, 4)
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
	left("where the page was", lapic.DefaultBase+lapic.SVR, 4)
	left("where memory may be", 0x1000_0000+lapic.SVR, 4)
	a.Reset()
	if !a.SetBase(lapic.DefaultBase|lapic.BaseBSP|lapic.BaseEN|lapic.BaseEXTD, 40) {
		t.Fatal("no x2APIC mode")
	}
	left("x2APIC mode", lapic.DefaultBase+lapic.SVR, 4)
}
