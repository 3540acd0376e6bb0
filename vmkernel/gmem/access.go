package gmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
)

// enter begins an access to the frame: present says that it is there, and then it
// stays there until leave. Nobody waits for anything between the two: Reclaim waits
// for them. W1.
func (f *frame) enter() (present bool) {
	f.users.Add(1)
	if f.hpa.Load() != 0 {
		return true
	}
	f.users.Add(-1)
	return false
}

func (f *frame) leave() { f.users.Add(-1) }

// piece is the present memory from gpa to the end of its frame, at most n bytes; f is
// nil when there is none, else the caller leaves it. W1.
func (m *Memory) piece(gpa, n uint64) (f *frame, b []byte) {
	f = m.lookup(gpa)
	if f == nil || m.inHole(gpa, 1) || !f.enter() {
		return nil, nil
	}
	off := gpa % FrameSize
	return f, f.bytes[off:min(off+n, FrameSize)]
}

// each calls f with the pieces of [gpa, gpa+n), after it has checked that all
// of it is memory. Absent frames are taken when fill is set, else f gets nil
// and a length.
func (m *Memory) each(gpa, n uint64, fill bool, f func(b []byte, n uint64)) error {
	if !m.Contains(gpa, n) {
		return fmt.Errorf("gmem: %#x size %#x: %w", gpa, n, ErrNotMemory)
	}
	for n > 0 {
		step := min(n, FrameSize-gpa%FrameSize)
		fr, b := m.piece(gpa, step)
		for fr == nil && fill { // again only if it was reclaimed in between
			if err := m.back(gpa, m.lookup(gpa)); err != nil {
				return err
			}
			fr, b = m.piece(gpa, step)
		}
		f(b, step)
		if fr != nil {
			fr.leave()
		}
		gpa += step
		n -= step
	}
	return nil
}

// Read copies guest memory into p. Nothing is copied unless all of it is memory.
// Memory that nobody has written yet reads as zeros and takes no frame.
func (m *Memory) Read(gpa uint64, p []byte) error {
	if f, b := m.at(gpa, uint64(len(p))); f != nil {
		copy(p, b)
		f.leave()
		return nil
	}
	return m.each(gpa, uint64(len(p)), false, func(b []byte, n uint64) {
		if b == nil {
			clear(p[:n])
		} else {
			copy(p[:n], b)
		}
		p = p[n:]
	})
}

// Write copies p into guest memory. Nothing is written unless all of it is
// memory; a frame that the host cannot give stops it half-way.
func (m *Memory) Write(gpa uint64, p []byte) error {
	size := uint64(len(p))
	if f, b := m.at(gpa, size); f != nil {
		copy(b, p)
		m.MarkDirty(gpa, size)
		f.leave()
		return nil
	}
	err := m.each(gpa, uint64(len(p)), true, func(b []byte, n uint64) {
		copy(b, p[:n])
		p = p[n:]
	})
	if !errors.Is(err, ErrNotMemory) {
		m.MarkDirty(gpa, size)
	}
	return err
}

// Zero clears [gpa, gpa+n) without taking frames.
func (m *Memory) Zero(gpa, n uint64) error {
	err := m.each(gpa, n, false, func(b []byte, _ uint64) { clear(b) })
	if err == nil {
		m.MarkDirty(gpa, n)
	}
	return err
}

// at is the n bytes at gpa if they are present, inside one frame and no hole; f is nil
// when not, else the caller leaves it. W1.
func (m *Memory) at(gpa, n uint64) (f *frame, b []byte) {
	f = m.lookup(gpa)
	off := gpa % FrameSize
	if f == nil || n > FrameSize-off || m.inHole(gpa, n) || !f.enter() {
		return nil, nil
	}
	return f, f.bytes[off : off+n]
}

// Load16 reads the 16 bytes at gpa if they are present and in one frame. W1.
func (m *Memory) Load16(gpa uint64) (low, high uint64, ok bool) {
	f, b := m.at(gpa, 16)
	if f == nil {
		return 0, 0, false
	}
	if len(b) == 16 {
		low, high, ok = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), true
	}
	f.leave()
	return low, high, ok
}

// Uint8 reads a byte. The Uint accessors report false for what is not memory;
// memory that nobody has written yet is zero.
func (m *Memory) Uint8(gpa uint64) (uint8, bool) {
	v, ok := m.uint(gpa, 1)
	return uint8(v), ok
}

// Uint16 reads a little-endian value.
func (m *Memory) Uint16(gpa uint64) (uint16, bool) {
	v, ok := m.uint(gpa, 2)
	return uint16(v), ok
}

