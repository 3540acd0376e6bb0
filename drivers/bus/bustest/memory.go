package bustest

import (
	"encoding/binary"
	"fmt"
	"sync"

	"basalt/drivers/bus"
)

// Memory hands out DMA memory and is the device's way to reach it.
type Memory struct {
	mu      sync.Mutex
	regions []*region
	next    uint64
	live    int
	faults  int
}

type region struct {
	m    *Memory
	addr uint64
	b    []byte
	dead bool
}

var _ bus.DMA = (*region)(nil)

// Alloc is bus.Device.AllocDMA. Regions have a hole of one page between them, so
// that an overrun by the device is a fault.
func (m *Memory) Alloc(size int, low32 bool) (bus.DMA, error) {
	if size <= 0 {
		return nil, fmt.Errorf("bustest: DMA of %d bytes", size)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == 0 {
		m.next = 0x100000
	}
	size = (size + 4095) &^ 4095
	base := m.next
	if !low32 {
		base += 1 << 33 // drivers must carry all 64 bits
	}
	r := &region{m: m, addr: base, b: make([]byte, size)}
	m.next += uint64(size) + 4096
	m.regions = append(m.regions, r)
	m.live++
	return r, nil
}

// Live is the number of regions not freed: a closed driver leaves none.
func (m *Memory) Live() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

// Faults counts accesses by the device outside of live DMA memory.
func (m *Memory) Faults() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults
}

func (m *Memory) find(addr uint64, n int) []byte {
	for _, r := range m.regions {
		if !r.dead && addr >= r.addr && addr-r.addr <= uint64(len(r.b)) && uint64(n) <= uint64(len(r.b))-(addr-r.addr) {
			return r.b[addr-r.addr:][:n]
		}
	}
	m.faults++
	return nil
}

// Read is the device reading len(p) bytes at a bus address; false is a fault.
func (m *Memory) Read(addr uint64, p []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.find(addr, len(p))
	copy(p, b)
	return b != nil
}

// Write is the device writing p at a bus address; false is a fault.
func (m *Memory) Write(addr uint64, p []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.find(addr, len(p))
	copy(b, p)
	return b != nil
}

// Load16 is the device reading a ring index; zero on a fault.
func (m *Memory) Load16(addr uint64) uint16 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.find(addr, 2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// Store16 is the device writing a ring index.
func (m *Memory) Store16(addr uint64, v uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.find(addr, 2); b != nil {
		binary.LittleEndian.PutUint16(b, v)
	}
}

func (r *region) Bytes() []byte { return r.b }
func (r *region) Addr() uint64  { return r.addr }
func (r *region) Size() uintptr { return uintptr(len(r.b)) }

func (r *region) Free() {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.dead {
		panic("bustest: DMA memory freed twice")
	}
	r.dead = true
	r.m.live--
}

// at checks an access and holds the memory's lock; the caller unlocks.
func (r *region) at(off uintptr, n uintptr) []byte {
	r.m.mu.Lock()
	if r.dead || off%n != 0 || off > uintptr(len(r.b)) || n > uintptr(len(r.b))-off {
		r.m.mu.Unlock()
		panic(fmt.Sprintf("bustest: driver's access of %d bytes at %#x of %#x (freed: %v)", n, off, len(r.b), r.dead))
	}
	return r.b[off:][:n]
}

func (r *region) Read8(off uintptr) uint8 {
	b := r.at(off, 1)
	defer r.m.mu.Unlock()
	return b[0]
}

func (r *region) Read16(off uintptr) uint16 {
	b := r.at(off, 2)
	defer r.m.mu.Unlock()
	return binary.LittleEndian.Uint16(b)
}

func (r *region) Read32(off uintptr) uint32 {
	b := r.at(off, 4)
	defer r.m.mu.Unlock()
	return binary.LittleEndian.Uint32(b)
}

func (r *region) Read64(off uintptr) uint64 {
	b := r.at(off, 8)
	defer r.m.mu.Unlock()
	return binary.LittleEndian.Uint64(b)
}

func (r *region) Write8(off uintptr, v uint8) {
	b := r.at(off, 1)
	defer r.m.mu.Unlock()
	b[0] = v
}

func (r *region) Write16(off uintptr, v uint16) {
	b := r.at(off, 2)
	defer r.m.mu.Unlock()
	binary.LittleEndian.PutUint16(b, v)
}

func (r *region) Write32(off uintptr, v uint32) {
	b := r.at(off, 4)
	defer r.m.mu.Unlock()
	binary.LittleEndian.PutUint32(b, v)
}

func (r *region) Write64(off uintptr, v uint64) {
	b := r.at(off, 8)
	defer r.m.mu.Unlock()
	binary.LittleEndian.PutUint64(b, v)
}

// RAM gives n bytes that behave as registers without side effects, such as a
// configuration space. Setting bytes up before use goes through Bytes.
func RAM(n int) bus.DMA {
	m := new(Memory)
	r := &region{m: m, b: make([]byte, n)}
	m.regions = append(m.regions, r)
	return r
}
