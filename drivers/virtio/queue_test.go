package virtio

import (
	"encoding/binary"
	"errors"
	"testing"

	"basalt/drivers/bus"
	"basalt/drivers/bus/bustest"
	"basalt/drivers/pci"
	pcispec "basalt/drivers/spec/pci"
	spec "basalt/drivers/spec/virtio"
)

// bench is a queue without a device: the test plays the device in the memory.
type bench struct {
	*Queue
	notified bus.DMA
	mem      *bustest.Memory
	popped   uint16 // device's position in the available ring
	used     uint16
}

// newBench makes a queue over registers that only hold what is written, so the
// driver's idea of the device is whatever the test put there.
func newBench(t testing.TB, size uint16, events bool) *bench {
	common, notify, mem := bustest.RAM(64), bustest.RAM(4), new(bustest.Memory)
	common.Write16(spec.NumQueues, 1)
	common.Write16(spec.QueueSize, size)
	tr := &Transport{dev: &bustest.Device{Addr: "bench", Mem: mem}, common: common, notify: notify}
	if events {
		tr.features = 1 << spec.FRingEventIdx
	}
	q, err := tr.NewQueue(0, 256, spec.NoVector)
	if err != nil {
		t.Fatal(err)
	}
	notify.Write16(0, 0xffff)
	return &bench{Queue: q, notified: notify, mem: mem}
}

// pop is the device taking an available head and reading its chain.
func (b *bench) pop(t *testing.T) (head uint16, segs []Segment) {
	t.Helper()
	if b.popped == b.Queue.mem.Read16(b.avail+spec.AvailIdx) {
		t.Fatal("nothing available")
	}
	head = b.Queue.mem.Read16(b.avail + spec.AvailRing + 2*uintptr(b.popped%b.size))
	b.popped++
	for at, more := head, true; more; {
		d := b.Queue.mem.Bytes()[int(at)*spec.DescSize:]
		flags := binary.LittleEndian.Uint16(d[spec.DescFlags:])
		segs = append(segs, Segment{binary.LittleEndian.Uint64(d), binary.LittleEndian.Uint32(d[spec.DescLen:]), flags&spec.DescFWrite != 0})
		at, more = binary.LittleEndian.Uint16(d[spec.DescNext:]), flags&spec.DescFNext != 0
	}
	return head, segs
}

// push is the device returning a chain.
func (b *bench) push(id, written uint32) {
	e := b.Queue.used + spec.UsedRing + spec.UsedElemSize*uintptr(b.used%b.size)
	b.Queue.mem.Write32(e, id)
	b.Queue.mem.Write32(e+4, written)
	b.used++
	b.Queue.mem.Write16(b.Queue.used+spec.UsedIdx, b.used)
}

func (b *bench) kicked() bool {
	k := b.notified.Read16(0) != 0xffff
	b.notified.Write16(0, 0xffff)
	return k
}

// TestChains runs chains of 1 to 3 segments around the ring until the 16-bit
// indices wrap, returned out of order.
func TestChains(t *testing.T) {
	b := newBench(t, 16, false)
	for round := range 30000 {
		var heads []uint16
		for n := 1; n <= 3; n++ {
			segs := []Segment{{uint64(round), 10, false}, {uint64(n) << 33, 20, true}, {3, 30, true}}[:n]
			h, ok := b.Add(segs)
			if !ok {
				t.Fatalf("round %d: no room", round)
			}
			heads = append(heads, h)
		}
		b.Publish()
		if !b.kicked() {
			t.Fatal("no notification")
		}
		for n := 1; n <= 3; n++ {
			h, segs := b.pop(t)
			if h != heads[n-1] || len(segs) != n || segs[0].Addr != uint64(round) || n > 1 && (segs[1] != Segment{uint64(n) << 33, 20, true}) {
				t.Fatalf("round %d: chain %d is %d %v", round, n, h, segs)
			}
		}
		for _, n := range []int{2, 0, 1} {
			b.push(uint32(heads[n]), uint32(n*10))
			h, written, ok, err := b.Take()
			if err != nil || !ok || h != heads[n] || written != uint32(n*10) {
				t.Fatalf("round %d: Take %d %d %v %v", round, h, written, ok, err)
			}
		}
		if b.Room() != 16 {
			t.Fatalf("round %d: %d descriptors lost", round, 16-b.Room())
		}
	}
}

func TestRoom(t *testing.T) {
	b := newBench(t, 4, false)
	segs := make([]Segment, 5)
	if _, ok := b.Add(nil); ok {
		t.Error("empty chain")
	}
	if _, ok := b.Add(segs); ok {
		t.Error("chain longer than the ring")
	}
	if _, ok := b.Add(segs[:3]); !ok {
		t.Error("three of four")
	}
	if _, ok := b.Add(segs[:2]); ok {
		t.Error("two of one")
	}
}

