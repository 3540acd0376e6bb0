package cpuhp

import (
	"encoding/binary"
	"sync"

	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vbus"
)

// Where the block is, and its flags.
const (
	Base   = 0x620
	FlagAt = Base + 4
	Size   = 5

	Present = 1 << 0
	Fresh   = 1 << 1
)

// Max is how many processors the block can tell of.
const Max = 64

// Block is the device. Safe for any goroutine.
type Block struct {
	mu      sync.Mutex
	sel     uint32
	present uint64 // a bit for each processor
	fresh   uint64
}

var (
	_ vbus.Device   = (*Block)(nil)
	_ vbus.PortIO   = (*Block)(nil)
	_ vbus.Stateful = (*Block)(nil)
)

// New makes a block with n processors, 1 to Max, that were there from the start.
func New(n int) *Block { return &Block{present: ^uint64(0) >> (Max - n)} }

// Plug claims the ports.
func (b *Block) Plug(bus *vbus.Bus) error {
	if err := bus.AddPortsSized(b, Base, 4, vbus.Size4); err != nil {
		return err
	}
	return bus.AddPortsSized(b, FlagAt, 1, vbus.Size1)
}

// Name implements vbus.Device.
func (b *Block) Name() string { return "cpuhp" }

// Reset implements vbus.Device: the tables of the next start name every processor that
// is there, so none is new.
func (b *Block) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sel, b.fresh = 0, 0
}

// Add says that processor n is there from now on. Any goroutine.
func (b *Block) Add(n int) {
	if n < 0 || n >= Max {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.present |= 1 << n
	b.fresh |= 1 << n
}

// Has says whether processor n is there. Any goroutine.
func (b *Block) Has(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return n >= 0 && n < Max && b.present>>n&1 != 0
}

// ReadPort implements vbus.PortIO.
func (b *Block) ReadPort(port uint16, data []byte) vbus.Access {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case port == Base && len(data) == 4:
		binary.LittleEndian.PutUint32(data, b.sel)
	case port == FlagAt && len(data) == 1:
		data[0] = 0
		if n := b.sel; n < Max {
			data[0] = byte(b.present>>n&1)*Present | byte(b.fresh>>n&1)*Fresh
		}
	default:
		return vbus.BadSize
	}
	return vbus.OK
}

// WritePort implements vbus.PortIO.
func (b *Block) WritePort(port uint16, data []byte) vbus.Access {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case port == Base && len(data) == 4:
		b.sel = binary.LittleEndian.Uint32(data)
	case port == FlagAt && len(data) == 1:
		if data[0]&Fresh != 0 && b.sel < Max {
			b.fresh &^= 1 << b.sel
		}
	default:
		return vbus.BadSize
	}
	return vbus.OK
}

const stateVersion = 1

// SaveState writes the block.
func (b *Block) SaveState() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U32(b.sel)
	e.U64(b.present)
	e.U64(b.fresh)
	return e.Bytes(), nil
}

// LoadState replaces it, or changes nothing and says why. Which processors are there
// is the configuration's to say: the state has to agree.
func (b *Block) LoadState(p []byte) error {
	d := checkpoint.NewDecoder(p, stateVersion)
	sel, present, fresh := d.U32(), d.U64(), d.U64()
	b.mu.Lock()
	defer b.mu.Unlock()
	d.Check(present == b.present, "processors")
	d.Check(fresh&^present == 0, "new processors")
	if err := d.Done("cpuhp"); err != nil {
		return err
	}
	b.sel, b.fresh = sel, fresh
	return nil
}
