package pcie

import (
	"fmt"
	"sync"
	"testing"

	spec "basalt/drivers/spec/pci"
	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vbus"
)

// toy is a function that answers with bar number and offset.
type toy struct {
	name   string
	mu     sync.Mutex
	log    []string
	resets int
	state  uint32
}

func (d *toy) Name() string { return d.name }
func (d *toy) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resets++
}
func (d *toy) ReadBAR(bar int, off uint64, data []byte) vbus.Access {
	for i := range data {
		data[i] = byte(bar)<<4 + byte(off) + byte(i)
	}
	return vbus.OK
}
func (d *toy) WriteBAR(bar int, off uint64, data []byte) vbus.Access {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.log) < 100 {
		d.log = append(d.log, fmt.Sprintf("%d:%x=%x", bar, off, data))
	}
	return vbus.OK
}
func (d *toy) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(1)
	e.U32(d.state)
	return e.Bytes(), nil
}
func (d *toy) LoadState(b []byte) error {
	c := checkpoint.NewDecoder(b, 1)
	v := c.U32()
	if err := c.Done(d.name); err != nil {
		return err
	}
	d.state = v
	return nil
}

type sink struct {
	mu  sync.Mutex
	log []string
	n   int
}

func (s *sink) Signal(addr uint64, data uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if len(s.log) < 100 {
		s.log = append(s.log, fmt.Sprintf("%x/%x", addr, data))
	}
	return true
}

func (s *sink) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.log
	s.log = nil
	return l
}

type pin struct {
	mu sync.Mutex
	up bool
}

func (p *pin) Set(high bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = high
}

// rig is a machine of vbus, root complex, and pins.
type rig struct {
	t    testing.TB
	bus  *vbus.Bus
	root *Root
	sink sink
	pins [NumGSIs]pin
}

func newRig(t testing.TB, slots int) *rig {
	t.Helper()
	w, err := Layout(1<<30, 5<<30, 40)
	if err != nil {
		t.Fatal(err)
	}
	return newRigWith(t, slots, w)
}

func newRigWith(t testing.TB, slots int, w Windows) *rig {
	t.Helper()
	r := &rig{t: t, bus: vbus.New()}
	var err error
	r.root, err = New(RootConfig{Bus: r.bus, Sink: &r.sink, Slots: slots, Windows: w,
		Line: func(gsi int) vbus.Line { return &r.pins[gsi-FirstGSI] }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// nic is a typical function.
func nic() Config {
	return Config{Vendor: 0x1af4, Device: 0x1041, SubVendor: 0x1af4, SubDevice: 0x1100, Revision: 1, Class: 0x020000, Pin: 1,
		Vectors: 3, MSIXBAR: 1, BARs: [6]BAR{0: {Size: 0x1000}, 2: {Size: 0x20, Kind: IO}, 4: {Size: 0x4000, Kind: Mem64, Prefetch: true}},
		Capabilities: []Capability{{ID: spec.CapVendor, Body: []byte{16, 1, 0, 0, 0, 0}}}}
}

func (r *rig) endpoint(name string, c Config) (*Endpoint, *toy) {
	r.t.Helper()
	f := &toy{name: name}
	e, err := NewEndpoint(c, f)
	if err != nil {
		r.t.Fatal(err)
	}
	return e, f
}

// plugged is a machine with one nic in slot 0, configured.
func plugged(t testing.TB, slots int, c Config) (*rig, *Endpoint, *toy) {
	t.Helper()
	r := newRig(t, slots)
	e, f := r.endpoint("nic", c)
	if _, err := r.root.Plug(e); err != nil {
		t.Fatal(err)
	}
	if err := r.root.Configure(); err != nil {
		t.Fatal(err)
	}
	return r, e, f
}

func ecam(a Address, off int) uint64 {
	return ECAMBase + uint64(a.Bus)<<20 + uint64(a.devfn())<<12 + uint64(off)
}

func (r *rig) get(a Address, off, n int) uint64 {
	var b [8]byte
	r.bus.ReadMMIO(ecam(a, off), b[:n])
	return le.Uint64(b[:])
}

func (r *rig) put(a Address, off, n int, v uint64) {
	var b [8]byte
	le.PutUint64(b[:], v)
	r.bus.WriteMMIO(ecam(a, off), b[:n])
}

func (r *rig) mem(gpa uint64, n int) (uint64, vbus.Access) {
	var b [8]byte
	a := r.bus.ReadMMIO(gpa, b[:n])
	return le.Uint64(b[:]), a
}

func (r *rig) poke(gpa uint64, n int, v uint64) {
	var b [8]byte
	le.PutUint64(b[:], v)
	r.bus.WriteMMIO(gpa, b[:n])
}

func (r *rig) low(gsi int) bool {
	p := &r.pins[gsi-FirstGSI]
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.up
}

// cap finds a capability as a guest does.
func (r *rig) cap(a Address, id uint8) int {
	r.t.Helper()
	for at := r.get(a, spec.CapabilitiesPtr, 1); at != 0; at = r.get(a, int(at)+1, 1) {
		if uint8(r.get(a, int(at), 1)) == id {
			return int(at)
		}
	}
	r.t.Fatalf("%v has no capability %#x", a, id)
	return 0
}

func eq(t testing.TB, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
