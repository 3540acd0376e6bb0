package pcie

import (
	"slices"
	"testing"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/vcpu/w1test"
)

// TestFastAddress: CONFIG_ADDRESS is written in the run loop, as a dword only, and
// names the same function as when ordinary Go writes it.
func TestFastAddress(t *testing.T) {
	r := newRig(t, 2)
	for _, c := range []struct {
		port  uint16
		size  uint8
		value uint32
		ok    bool
	}{
		{spec.ConfigAddressPort, 4, 0xffff_ffff, true}, {spec.ConfigAddressPort, 4, 0x8000_f800, true},
		{spec.ConfigAddressPort, 2, 0, false}, {spec.ConfigAddressPort, 1, 0, false},
		{spec.ConfigAddressPort + 1, 1, 0, false}, {spec.ConfigDataPort, 4, 0, false}, {spec.ConfigDataPort, 2, 0, false},
	} {
		before := r.root.address.Load()
		if ok := r.root.FastWritePort(c.port, c.size, c.value); ok != c.ok {
			t.Errorf("%+v: %v", c, ok)
		}
		want := before
		if c.ok {
			want = c.value & configAddressMask
		}
		if got := r.root.address.Load(); got != want {
			t.Errorf("%+v: address %#x, want %#x", c, got, want)
		}
	}
	var b [4]byte
	r.root.ReadPort(spec.ConfigDataPort, b[:])
	if le.Uint32(b[:]) != spec.IntelICH9LPC<<16|spec.IntelVendor {
		t.Errorf("1f.0 is % x", b)
	}
}

// greedy takes every write.
type greedy struct {
	toy
	took []int // BARs
}

func (g *greedy) FastWriteBAR(bar int, off uint64, size uint8, value uint64) bool {
	g.took = append(g.took, bar)
	return true
}

// TestFastBAR: a function gets the writes to its own BARs, the endpoint keeps those to
// the MSI-X table for ordinary Go, and a function without the method gets none.
func TestFastBAR(t *testing.T) {
	f := &greedy{}
	e, err := NewEndpoint(nic(), f)
	if err != nil {
		t.Fatal(err)
	}
	for bar, want := range map[int]bool{0: true, 1: false, 4: true} {
		if ok := e.FastWriteMMIO(bar, 0, 4, 1); ok != want {
			t.Errorf("BAR %d: %v", bar, ok)
		}
	}
	if slices.Sort(f.took); !slices.Equal(f.took, []int{0, 4}) {
		t.Errorf("the function got writes to BARs %v", f.took)
	}
	slow, err := NewEndpoint(nic(), &toy{})
	if err != nil {
		t.Fatal(err)
	}
	if slow.FastWriteMMIO(0, 0, 4, 1) || slow.FastWritePort(0, 4, 1) {
		t.Error("a write was taken in the run loop for a function that cannot")
	}
}

func TestFastAddressKeepsToW1(t *testing.T) {
	w1test.Fast(t, (*Root).FastWritePort, (*Endpoint).FastWritePort, (*Endpoint).FastWriteMMIO)
}
