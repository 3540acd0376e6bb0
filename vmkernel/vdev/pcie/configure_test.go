package pcie

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	spec "basalt/drivers/spec/pci"
)

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		low, high uint64
		bits      uint8
		want      Window
		ok        bool
	}{
		{1 << 30, 0, 36, Window{48 << 30, 16 << 30}, true},
		{3 << 30, 8 << 30, 39, Window{384 << 30, 128 << 30}, true},
		{3 << 30, 8 << 30, 46, Window{768 << 30, 256 << 30}, true},
		{3 << 30, 900 << 30, 46, Window{1536 << 30, 512 << 30}, true},
		{3 << 30, 900 << 30, 40, Window{}, true},
		{3 << 30, 0, 32, Window{}, true},
		{3<<30 + 1, 0, 40, Window{}, false},
	} {
		w, err := Layout(c.low, c.high, c.bits)
		if (err == nil) != c.ok || w.High != c.want || c.ok && w.check() != nil {
			t.Errorf("%+v: %+v, %v", c, w, err)
		}
	}
	for _, w := range []Windows{
		{Low: []Window{{0x8000_0000, 0x1000}}}, {Low: []Window{{0xd000_0000, 0x2000_0000}}}, {Low: []Window{{0xf000_0000, 0x1000_0000}}},
		{Low: []Window{{0xc000_0000, 0}}}, {High: Window{1 << 31, 1 << 40}}, {High: Window{1 << 51, 1 << 52}},
	} {
		if w.check() == nil {
			t.Errorf("%+v was taken", w)
		}
	}
}

// spread lists what every claim of the machine covers.
func (r *rig) spread() (list []string, ranges [][2]uint64) {
	for e := range r.root.endpoints() {
		for i, c := range e.claims {
			if c.on {
				list = append(list, fmt.Sprintf("%s/%d %#x", e.Name(), i, c.base))
				if e.cfg.BARs[i].Kind != IO {
					ranges = append(ranges, [2]uint64{c.base, c.base + e.cfg.BARs[i].Size - 1})
				}
			}
		}
	}
	return list, ranges
}

// TestConfigureFullMachine: every place taken, everything decoded, nothing
// overlaps, the same each time and after a reset.
func TestConfigureFullMachine(t *testing.T) {
	r := newRig(t, MaxSlots)
	want := 0
	for i := range MaxSlots + MaxFixed {
		c := Config{Vectors: 2 + i%60, BARs: [6]BAR{2: {Size: 0x4000}, 4: {Size: 0x10_0000 << (i % 5), Kind: Mem64, Prefetch: true}}}
		if i%20 == 0 {
			c.BARs[1] = BAR{Size: 0x40, Kind: IO}
			want++
		}
		if i == 7 {
			c.BARs[2].Size = 64 << 20
		}
		if i == 19 { // fits only when the largest comes first
			c.BARs[1], c.BARs[3] = BAR{Size: 2 << 20}, BAR{Size: 0x1000}
			want += 2
		}
		want += 3
		e, _ := r.endpoint(fmt.Sprint("d", i), c)
		var err error
		if i < MaxFixed {
			_, err = r.root.PlugFixed(e)
		} else {
			_, err = r.root.Plug(e)
		}
		must(t, err)
	}
	must(t, r.root.Configure())
	first, ranges := r.spread()
	eq(t, "BARs decoded", len(first), want)
	slices.SortFunc(ranges, func(a, b [2]uint64) int { return int(int64(a[0]>>12) - int64(b[0]>>12)) })
	for i := range len(ranges) - 1 {
		if ranges[i][1] >= ranges[i+1][0] {
			t.Fatalf("%#x meets %#x", ranges[i], ranges[i+1])
		}
	}
	must(t, r.root.Configure())
	again, _ := r.spread()
	eq(t, "the same again", again, first)
	r.bus.Reset()
	none, _ := r.spread()
	eq(t, "nothing decoded after reset", len(none), 0)
	must(t, r.root.Configure())
	again, _ = r.spread()
	eq(t, "the same after reset", again, first)
}

func TestConfigureSpare(t *testing.T) {
	r := newRig(t, MaxSlots)
	must(t, r.root.Configure())
	at := slotAddress(MaxSlots - 1)
	m := r.get(at, spec.MemoryBase, 4)
	eq(t, "2 MiB for a card to come", (m>>16&0xfff0)<<16|0xfffff-(m&0xfff0)<<16, (m&0xfff0)<<16+0x1fffff-(m&0xfff0)<<16)
	eq(t, "bus number", r.get(at, spec.SecondaryBus, 2), uint64(MaxSlots)<<8|MaxSlots)
	eq(t, "I/O window closed", r.get(at, spec.IOBase, 2), 0x00f0)
	eq(t, "prefetchable window above 4 GiB", r.get(at, spec.PrefetchBaseUpper, 4) != 0, true)
}

func TestConfigureNoRoom(t *testing.T) {
	r := newRigWith(t, 2, Windows{Low: []Window{{lowStart, 64 << 20}}})
	e, _ := r.endpoint("huge", Config{BARs: [6]BAR{{Size: 1 << 30}, {Size: 0x1000}}})
	_, err := r.root.Plug(e)
	must(t, err)
	g, _ := r.endpoint("far", Config{BARs: [6]BAR{{Size: 1 << 20, Kind: Mem64, Prefetch: true}}})
	_, err = r.root.Plug(g)
	must(t, err)
	err = r.root.Configure()
	if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "BAR 0 of huge (0x40000000 bytes)") {
		t.Error(err)
	}
	eq(t, "without a high window, the low one", g.claims[0].on, true)
	eq(t, "the huge one is not decoded", e.claims[0].on, false)
}
