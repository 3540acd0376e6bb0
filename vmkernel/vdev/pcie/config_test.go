package pcie

import (
	"errors"
	"strings"
	"testing"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vbus"
)

var (
	cardAt = Address{Bus: 1}
	portAt = Address{Device: 16}
)

func TestHeaders(t *testing.T) { // PCI 3.0, 6.1 and 6.2
	r, _, _ := plugged(t, 4, nic())
	for _, c := range []struct {
		name string
		at   Address
		off  int
		n    int
		want uint64
	}{
		{"host bridge", Address{}, 0, 4, 0x29c0_8086},
		{"PCIEXBAR", Address{}, spec.MCHPCIEXBAR, 8, 0xe000_0001},
		{"ISA bridge", Address{Device: 31}, 0, 4, 0x2918_8086},
		{"ISA bridge class", Address{Device: 31}, 9, 4, 0x0000_060100},
		{"port", portAt, 0, 4, 0x000c_1b36},
		{"port class", portAt, spec.RevisionID, 4, 0x060400_00},
		{"port header, multi-function", portAt, spec.HeaderType, 1, 0x81},
		{"second port", Address{Device: 16, Func: 1}, 0, 4, 0x000c_1b36},
		{"no such port", Address{Device: 16, Func: 4}, 0, 4, 0xffff_ffff},
		{"function", cardAt, 0, 4, 0x1041_1af4},
		{"class", cardAt, spec.RevisionID, 4, 0x020000_01},
		{"subsystem", cardAt, spec.SubsystemVendor, 4, 0x1100_1af4},
		{"header", cardAt, spec.HeaderType, 1, 0},
		{"capability list", cardAt, spec.Status, 2, spec.StatusCapabilities},
		{"pin", cardAt, spec.InterruptPin, 1, 1},
		{"line", cardAt, spec.InterruptLine, 1, 20},
		{"no extended capability", cardAt, 0x100, 4, 0},
		{"second device of the link", Address{Bus: 1, Device: 1}, 0, 4, 0xffff_ffff},
		{"second function", Address{Bus: 1, Func: 1}, 0, 4, 0xffff_ffff},
		{"empty slot", Address{Bus: 2}, 0, 4, 0xffff_ffff},
		{"bus without a port", Address{Bus: 77}, 0, 2, 0xffff},
		{"across a dword", cardAt, 2, 4, 0x0003_1041},
	} {
		eq(t, c.name, r.get(c.at, c.off, c.n), c.want)
	}
	r.put(cardAt, 0, 4, 0)
	eq(t, "identifiers are read-only", r.get(cardAt, 0, 4), 0x1041_1af4)
	r.put(Address{}, spec.MCHPCIEXBAR, 4, 0)
	eq(t, "ECAM stays", r.get(Address{}, spec.MCHPCIEXBAR, 4), 0xe000_0001)
}

func TestMechanism1(t *testing.T) { // PCI 3.0, 3.2.2.3.2
	r, _, _ := plugged(t, 1, nic())
	out := func(port uint16, n int, v uint32) {
		b := []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}
		r.bus.WritePort(port, b[:n])
	}
	in := func(port uint16, n int) uint32 {
		b := make([]byte, 4)
		r.bus.ReadPort(port, b[:n])
		return le.Uint32(b)
	}
	eq(t, "not enabled", in(0xcfc, 4), 0xffff_ffff)
	out(0xcf8, 4, 0x8001_0000)
	eq(t, "address", in(0xcf8, 4), 0x8001_0000)
	eq(t, "dword", in(0xcfc, 4), 0x1041_1af4)
	eq(t, "word", in(0xcfe, 2), 0x1041)
	eq(t, "byte", in(0xcfd, 1), 0x1a)
	out(0xcf8, 1, 0)
	eq(t, "a byte does not reach the address", in(0xcf8, 4), 0x8001_0000)
	out(0xcf8, 4, 0x8001_003c)
	out(0xcfc, 1, 0x55)
	eq(t, "written", r.get(cardAt, spec.InterruptLine, 1), 0x55)
	out(0xcf8, 4, 0xff01_0003)
	eq(t, "reserved bits", in(0xcf8, 4), 0x8001_0000)
}

func TestBARSizing(t *testing.T) { // PCI 3.0, 6.2.5.1
	r, _, _ := plugged(t, 1, nic())
	r.put(cardAt, spec.Command, 2, 0)
	for _, c := range []struct{ bar, want uint64 }{
		{0, 0xffff_f000}, {1, 0xffff_f000}, {2, 0x0000_ffe1}, {3, 0}, {4, 0xffff_c00c}, {5, 0xffff_ffff},
	} {
		off := spec.BaseAddress0 + 4*int(c.bar)
		r.put(cardAt, off, 4, 0xffff_ffff)
		if got := r.get(cardAt, off, 4); got != c.want {
			t.Errorf("BAR %d: %#x, want %#x", c.bar, got, c.want)
		}
	}
}

