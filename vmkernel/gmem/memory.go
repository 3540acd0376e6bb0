package gmem

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// FrameSize is the size of a frame in bytes.
const FrameSize = 2 << 20

const pageSize = 4096

var (
	// ErrNotMemory says that a range is not, or not wholly, guest memory.
	ErrNotMemory = errors.New("not guest memory")
	// ErrPinned says that windows are still in use.
	ErrPinned = errors.New("windows are still pinned")
)

// Frames gives and takes host memory. The frames are outside the Go heap, 2 MiB
// in size and alignment. Bytes is the view of a frame for the processor, valid
// until Free2M. Safe for several goroutines.
type Frames interface {
	// Alloc2M gives a frame that reads as zeros.
	Alloc2M() (hpa uint64, ok bool)
	Free2M(hpa uint64)
	Bytes(hpa uint64, n int) []byte
}

// Range is [Start, Start+Size) of guest-physical memory, in bytes.
type Range struct{ Start, Size uint64 }

// End is the first address after the range.
func (r Range) End() uint64 { return r.Start + r.Size }

// Mapping is a piece of guest memory that is contiguous in the host too.
type Mapping struct{ GPA, HPA, Size uint64 }

// Config describes a machine's memory.
type Config struct {
	Frames Frames
	Budget *Budget // nil: no limit
	// Regions are whole frames (2 MiB aligned), in ascending order.
	Regions []Range
	// Holes are whole pages inside Regions that are not memory (the VGA window).
	Holes []Range
}

type frame struct {
	hpa   atomic.Uint64 // 0: absent; stored after bytes
	users atomic.Int32  // accesses in progress; see enter
	pins  atomic.Int32  // windows
	bytes []byte
}

type region struct {
	Range
	frames []frame
}

// Memory is the memory of one virtual machine.
type Memory struct {
	src     Frames
	budget  *Budget
	size    uint64
	regions []region
	holes   []Range
	above   uint64 // the end of the last hole

	mu      sync.Mutex // allocation of frames, Close
	closed  bool
	present atomic.Int64
	pins    atomic.Int64
	dirty   atomic.Pointer[dirtyMap] // nil: nobody tracks
}

// New reserves the memory; it takes no frames. It fails with ErrNoMemory, or
// with a plain error for a malformed configuration.
func New(c Config) (*Memory, error) {
	m := &Memory{src: c.Frames, budget: c.Budget, holes: slices.Clone(c.Holes)}
	for _, h := range m.holes {
		m.above = max(m.above, h.End())
	}
	last := uint64(0)
	for _, r := range c.Regions {
		if r.Start%FrameSize != 0 || r.Size%FrameSize != 0 || r.Size == 0 || r.End() < r.Start || r.Start < last {
			return nil, fmt.Errorf("gmem: bad region %#x size %#x", r.Start, r.Size)
		}
		last = r.End()
		m.size += r.Size
	}
	for _, h := range c.Holes {
		if h.Start%pageSize != 0 || h.Size%pageSize != 0 || h.End() < h.Start {
			return nil, fmt.Errorf("gmem: bad hole %#x size %#x", h.Start, h.Size)
		}
	}
	if m.budget != nil {
		if err := m.budget.Reserve(m.size); err != nil {
			return nil, err
		}
	}
	for _, r := range c.Regions {
		m.regions = append(m.regions, region{Range: r, frames: make([]frame, r.Size/FrameSize)})
	}
	return m, nil
}

// Size is the reserved memory in bytes, Resident what is backed by frames now.
func (m *Memory) Size() uint64 { return m.size }

// Resident is the memory that is backed by frames, in bytes.
func (m *Memory) Resident() uint64 { return uint64(m.present.Load()) * FrameSize }

// Regions are the ranges of memory, without the holes taken out.
func (m *Memory) Regions() []Range {
	out := make([]Range, len(m.regions))
	for i := range m.regions {
		out[i] = m.regions[i].Range
	}
	return out
}