// TestEventIndex is section 2.7.10: the driver notifies only when the device's
// event lies among what was just published.
func TestEventIndex(t *testing.T) {
	b := newBench(t, 8, true)
	event := b.Queue.used + spec.UsedRing + spec.UsedElemSize*8
	for _, c := range []struct {
		at   uint16 // avail_event
		n    int    // chains published at once
		want bool
	}{{0, 1, true}, {0, 1, false}, {2, 1, true}, {6, 2, false}, {6, 2, true}} {
		b.Queue.mem.Write16(event, c.at)
		for range c.n {
			b.Add([]Segment{{1, 1, false}})
		}
		b.Publish()
		if got := b.kicked(); got != c.want {
			t.Errorf("event %d, index %d: notified %v", c.at, b.availIdx, got)
		}
	}
	b.Publish()
	if b.kicked() {
		t.Error("notified for nothing")
	}
	if b.Arm() {
		t.Error("pending")
	}
	if got := b.Queue.mem.Read16(b.avail + spec.AvailRing + 2*8); got != 0 {
		t.Errorf("used_event %d", got)
	}
	b.push(0, 0)
	if !b.Arm() {
		t.Error("not pending")
	}
}

func TestLies(t *testing.T) {
	for _, c := range []struct {
		name        string
		id, written uint32
		jump        uint16
	}{
		{"out of range", 16, 0, 0}, {"16 bits cut off", 0x10000, 0, 0}, {"not a head", 1, 0, 0},
		{"not outstanding", 7, 0, 0}, {"too long", 0, 21, 0}, {"jump", 0, 0, 1}, {"back", 0, 0, 0xfffe},
	} {
		b := newBench(t, 16, false)
		b.Add([]Segment{{1, 10, false}, {2, 20, true}})
		b.Publish()
		b.used += c.jump
		b.push(c.id, c.written)
		if _, _, _, err := b.Take(); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// The same chain twice.
	b := newBench(t, 16, false)
	b.Add([]Segment{{1, 10, true}})
	b.Add([]Segment{{1, 10, true}})
	b.Publish()
	b.push(0, 1)
	b.push(0, 1)
	if _, _, ok, err := b.Take(); !ok || err != nil {
		t.Error(err)
	}
	if _, _, _, err := b.Take(); !errors.Is(err, ErrBroken) {
		t.Errorf("twice: %v", err)
	}
}

// FuzzQueue lets the device write anything into the ring's memory between the
// driver's steps. Whatever is taken must have been outstanding.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint16(300))
	f.Add([]byte("used index 65535"), uint16(140))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		q := newBench(t, 8, at&1 != 0)
		out := map[uint16]bool{}
		mem := q.Queue.mem.Bytes()
		for i := 0; i < len(b); i += 8 {
			for len(out) < 8 {
				h, ok := q.Add([]Segment{{1, 100, true}})
				if !ok {
					break
				}
				if out[h] {
					t.Fatalf("head %d handed out twice", h)
				}
				out[h] = true
			}
			q.Publish()
			copy(mem[(int(at)*4+i*3)%len(mem):], b[i:min(i+8, len(b))])
			q.Arm()
			for {
				h, n, ok, err := q.Take()
				if err != nil {
					return
				}
				if !ok {
					break
				}
				if !out[h] || n > 100 {
					t.Fatalf("took %d with %d bytes", h, n)
				}
				delete(out, h)
			}
		}
	})
}

// FuzzOpen gives the driver a configuration space and a BAR full of anything.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{}, []byte{})
	cfg := make([]byte, 256)
	cfg[pcispec.Status], cfg[pcispec.CapabilitiesPtr] = pcispec.StatusCapabilities, 0x40
	for i, kind := range []byte{spec.CapCommonCfg, spec.CapNotifyCfg, spec.CapISRCfg, spec.CapDeviceCfg} {
		at := 0x40 + i*0x20
		copy(cfg[at:], []byte{pcispec.CapVendor, byte(at + 0x20), 20, kind, 0, 0, 0, 0, byte(i * 0x40), 0, 0, 0, 0x40, 0, 0, 0, 2, 0, 0, 0})
	}
	f.Add(cfg, make([]byte, 256))
	f.Fuzz(func(t *testing.T, cfg, bar []byte) {
		c, r := bustest.RAM(256), bustest.RAM(256)
		copy(c.Bytes(), cfg)
		copy(r.Bytes(), bar)
		d := &bustest.Device{Addr: "fuzz", ConfigRegs: c, Mem: new(bustest.Memory), BARs: map[int]bus.Registers{0: r}}
		n := 0
		for range pci.Capabilities(c) {
			n++
		}
		if n > pcispec.MaxCapabilities {
			t.Fatalf("%d capabilities", n)
		}
		// The registers only hold what is written, so a reset that is read back
		// as zero succeeds at once; one that does not would wait in real time.
		tr, err := Open(d)
		if err != nil {
			return
		}
		if tr.Negotiate(spec.FRingEventIdx) != nil {
			return
		}
		if q, err := tr.NewQueue(0, 64, spec.NoVector); err == nil {
			q.Free()
		}
	})
}