// TestBARDecoding moves BAR 0 about: what is decoded and what is not.
func TestBARDecoding(t *testing.T) {
	r := newRig(t, 0)
	e, f := r.endpoint("fixed", Config{Class: 0xff0000, BARs: [6]BAR{{Size: 0x1000}, {Size: 0x100, Kind: IO}}})
	g, _ := r.endpoint("other", Config{BARs: [6]BAR{{Size: 0x1000}}})
	_, err := r.root.PlugFixed(e)
	must(t, err)
	_, err = r.root.PlugFixed(g)
	must(t, err)
	must(t, r.root.Configure())
	at, other := Address{Device: 1}, Address{Device: 2}
	base := r.get(at, spec.BaseAddress0, 4)
	eq(t, "first address of the window", base, 0xc000_0000)
	v, a := r.mem(base+0x10, 2)
	eq(t, "read", []any{v, a}, []any{0x1110, vbus.OK})
	r.poke(base+8, 4, 0x1234)
	eq(t, "write", f.log, []string{"0:8=34120000"})
	b := []byte{0}
	eq(t, "port", r.bus.ReadPort(0x1004, b), vbus.OK)
	eq(t, "port value", b[0], 0x14)
	for _, c := range []struct {
		name string
		base uint64
		ok   bool
	}{
		{"in the second window", 0xf000_0000, true},
		{"its last page", 0xfebf_f000, true},
		{"over RAM", 0x0010_0000, false},
		{"at zero", 0, false},
		{"over ECAM", 0xe000_0000, false},
		{"over the I/O APIC", 0xfec0_0000, false},
		{"at the top", 0xffff_f000, false},
		{"over the other device", r.get(other, spec.BaseAddress0, 4), false},
		{"back", 0xc000_0000, true},
	} {
		r.put(at, spec.BaseAddress0, 4, c.base)
		_, got := r.mem(c.base+0xff8, 8)
		on := e.claims[0].on
		if on != c.ok || on && got != vbus.OK {
			t.Errorf("%s: decoded %v, %v", c.name, on, got)
		}
	}
	r.put(at, spec.Command, 2, spec.CommandIO)
	_, a = r.mem(0xc000_0000, 4)
	eq(t, "memory off", a, vbus.NoRegister)
	r.put(at, spec.Command, 2, spec.CommandMemory)
	_, a = r.mem(0xc000_0000, 4)
	eq(t, "memory on", a, vbus.OK)
	eq(t, "ports off", r.bus.ReadPort(0x1004, b), vbus.NoRegister)
	// A BAR that was kept out comes in when the other one leaves.
	taken := r.get(other, spec.BaseAddress0, 4)
	r.put(at, spec.BaseAddress0, 4, taken)
	eq(t, "kept out", e.claims[0].on, false)
	r.put(other, spec.BaseAddress0, 4, 0xd000_0000)
	eq(t, "comes in", e.claims[0].on, true)
	// A port below 0x1000 belongs to the board.
	r.put(at, spec.BaseAddress0+4, 4, 0x600)
	r.put(at, spec.Command, 2, spec.CommandIO)
	eq(t, "the board's ports", r.bus.ReadPort(0x600, b), vbus.NoRegister)
	// D3hot: nothing is decoded (PCI Power Management 1.2, 5.4.1).
	r.put(at, spec.Command, 2, spec.CommandMemory)
	pm := r.cap(at, spec.CapPowerManagement)
	r.put(at, pm+spec.PMControl, 2, spec.PMStateD3Hot)
	eq(t, "D3hot", e.claims[0].on, false)
	r.put(at, pm+spec.PMControl, 2, 1)
	eq(t, "there is no D1", r.get(at, pm+spec.PMControl, 2)&3, 3)
	r.put(at, pm+spec.PMControl, 2, 0)
	eq(t, "D0", e.claims[0].on, true)
}