// Contains says whether [gpa, gpa+n) is all memory. n may be 0.
func (m *Memory) Contains(gpa, n uint64) bool {
	end := gpa + n
	if end < gpa {
		return false
	}
	if m.inHole(gpa, n) {
		return false
	}
	for i := range m.regions {
		r := &m.regions[i]
		if gpa >= r.Start && gpa < r.End() {
			if end <= r.End() {
				return true
			}
			gpa = r.End() // goes on in the next region, if that touches
		}
	}
	return gpa == end
}

// lookup finds the frame of gpa; it does not look at holes.
func (m *Memory) lookup(gpa uint64) *frame {
	for i := range m.regions {
		r := &m.regions[i]
		if off := gpa - r.Start; gpa >= r.Start && off < r.Size {
			return &r.frames[off/FrameSize]
		}
	}
	return nil
}

func (m *Memory) inHole(gpa, n uint64) bool { return gpa < m.above && m.meetsHole(gpa, n) }

func (m *Memory) meetsHole(gpa, n uint64) bool {
	for i := range m.holes {
		if h := &m.holes[i]; gpa < h.End() && gpa+n > h.Start {
			return true
		}
	}
	return false
}

// back makes the frame present.
func (m *Memory) back(f *frame) error {
	if f.hpa.Load() != 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.hpa.Load() != 0 {
		return nil
	}
	if m.closed {
		return ErrNotMemory
	}
	hpa, ok := m.src.Alloc2M()
	if !ok {
		return fmt.Errorf("gmem: a frame: %w", ErrNoMemory)
	}
	f.bytes = m.src.Bytes(hpa, FrameSize)
	m.present.Add(1)
	f.hpa.Store(hpa)
	return nil
}

// Touch makes the frame of gpa present and appends to out the pieces of it
// that are memory, for the nested table. ErrNotMemory when gpa is in a hole.
func (m *Memory) Touch(gpa uint64, out []Mapping) ([]Mapping, error) {
	f := m.lookup(gpa)
	if f == nil || m.inHole(gpa, 1) {
		return out, ErrNotMemory
	}
	if err := m.back(f); err != nil {
		return out, err
	}
	base := gpa &^ (FrameSize - 1)
	hpa := f.hpa.Load()
	for at := base; at < base+FrameSize; {
		end := base + FrameSize
		skip := uint64(0)
		for i := range m.holes {
			h := &m.holes[i]
			if h.Start <= at && at < h.End() {
				skip = h.End()
			} else if h.Start > at && h.Start < end {
				end = h.Start
			}
		}
		if skip != 0 {
			at = skip
			continue
		}
		out = append(out, Mapping{GPA: at, HPA: hpa + (at - base), Size: end - at})
		at = end
	}
	return out, nil
}

// Clear makes the memory read as zeros again (a reset). No frame is given back.
// The caller has stopped the guest.
func (m *Memory) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.regions {
		for j := range m.regions[i].frames {
			if f := &m.regions[i].frames[j]; f.hpa.Load() != 0 {
				clear(f.bytes)
				m.mark(m.regions[i].Start+uint64(j)*FrameSize, FrameSize)
			}
		}
	}
}

// Close gives every frame back and releases the budget. The caller
// has stopped the guest and its devices: with windows still pinned nothing
// happens and the error is ErrPinned.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	if n := m.pins.Load(); n != 0 {
		return fmt.Errorf("gmem: %d: %w", n, ErrPinned)
	}
	m.closed = true
	m.dirty.Store(nil)
	for i := range m.regions {
		for j := range m.regions[i].frames {
			f := &m.regions[i].frames[j]
			hpa := f.hpa.Swap(0)
			if hpa == 0 {
				continue
			}
			f.bytes = nil
			m.src.Free2M(hpa)
		}
	}
	m.present.Store(0)
	if m.budget != nil {
		m.budget.Release(m.size)
	}
	return nil
}
