package virtio_test

import (
	"context"
	"sync"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
)

// echo copies what is readable to what is writable. Held, it keeps chains until
// release is called.
type echo struct {
	virtio.Plain
	mu     sync.Mutex
	config [16]byte
	refuse uint64 // features without which FEATURES_OK does not stick
	hold   bool
	held   []*vring.Chain
	owner  []*virtio.Queue
	free   []*vring.Chain
	resets int
	closed int
	calls  int
	during func() // once, with a chain out
	buf    [256]byte
}

func (m *echo) chain() *vring.Chain {
	if n := len(m.free); n > 0 {
		c := m.free[n-1]
		m.free = m.free[:n-1]
		return c
	}
	return new(vring.Chain)
}

func (m *echo) finish(q *virtio.Queue, c *vring.Chain) {
	if f := m.during; f != nil {
		m.during = nil
		f()
	}
	n := uint32(0)
	if r, w := c.Readable(), c.Writable(); len(r) > 0 && len(w) > 0 {
		n = min(r[0].Len, w[0].Len, uint32(len(m.buf)))
		if q.Memory().Read(r[0].Addr, m.buf[:n]) != nil || q.Memory().Write(w[0].Addr, m.buf[:n]) != nil {
			q.Breach("memory")
		}
	}
	q.Push(c, n)
	m.free = append(m.free, c)
}

func (m *echo) Handle(q *virtio.Queue) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if !m.hold {
		for i, c := range m.held {
			if m.owner[i] == q {
				m.finish(q, c)
				m.owner[i], m.held[i] = nil, nil
			}
		}
	}
	for {
		c := m.chain()
		if !q.Next(c) {
			m.free = append(m.free, c)
			return true
		}
		if m.hold {
			m.held, m.owner = append(m.held, c), append(m.owner, q)
		} else {
			m.finish(q, c)
		}
	}
}

func (m *echo) release(d *virtio.Device, queues int) {
	m.mu.Lock()
	m.hold = false
	m.mu.Unlock()
	for i := range queues {
		d.Queue(i).Ring()
	}
}

func (m *echo) setHold() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold = true
}

func (m *echo) count(f func(m *echo) int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(m)
}

func (m *echo) Accept(f uint64) bool { return f&m.refuse == m.refuse }

func (m *echo) ReadConfig(off int, p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(p, m.config[off:])
}

func (m *echo) WriteConfig(off int, p []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return off < 8 && copy(m.config[off:8], p) == len(p)
}

func (m *echo) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.resets++
	m.config = [16]byte{8: 1, 12: 2}
}

func (m *echo) SaveState() ([]byte, error) { return m.config[:], nil }

func (m *echo) LoadState(b []byte) error {
	if len(b) != len(m.config) {
		return virtio.ErrState
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(m.config[:], b)
	return nil
}

func (m *echo) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed++
}

type rig struct {
	*virtiotest.Driver
	dev *virtio.Device
	m   *echo
}

const echoFeature = 3

func config(mem *gmem.Memory, m *echo) virtio.Config {
	return virtio.Config{
		Name: "echo", Type: 0x3f, Class: 0xff0000, Features: 1<<echoFeature | 1<<5, Queues: []uint16{64, 256},
		ConfigSize: len(m.config), Memory: mem, Model: m,
	}
}

func newRig(t testing.TB) *rig {
	t.Helper()
	mem := virtiotest.NewMemory(t, 8<<20)
	m := &echo{}
	dev, err := virtio.New(config(mem, m))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Driver: virtiotest.Connect(t, dev, mem), dev: dev, m: m}
	t.Cleanup(func() {
		m.release(dev, 2)
		if err := dev.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if n := m.count(func(m *echo) int { return m.closed }); n != 1 {
			t.Errorf("the model was closed %d times", n)
		}
	})
	return r
}

const (
	out = virtiotest.DataAt
	in  = virtiotest.DataAt + 0x1000
)

// send makes one chain available.
func (r *rig) send(i int, v uint32) {
	r.Mem.PutUint32(out, v)
	r.Mem.PutUint32(in, 0)
	r.Rings[i].Add(vringtest.Seg{Addr: out, Len: 4}, vringtest.Seg{Addr: in, Len: 4, Write: true})
}

// echo sends one chain and checks the answer.
func (r *rig) echo(i int, v uint32) {
	r.T.Helper()
	r.send(i, v)
	r.Kick(i)
	_, n := r.Take(i)
	if got, _ := r.Mem.Uint32(in); n != 4 || got != v {
		r.T.Fatalf("queue %d: %d bytes, %#x, want %#x", i, n, got, v)
	}
}

func (r *rig) sel(i int) { r.Write(r.Common+spec.QueueSelect, 2, uint64(i)) }

func (r *rig) reg(off uint64, n int) uint64 { return r.Read(r.Common+off, n) }

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

var kinds = map[string]uint64{
	"split":        0,
	"split-events": 1<<spec.FRingEventIdx | 1<<spec.FRingIndirectDesc,
	"packed":       1<<spec.FRingPacked | 1<<spec.FRingEventIdx | 1<<spec.FRingReset,
}