// Uint32 reads a little-endian value.
func (m *Memory) Uint32(gpa uint64) (uint32, bool) {
	v, ok := m.uint(gpa, 4)
	return uint32(v), ok
}

// Uint64 reads a little-endian value.
func (m *Memory) Uint64(gpa uint64) (uint64, bool) { return m.uint(gpa, 8) }

func (m *Memory) uint(gpa uint64, n int) (uint64, bool) {
	if f, b := m.at(gpa, uint64(n)); f != nil {
		v := load(b)
		f.leave()
		return v, true
	}
	var a [8]byte
	if m.Read(gpa, a[:n]) != nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(a[:]), true
}

// PutUint8 writes a byte.
func (m *Memory) PutUint8(gpa uint64, v uint8) bool { return m.put(gpa, 1, uint64(v)) }

// PutUint16 writes a little-endian value with one store when it is aligned.
func (m *Memory) PutUint16(gpa uint64, v uint16) bool { return m.put(gpa, 2, uint64(v)) }

// PutUint32 writes a little-endian value with one store when it is aligned.
func (m *Memory) PutUint32(gpa uint64, v uint32) bool { return m.put(gpa, 4, uint64(v)) }

// PutUint64 writes a little-endian value with one store when it is aligned.
func (m *Memory) PutUint64(gpa uint64, v uint64) bool { return m.put(gpa, 8, v) }

func (m *Memory) put(gpa uint64, n int, v uint64) bool {
	if f, b := m.at(gpa, uint64(n)); f != nil {
		store(b, v)
		m.MarkDirty(gpa, uint64(n))
		f.leave()
		return true
	}
	var a [8]byte
	binary.LittleEndian.PutUint64(a[:], v)
	return m.Write(gpa, a[:n]) == nil
}

// Load reads n (1, 2, 4 or 8) bytes that are present; false means that ordinary
// Go has to look. W1.
func (m *Memory) Load(gpa uint64, n int) (uint64, bool) {
	f, b := m.at(gpa, uint64(n))
	if f == nil {
		return 0, false
	}
	v := load(b)
	f.leave()
	return v, true
}

// Store writes n (1, 2, 4 or 8) bytes that are present. W1.
func (m *Memory) Store(gpa uint64, n int, v uint64) bool {
	f, b := m.at(gpa, uint64(n))
	if f == nil {
		return false
	}
	store(b, v)
	m.MarkDirty(gpa, uint64(n))
	f.leave()
	return true
}

func load(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func store(b []byte, v uint64) {
	switch len(b) {
	case 1:
		b[0] = uint8(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	case 8:
		binary.LittleEndian.PutUint64(b, v)
	}
}

// Window is a pinned view of guest memory inside one frame. The guest may
// change the bytes at any time: copy, then check.
type Window struct {
	m    *Memory
	f    *frame
	b    []byte
	hpa  uint64
	gpa  uint64
	n    uint64
	gone atomic.Bool
}

// Pin makes [gpa, gpa+n) present and keeps it until Unpin. The range lies in
// one frame, else the error is ErrNotMemory.
func (m *Memory) Pin(gpa, n uint64) (*Window, error) {
	w := new(Window)
	if err := m.PinInto(w, gpa, n); err != nil {
		return nil, err
	}
	return w, nil
}

// PinInto is Pin with a window that the caller keeps and uses again and again:
// nothing is allocated. The window must not be pinned; after an error it is not.
func (m *Memory) PinInto(w *Window, gpa, n uint64) error {
	f := m.lookup(gpa)
	if f == nil || n == 0 || n > FrameSize-gpa%FrameSize || m.inHole(gpa, n) {
		return fmt.Errorf("gmem: pin %#x size %#x: %w", gpa, n, ErrNotMemory)
	}
	m.pins.Add(1)
	for !f.enter() { // again only if it is absent, or was reclaimed in between
		if err := m.back(gpa, f); err != nil {
			m.pins.Add(-1)
			return err
		}
	}
	f.pins.Add(1)
	off := gpa % FrameSize
	w.m, w.f, w.b, w.hpa, w.gpa, w.n = m, f, f.bytes[off:off+n:off+n], f.hpa.Load()+off, gpa, n
	f.leave()
	w.gone.Store(false)
	return nil
}

// Bytes is the memory itself; not after Unpin.
func (w *Window) Bytes() []byte { return w.b }

// HPA is the host-physical address of the first byte.
func (w *Window) HPA() uint64 { return w.hpa }

// Unpin ends the use of the window. More than one call does no harm.
func (w *Window) Unpin() {
	if w.m != nil && !w.gone.Swap(true) {
		w.b = nil
		w.m.MarkDirty(w.gpa, w.n)
		w.f.pins.Add(-1)
		w.m.pins.Add(-1)
	}
}
