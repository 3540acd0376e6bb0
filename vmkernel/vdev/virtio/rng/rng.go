package rng

import (
	"fmt"
	"io"
	"sync/atomic"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vbus"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// Class is encryption controller, other: there is none for entropy.
const Class = 0x108000

const (
	// MaxRequest is the most that one request gets, in bytes.
	MaxRequest = 1024

	defaultRate  = 1 << 20
	defaultBurst = 64 << 10
	queueSize    = 64
	retry        = 100e6 // ns after which a source that failed is asked again
	sip          = 64    // bytes for which a request that waits is woken
	second       = 1e9   // ns
)

// Config describes a device.
type Config struct {
	Name   string
	Memory *gmem.Memory
	// Source gives random bytes, such as crypto/rand.Reader. A read may block: it
	// holds up nobody but this device's queue.
	Source io.Reader
	// Clock is the machine's.
	Clock vbus.Clock
	// Rate is bytes for each second, Burst bytes at once; 0 for 1 MiB and 64 KiB.
	Rate, Burst int
	// PortDoorbell and NewBell are virtio.Config's.
	PortDoorbell bool
	NewBell      func(name string) (virtio.Bell, error)
}

// Device is an entropy device.
type Device struct {
	*virtio.Device
	m *model
}

// Failures is how often the source gave nothing.
func (d *Device) Failures() uint64 { return d.m.failures.Load() }

// Bytes is how many random bytes the guest got.
func (d *Device) Bytes() uint64 { return d.m.bytes.Load() }

// New makes a device. Errors wrap virtio.ErrConfig.
func New(c Config) (*Device, error) {
	if c.Rate == 0 {
		c.Rate = defaultRate
	}
	if c.Burst == 0 {
		c.Burst = defaultBurst
	}
	if c.Source == nil || c.Clock == nil || c.Rate < 1 || c.Burst < 1 || c.Burst > 1<<30 || c.Rate > 1<<30 {
		return nil, fmt.Errorf("%w: %s: source %v, clock %v, rate %d, burst %d", virtio.ErrConfig, c.Name,
			c.Source != nil, c.Clock != nil, c.Rate, c.Burst)
	}
	m := &model{source: c.Source, clock: c.Clock, rate: int64(c.Rate), burst: int64(c.Burst), tokens: int64(c.Burst), last: c.Clock.Now()}
	dev, err := virtio.New(virtio.Config{
		Name: c.Name, Type: spec.TypeEntropy, Class: Class, Queues: []uint16{queueSize},
		Memory: c.Memory, Model: m, NewBell: c.NewBell, PortDoorbell: c.PortDoorbell,
	})
	if err != nil {
		return nil, err
	}
	m.timer = c.Clock.NewTimer(dev.Queue(0).Ring)
	return &Device{Device: dev, m: m}, nil
}

// model is the device type; the queue's goroutine has it.
type model struct {
	virtio.Plain
	source io.Reader
	clock  vbus.Clock
	timer  vbus.Timer
	rate   int64 // bytes a second
	burst  int64

	tokens int64 // bytes that may be given now
	last   int64 // when that was so, ns
	chain  vring.Chain
	buf    [MaxRequest]byte
	have   []byte // of buf, not used yet

	failures, bytes atomic.Uint64
}

// Handle implements virtio.Model.
func (m *model) Handle(q *virtio.Queue) (wants bool) {
	for {
		if m.refill(); m.tokens == 0 {
			m.timer.Arm(m.last + (min(sip, m.burst)*second+m.rate-1)/m.rate)
			return false
		}
		if len(m.have) == 0 && !m.read() {
			m.timer.Arm(m.clock.Now() + retry)
			return false
		}
		if !q.Next(&m.chain) {
			return true
		}
		m.answer(q)
	}
}

// refill adds what has come since last. Time may have been set back by a load.
func (m *model) refill() {
	now := m.clock.Now()
	passed := now - m.last
	switch {
	case passed <= 0:
		m.last = now
		return
	case passed > second*m.burst/m.rate: // no overflow: both are at most 2^30
		m.tokens, m.last = m.burst, now
		return
	}
	n := passed * m.rate / second
	if n == 0 {
		return
	}
	m.tokens = min(m.tokens+n, m.burst)
	m.last += n * second / m.rate
}

func (m *model) read() bool {
	n, _ := m.source.Read(m.buf[:]) // what came counts, an error or not
	if n <= 0 || n > len(m.buf) {
		m.failures.Add(1)
		return false
	}
	m.have = m.buf[:n]
	return true
}

// answer fills a chain that was taken.
func (m *model) answer(q *virtio.Queue) {
	c := &m.chain
	if len(c.Readable()) > 0 {
		q.Breach("a readable buffer for random bytes")
		q.Push(c, 0)
		return
	}
	n := min(int64(len(m.have)), m.tokens, int64(c.WritableBytes()))
	given := int64(0)
	for _, s := range c.Writable() {
		part := min(n-given, int64(s.Len))
		if part == 0 {
			break
		}
		if q.Memory().Write(s.Addr, m.have[given:given+part]) != nil {
			q.Breach("the buffer at %#x cannot be written", s.Addr)
			break
		}
		given += part
	}
	clear(m.have[:n])
	m.have = m.have[n:]
	m.tokens -= n
	m.bytes.Add(uint64(given))
	q.Push(c, uint32(given))
}

func (m *model) forget() {
	clear(m.buf[:])
	m.have = nil
}

// Reset forgets the bytes that are left. What the guest may have stays as it is.
func (m *model) Reset() { m.forget() }

// SaveState saves nothing and forgets the bytes that are left.
func (m *model) SaveState() ([]byte, error) {
	m.forget()
	return nil, nil
}

// LoadState loads nothing and forgets the bytes that are left.
func (m *model) LoadState(b []byte) error {
	m.forget()
	return m.Plain.LoadState(b)
}

// Close stops the timer.
func (m *model) Close() { m.timer.Stop() }
