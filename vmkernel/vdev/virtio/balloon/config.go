package balloon

import (
	"encoding/binary"
	"slices"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/gmem"
)

// ReadConfig is struct virtio_balloon_config, 5.5.4.
func (m *model) ReadConfig(off int, p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b [spec.BalloonCfgSize]byte
	binary.LittleEndian.PutUint32(b[spec.BalloonNumPages:], m.target)
	binary.LittleEndian.PutUint32(b[spec.BalloonActual:], m.actual)
	copy(p, b[off:])
}

// WriteConfig takes actual, in any pieces.
func (m *model) WriteConfig(off int, p []byte) bool {
	if off < spec.BalloonActual {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], m.actual)
	copy(b[off-spec.BalloonActual:], p)
	m.actual = binary.LittleEndian.Uint32(b[:])
	return true
}

// Accept takes every subset; see doc.go for MUST_TELL_HOST.
func (m *model) Accept(features uint64) bool {
	m.inside.Lock()
	defer m.inside.Unlock()
	m.mustTell = features>>spec.BalloonFMustTellHost&1 != 0
	return true
}

// Reset empties the balloon: the driver has all its memory again. What the host
// wants stays.
func (m *model) Reset() {
	m.inside.Lock()
	defer m.inside.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.actual, m.mustTell, m.wanted = 0, false, false
	m.pages.Store(0)
	clear(m.frames)
	m.stats.Valid = 0
}

// Close has nothing to end.
func (m *model) Close() {}

const stateVersion = 1

// SaveState writes the targets and the pages, by frame: a full one is a number and
// a flag. Statistics come again.
func (m *model) SaveState() ([]byte, error) {
	m.inside.Lock()
	defer m.inside.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	e := checkpoint.NewEncoder(stateVersion)
	e.U32(m.target)
	e.U32(m.actual)
	e.U32(uint32(len(m.frames)))
	numbers := make([]uint64, 0, len(m.frames))
	for n := range m.frames {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		f := m.frames[n]
		e.U32(uint32(n))
		full := f.count() == pagesPerFrame
		e.Bool(full)
		if !full {
			for _, w := range f {
				e.U64(w)
			}
		}
	}
	return e.Bytes(), nil
}

// LoadState replaces them, or changes nothing and says why.
func (m *model) LoadState(b []byte) error {
	x := checkpoint.NewDecoder(b, stateVersion)
	target, actual, n := x.U32(), x.U32(), x.U32()
	// What is kept for a frame is more than the 5 bytes that it may have here.
	x.Check(uint64(n)*gmem.FrameSize <= m.memory.Size(), "number of frames")
	frames := map[uint64]*frame{}
	pages, last := uint64(0), int64(-1)
	for i := uint32(0); i < n && uint64(n)*gmem.FrameSize <= m.memory.Size(); i++ {
		number, full := x.U32(), x.Bool()
		f := new(frame)
		for i := range f {
			if f[i] = ^uint64(0); !full {
				f[i] = x.U64()
			}
		}
		x.Check(int64(number) > last && number < 1<<32/pagesPerFrame && (full || f.count()%pagesPerFrame != 0), "frame")
		last = int64(number)
		frames[uint64(number)] = f
		pages += uint64(f.count())
	}
	if err := x.Done(m.name); err != nil {
		return err
	}
	m.inside.Lock()
	defer m.inside.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.target, m.actual, m.frames = target, actual, frames
	m.pages.Store(pages)
	return nil
}
