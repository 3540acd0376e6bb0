package gmem

import (
	"errors"
	"fmt"
	"runtime"
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

// Runs is what a Frames can be besides: one that has aligned runs of RunSize, so that the
// nested table can map them with one entry.
type Runs interface {
	// FreeRun gives the address of a run all of which is free. Nobody is kept from taking
	// frames of it.
	FreeRun() (hpa uint64, ok bool)
	// Alloc2MAt gives the frame at hpa, which reads as zeros, if it is free.
	Alloc2MAt(hpa uint64) bool
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
	runs   []run // by RunSize, from the first that begins in the region
}

// Memory is the memory of one virtual machine.
type Memory struct {
	src     Frames
	huge    Runs // nil: src is none
	budget  *Budget
	size    atomic.Uint64
	regions atomic.Pointer[[]region] // replaced by Grow, never changed
	holes   []Range
	above   uint64 // the end of the last hole

	mu      sync.Mutex // allocation of frames, Close
	closed  bool
	present atomic.Int64
	whole   atomic.Int64 // runs that are complete
	pins    atomic.Int64
	dirty   atomic.Pointer[dirtyMap] // nil: nobody tracks
}

// New reserves the memory; it takes no frames. It fails with ErrNoMemory, or
// with a plain error for a malformed configuration.
func New(c Config) (*Memory, error) {
	m := &Memory{src: c.Frames, budget: c.Budget, holes: slices.Clone(c.Holes)}
	m.huge, _ = c.Frames.(Runs)
	for _, h := range m.holes {
		m.above = max(m.above, h.End())
	}
	last, size := uint64(0), uint64(0)
	for _, r := range c.Regions {
		if r.Start%FrameSize != 0 || r.Size%FrameSize != 0 || r.Size == 0 || r.End() < r.Start || r.Start < last {
			return nil, fmt.Errorf("gmem: bad region %#x size %#x", r.Start, r.Size)
		}
		last = r.End()
		size += r.Size
	}
	for _, h := range c.Holes {
		if h.Start%pageSize != 0 || h.Size%pageSize != 0 || h.End() < h.Start {
			return nil, fmt.Errorf("gmem: bad hole %#x size %#x", h.Start, h.Size)
		}
	}
	if m.budget != nil {
		if err := m.budget.Reserve(size); err != nil {
			return nil, err
		}
	}
	var regions []region
	for _, r := range c.Regions {
		regions = append(regions, m.newRegion(r))
	}
	m.size.Store(size)
	m.regions.Store(&regions)
	return m, nil
}

// all are the regions at this moment.
func (m *Memory) all() []region { return *m.regions.Load() }

// Size is the reserved memory in bytes, Resident what is backed by frames now.
func (m *Memory) Size() uint64 { return m.size.Load() }

// Resident is the memory that is backed by frames, in bytes.
func (m *Memory) Resident() uint64 { return uint64(m.present.Load()) * FrameSize }

// Regions are the ranges of memory, without the holes taken out.
func (m *Memory) Regions() []Range {
	all := m.all()
	out := make([]Range, len(all))
	for i := range all {
		out[i] = all[i].Range
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
	all := m.all()
	for i := range all {
		r := &all[i]
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
	all := m.all()
	for i := range all {
		r := &all[i]
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

// back makes the frame of gpa present.
func (m *Memory) back(gpa uint64, f *frame) error {
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
	hpa, ok := m.take(gpa)
	if !ok {
		return fmt.Errorf("gmem: a frame: %w", ErrNoMemory)
	}
	f.bytes = m.src.Bytes(hpa, FrameSize)
	m.count(1)
	f.hpa.Store(hpa)
	return nil
}

// count notes that n frames came, or are about to go.
func (m *Memory) count(n int64) {
	m.present.Add(n)
	switch {
	case m.budget == nil:
	case n > 0:
		m.budget.Back(uint64(n) * FrameSize)
	default:
		m.budget.Unback(uint64(-n) * FrameSize)
	}
}

// Touch makes the frame of gpa present and appends to out the pieces of it
// that are memory, for the nested table. ErrNotMemory when gpa is in a hole.
func (m *Memory) Touch(gpa uint64, out []Mapping) ([]Mapping, error) {
	f := m.lookup(gpa)
	if f == nil || m.inHole(gpa, 1) {
		return out, ErrNotMemory
	}
	if err := m.back(gpa, f); err != nil {
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
	for _, r := range m.all() {
		for j := range r.frames {
			if f := &r.frames[j]; f.hpa.Load() != 0 {
				clear(f.bytes)
				m.mark(r.Start+uint64(j)*FrameSize, FrameSize)
			}
		}
	}
}

// Close gives every frame back and releases the budget. The caller has stopped the guest
// and its devices. What touches memory all the same finds none: Close waits for accesses
// in progress, and with windows still pinned nothing happens and the error is ErrPinned.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	if n := m.pins.Load(); n != 0 {
		return fmt.Errorf("gmem: %d: %w", n, ErrPinned)
	}
	var taken []uint64
	m.each2M(func(f *frame) { // from here on nobody begins an access, or pins
		if hpa := f.hpa.Swap(0); hpa != 0 {
			taken = append(taken, hpa)
		}
	})
	pinned := int32(0)
	m.each2M(func(f *frame) {
		for f.users.Load() != 0 {
			runtime.Gosched()
		}
		pinned += f.pins.Load()
	})
	next := 0
	if pinned != 0 { // one came in between
		m.each2M(func(f *frame) {
			if f.bytes != nil {
				f.hpa.Store(taken[next])
				next++
			}
		})
		return fmt.Errorf("gmem: %d: %w", pinned, ErrPinned)
	}
	m.closed = true
	m.whole.Store(0)
	m.dirty.Store(nil)
	m.each2M(func(f *frame) {
		if f.bytes != nil {
			f.bytes = nil
			m.count(-1)
			m.src.Free2M(taken[next])
			next++
		}
	})
	if m.budget != nil {
		m.budget.Release(m.size.Load())
	}
	return nil
}

// each2M calls f for every frame, in ascending order.
func (m *Memory) each2M(f func(*frame)) {
	for _, r := range m.all() {
		for j := range r.frames {
			f(&r.frames[j])
		}
	}
}
