package vbus

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// The errors of registration; every one comes wrapped with the names of the
// devices and the ranges.
var (
	ErrOverlap = errors.New("range already claimed")
	ErrRange   = errors.New("bad range")
	ErrNotIO   = errors.New("device has no such registers")
	ErrUnknown = errors.New("no such claim")
)

// Counters are what one device did, or what nobody answered. Monotonic since
// the bus was made; read by Snapshot while the machine runs.
type Counters struct {
	PortReads, PortWrites atomic.Uint64
	MMIOReads, MMIOWrites atomic.Uint64
	Refused               atomic.Uint64 // NoRegister and BadSize
}

// node is one plugged-in device.
type node struct {
	dev  Device
	pio  PortIO
	fast FastPortIO // nil: not able to
	mmio MMIO
	bell FastMMIO   // nil: not able to
	peek FastReader // nil: not able to
	n    Counters
}

// Bus holds the devices of one virtual machine. The zero value is not usable:
// call New.
type Bus struct {
	ports atomic.Pointer[portTable]
	mem   atomic.Pointer[memTable]
	lost  Counters // accesses that no claim covers

	mu    sync.Mutex // registration; guards nodes and the writers of the tables
	nodes []*node    // in order of Add
}

// New makes an empty bus.
func New() *Bus {
	b := &Bus{}
	b.ports.Store(&portTable{})
	b.mem.Store(&memTable{})
	return b
}

// Add plugs a device in, without registers. The order of Add is the order of
// Reset. Adding a device twice, or two devices of one name, is refused.
func (b *Bus) Add(d Device) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.add(d)
	return err
}

func (b *Bus) add(d Device) (*node, error) {
	for _, n := range b.nodes {
		if n.dev == d {
			return n, nil
		}
		if n.dev.Name() == d.Name() {
			return nil, fmt.Errorf("vbus: add %s: name already in use: %w", d.Name(), ErrOverlap)
		}
	}
	n := &node{dev: d}
	n.pio, _ = d.(PortIO)
	n.fast, _ = d.(FastPortIO)
	n.mmio, _ = d.(MMIO)
	n.bell, _ = d.(FastMMIO)
	n.peek, _ = d.(FastReader)
	b.nodes = append(b.nodes, n)
	return n, nil
}

// Remove unplugs a device and every claim it has. See doc.go on accesses in
// progress.
func (b *Bus) Remove(d Device) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, n := range b.nodes {
		if n.dev == d {
			b.ports.Store(b.ports.Load().without(n))
			b.mem.Store(b.mem.Load().without(n))
			b.nodes = append(b.nodes[:i:i], b.nodes[i+1:]...)
			return nil
		}
	}
	return fmt.Errorf("vbus: remove %s: %w", d.Name(), ErrUnknown)
}

// Reset resets every device in the order of Add. The caller has paused all
// virtual CPUs.
func (b *Bus) Reset() {
	for _, d := range b.Devices() {
		d.Reset()
	}
}

// Devices lists the devices in the order of Add.
func (b *Bus) Devices() []Device {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Device, len(b.nodes))
	for i, n := range b.nodes {
		list[i] = n.dev
	}
	return list
}

// Stat is one device's counters at one moment.
type Stat struct {
	Device                string
	PortReads, PortWrites uint64
	MMIOReads, MMIOWrites uint64
	Refused               uint64
}

func (c *Counters) stat(name string) Stat {
	return Stat{
		Device: name, Refused: c.Refused.Load(),
		PortReads: c.PortReads.Load(), PortWrites: c.PortWrites.Load(),
		MMIOReads: c.MMIOReads.Load(), MMIOWrites: c.MMIOWrites.Load(),
	}
}

// Snapshot gives the counters of every device in the order of Add; the last
// entry, named "unclaimed", counts what nobody answered.
func (b *Bus) Snapshot() []Stat {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := make([]Stat, 0, len(b.nodes)+1)
	for _, n := range b.nodes {
		s = append(s, n.n.stat(n.dev.Name()))
	}
	return append(s, b.lost.stat("unclaimed"))
}

func ones(data []byte) {
	for i := range data {
		data[i] = 0xFF
	}
}
