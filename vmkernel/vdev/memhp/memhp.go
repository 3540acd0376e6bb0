package memhp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vbus"
)

// Where the block is, its registers and its flags.
const (
	Base = 0xA00
	Size = 24

	statusAt = 0x08
	flagsAt  = 0x14

	Present = 1 << 0
	Fresh   = 1 << 1
)

// Slots is how many memory devices a machine can have.
const Slots = 32

// ErrFull says that no slot is left.
var ErrFull = errors.New("no slot for memory is left")

// Device is one memory device: guest-physical memory in bytes, and its proximity domain.
type Device struct {
	Base, Size uint64
	Node       uint32
}

// Config is what the block needs.
type Config struct {
	// Devices were there from the start.
	Devices []Device
	// Took hears what the guest said first about device slot after Add: 0 is success
	// (ACPI 6.5, 6.3.5.2). It is called by a processor of the guest. nil: nobody does.
	Took func(slot int, d Device, status uint32)
}

type slot struct {
	Device
	fresh, told bool
}

// Block is the device. Safe for any goroutine.
type Block struct {
	took  func(int, Device, uint32)
	mu    sync.Mutex
	sel   uint32
	slots []slot
}

var (
	_ vbus.Device   = (*Block)(nil)
	_ vbus.PortIO   = (*Block)(nil)
	_ vbus.Stateful = (*Block)(nil)
)

// New makes a block. Errors: ErrFull.
func New(c Config) (*Block, error) {
	if len(c.Devices) > Slots {
		return nil, fmt.Errorf("memhp: %d memory devices: %w", len(c.Devices), ErrFull)
	}
	b := &Block{took: c.Took}
	for _, d := range c.Devices {
		b.slots = append(b.slots, slot{Device: d, told: true})
	}
	return b, nil
}

// Plug claims the ports.
func (b *Block) Plug(bus *vbus.Bus) error {
	return bus.AddPorts(b, Base, Size)
}

// Name implements vbus.Device.
func (b *Block) Name() string { return "memhp" }

// Reset implements vbus.Device: the memory map of the next start has all memory, so none
// of it is new.
func (b *Block) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sel = 0
	for i := range b.slots {
		b.slots[i].fresh, b.slots[i].told = false, true
	}
}

// Add puts a device, which is there already, into the next slot. Errors: ErrFull.
func (b *Block) Add(d Device) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.slots) == Slots {
		return fmt.Errorf("memhp: a machine has %d: %w", Slots, ErrFull)
	}
	b.slots = append(b.slots, slot{Device: d, fresh: true})
	return nil
}

// Devices are those that are there.
func (b *Block) Devices() []Device {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Device, len(b.slots))
	for i, s := range b.slots {
		out[i] = s.Device
	}
	return out
}

// selected is the slot that the guest selected; nil if nothing is in it. mu is held.
func (b *Block) selected() *slot {
	if b.sel < uint32(len(b.slots)) {
		return &b.slots[b.sel]
	}
	return nil
}

// ReadPort implements vbus.PortIO.
func (b *Block) ReadPort(port uint16, data []byte) vbus.Access {
	var regs [Size]byte
	b.mu.Lock()
	if s := b.selected(); s != nil {
		binary.LittleEndian.PutUint64(regs[0:], s.Base)
		binary.LittleEndian.PutUint64(regs[8:], s.Size)
		binary.LittleEndian.PutUint32(regs[16:], s.Node)
		regs[flagsAt] = Present
		if s.fresh {
			regs[flagsAt] |= Fresh
		}
	}
	b.mu.Unlock()
	if port < Base || int(port-Base)+len(data) > Size {
		return vbus.BadSize
	}
	copy(data, regs[port-Base:])
	return vbus.OK
}

// WritePort implements vbus.PortIO.
func (b *Block) WritePort(port uint16, data []byte) vbus.Access {
	if port < Base || int(port-Base)+len(data) > Size {
		return vbus.BadSize
	}
	tell := func() {}
	b.mu.Lock()
	s := b.selected()
	switch {
	case port == Base && len(data) == 4:
		b.sel = binary.LittleEndian.Uint32(data)
	case s == nil:
	case port == Base+statusAt && len(data) == 4 && !s.told:
		s.told = true
		if b.took != nil {
			n, d, status := int(b.sel), s.Device, binary.LittleEndian.Uint32(data)
			tell = func() { b.took(n, d, status) }
		}
	case port == Base+flagsAt && len(data) == 1 && data[0]&Fresh != 0:
		s.fresh = false
	}
	b.mu.Unlock()
	tell()
	return vbus.OK
}

const stateVersion = 1

// SaveState writes the block.
func (b *Block) SaveState() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U32(b.sel)
	e.U32(uint32(len(b.slots)))
	for _, s := range b.slots {
		e.U64(s.Base)
		e.U64(s.Size)
		e.U32(s.Node)
		e.Bool(s.fresh)
		e.Bool(s.told)
	}
	return e.Bytes(), nil
}

// LoadState replaces it, or changes nothing and says why. Which devices are there is the
// configuration's to say: the state has to agree.
func (b *Block) LoadState(p []byte) error {
	d := checkpoint.NewDecoder(p, stateVersion)
	sel, n := d.U32(), d.U32()
	b.mu.Lock()
	defer b.mu.Unlock()
	d.Check(n == uint32(len(b.slots)), "number of memory devices")
	slots := make([]slot, len(b.slots))
	for i := range slots {
		slots[i] = slot{Device: Device{Base: d.U64(), Size: d.U64(), Node: d.U32()}, fresh: d.Bool(), told: d.Bool()}
		d.Check(slots[i].Device == b.slots[i].Device, "memory device")
	}
	if err := d.Done("memhp"); err != nil {
		return err
	}
	b.sel, b.slots = sel, slots
	return nil
}
