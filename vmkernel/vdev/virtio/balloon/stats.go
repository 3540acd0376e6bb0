package balloon

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
)

// maxStats is the number of entries that are looked at; the others are ignored.
const maxStats = 64

// statistics is the statsq, 5.5.6.2: the driver fills a buffer when the device has
// used the one before.
func (m *model) statistics(q *virtio.Queue) (wants bool) {
	if m.statOut && (q.Leaving() || m.asked()) {
		m.statOut = false
		q.Push(&m.stat, 0)
	}
	for !m.statOut {
		if !q.Next(&m.stat) {
			return true
		}
		if len(m.stat.Writable()) > 0 {
			q.Breach("a writable buffer of statistics")
			q.Push(&m.stat, 0)
			return false
		}
		m.statOut = true
		m.take(q)
	}
	return false // RequestStats rings
}

// asked says once that statistics were asked for.
func (m *model) asked() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := m.wanted
	m.wanted = false
	return asked
}

// take copies the statistics of the buffer.
func (m *model) take(q *virtio.Queue) {
	n := 0
	for _, s := range m.stat.Readable() {
		part := min(len(m.statBuf)-n, int(s.Len))
		if part == 0 || q.Memory().Read(s.Addr, m.statBuf[n:n+part]) != nil {
			break
		}
		n += part
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Valid = 0
	m.stats.Count++
	for b := m.statBuf[:n]; len(b) >= spec.BalloonStatSize; b = b[spec.BalloonStatSize:] {
		if tag := binary.LittleEndian.Uint16(b[spec.BalloonStatTag:]); tag < spec.BalloonNumStats {
			m.stats.Valid |= 1 << tag
			m.stats.Value[tag] = binary.LittleEndian.Uint64(b[spec.BalloonStatValue:])
		}
	}
}