func TestBridgeWindow(t *testing.T) { // Bridge Architecture 1.2, 4.2 and 4.3
	r, e, _ := plugged(t, 2, nic())
	eq(t, "all decoded", []bool{e.claims[0].on, e.claims[1].on, e.claims[2].on, e.claims[4].on}, []bool{true, true, true, true})
	r.put(cardAt, spec.BaseAddress0, 4, 0xd800_0000)
	eq(t, "outside the port's windows", e.claims[0].on, false)
	r.put(portAt, spec.MemoryBase, 4, 0xd800_d800)
	eq(t, "the window follows", []bool{e.claims[0].on, e.claims[1].on}, []bool{true, false})
	r.put(portAt, spec.Command, 2, spec.CommandBusMaster)
	eq(t, "port forwards nothing", []bool{e.claims[0].on, e.claims[2].on}, []bool{false, false})
	r.put(portAt, spec.Command, 2, spec.CommandMemory|spec.CommandIO)
	eq(t, "no bus master above", e.BusMaster(), false)
	r.put(cardAt, spec.Command, 2, 7)
	r.put(portAt, spec.Command, 2, 7)
	eq(t, "bus master", e.BusMaster(), true)
	// Bus numbers: the function follows its port.
	r.put(portAt, spec.PrimaryBus, 4, 0x00_09_09_00)
	eq(t, "old bus", r.get(cardAt, 0, 4), 0xffff_ffff)
	eq(t, "new bus", r.get(Address{Bus: 9}, 0, 4), 0x1041_1af4)
	r.put(portAt, spec.PrimaryBus, 4, 0x00_01_02_00)
	eq(t, "subordinate below secondary", r.get(Address{Bus: 2}, 0, 4), 0xffff_ffff)
}

func TestCapabilityHooks(t *testing.T) {
	var wrote []string
	c := Config{Capabilities: []Capability{{ID: spec.CapVendor, Body: make([]byte, 5), Writable: []byte{0, 0, 0xf0},
		Read: func(off int, data []byte) {
			for i := range data {
				if off+i == 6 {
					data[i] = 0x77
				}
			}
		},
		Write: func(off int, data []byte) { wrote = append(wrote, strings.Repeat("x", off)+string(data)) }}}}
	r := newRig(t, 0)
	e, _ := r.endpoint("hooked", c)
	_, err := r.root.PlugFixed(e)
	must(t, err)
	at := Address{Device: 1}
	v := r.cap(at, spec.CapVendor)
	r.put(at, v+4, 4, 0x44434241)
	eq(t, "mask and hook", r.get(at, v+4, 4), 0x0077_0040)
	eq(t, "write clipped to the capability", wrote, []string{"xxxxABC"})
}

func TestFunctionLevelReset(t *testing.T) { // PCI Express 3.0, 6.6.2
	r, e, f := plugged(t, 1, nic())
	r.put(cardAt, spec.Command, 2, 7)
	exp := r.cap(cardAt, spec.CapPCIExpress)
	r.put(cardAt, exp+spec.ExpDeviceControl, 2, spec.ExpInitiateFLR)
	eq(t, "reset", []any{f.resets, r.get(cardAt, spec.Command, 2), r.get(cardAt, spec.BaseAddress0, 4)}, []any{1, 0, 0})
	eq(t, "nothing decoded", []any{e.claims[0].on, e.BusMaster()}, []any{false, false})
	eq(t, "the bit reads 0", r.get(cardAt, exp+spec.ExpDeviceControl, 2)&spec.ExpInitiateFLR, 0)
	r.put(portAt, spec.BridgeControl, 2, spec.BridgeControlBusReset)
	r.put(portAt, spec.BridgeControl, 2, 0)
	eq(t, "secondary bus reset", f.resets, 2)
}

func TestRefusals(t *testing.T) {
	f := &toy{name: "bad"}
	for name, c := range map[string]Config{
		"odd size":         {BARs: [6]BAR{{Size: 0x1001}}},
		"too small":        {BARs: [6]BAR{{Size: 8}}},
		"too large":        {BARs: [6]BAR{{Size: 1 << 32}}},
		"large I/O":        {BARs: [6]BAR{{Size: 512, Kind: IO}}},
		"unknown kind":     {BARs: [6]BAR{{Size: 4096, Kind: 9}}},
		"64 bits in BAR 5": {BARs: [6]BAR{5: {Size: 4096, Kind: Mem64}}},
		"second half used": {BARs: [6]BAR{{Size: 4096, Kind: Mem64}, {Size: 4096}}},
		"MSI-X BAR used":   {Vectors: 1, BARs: [6]BAR{{Size: 4096}}},
		"MSI-X in a half":  {Vectors: 1, MSIXBAR: 1, BARs: [6]BAR{{Size: 4096, Kind: Mem64}}},
		"vectors":          {Vectors: 2049},
		"pin":              {Pin: 5},
		"class":            {Class: 1 << 24},
	} {
		if _, err := NewEndpoint(c, f); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewEndpoint(Config{Capabilities: []Capability{{ID: 9, Body: make([]byte, 200)}}}, f); err == nil {
		t.Error("a capability that does not fit")
	}
}
