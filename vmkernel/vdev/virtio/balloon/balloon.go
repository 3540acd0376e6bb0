package balloon

import (
	"math"
	"sync"
	"sync/atomic"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/vring"
)

// Class is memory controller, other.
const Class = 0x058000

const queueSize = 128

// Reclaimer takes memory that the guest does not need, for gmem's owner.
type Reclaimer interface {
	// Reclaim may give the frame at gpa back: gmem.FrameSize bytes at a multiple of
	// that, all guest memory, of which the guest needs no byte. Afterwards the
	// frame reads as zeros, or as it was, until it is written. taken is false if it
	// stays, for whatever reason (a window is pinned, it was not there). It is
	// called on the device's goroutines, one at a time.
	Reclaim(gpa uint64) (taken bool)
}

// Config describes a device.
type Config struct {
	Name   string
	Memory *gmem.Memory
	// Reclaimer is nil if nothing can be given back: then the balloon only counts.
	Reclaimer Reclaimer
	// NewBell is virtio.Config.NewBell.
	NewBell func(name string) (virtio.Bell, error)
}

// Stats is what the guest says of its memory: Value by the specification's tags
// (spec.BalloonStat...), of which those with a bit in Valid came. Count is how often
// statistics came.
type Stats struct {
	Valid uint16
	Value [spec.BalloonNumStats]uint64
	Count uint64
}

// Status is what the balloon is like; sizes in bytes.
type Status struct {
	Target    uint64 // what the host wants
	Actual    uint64 // what the guest says is in it
	Pages     uint64 // what is in it
	Reclaimed uint64 // what was given back so far, by it or by reports
}

// Device is a balloon device.
type Device struct {
	*virtio.Device
	m *model
}

// model is the device type.
type model struct {
	name      string
	reclaimer Reclaimer
	memory    *gmem.Memory

	mu     sync.Mutex
	target uint32 // pages
	actual uint32 // pages
	stats  Stats
	wanted bool // statistics were asked for

	inside    sync.Mutex // before mu
	mustTell  bool
	frames    map[uint64]*frame // by number, those with pages in the balloon
	pages     atomic.Uint64
	reclaimed atomic.Uint64 // bytes

	// Each of one queue's goroutine.
	in, out, stat vring.Chain
	statOut       bool
	report        [3]vring.Chain
	inBuf, outBuf [4096]byte
	statBuf       [maxStats * spec.BalloonStatSize]byte
}

// New makes a device. Errors wrap virtio.ErrConfig.
func New(c Config) (*Device, error) {
	m := &model{name: c.Name, reclaimer: c.Reclaimer, memory: c.Memory, frames: map[uint64]*frame{}}
	features := uint64(1<<spec.BalloonFMustTellHost | 1<<spec.BalloonFStatsVQ | 1<<spec.BalloonFDeflateOnOOM)
	if c.Reclaimer != nil {
		features |= 1 << spec.BalloonFReporting
	}
	dev, err := virtio.New(virtio.Config{
		Name: c.Name, Type: spec.TypeBalloon, Class: Class, Features: features,
		Queues:     []uint16{queueSize, queueSize, queueSize, queueSize, queueSize},
		ConfigSize: spec.BalloonCfgSize, Memory: c.Memory, Model: m, NewBell: c.NewBell,
	})
	if err != nil {
		return nil, err
	}
	return &Device{dev, m}, nil
}

// SetTarget asks the guest for so many bytes of memory in all, rounded down to
// pages; it takes its time. Any goroutine.
func (d *Device) SetTarget(bytes uint64) {
	d.m.mu.Lock()
	d.m.target = uint32(min(bytes/spec.BalloonPage, math.MaxUint32))
	d.m.mu.Unlock()
	d.ConfigChanged()
}

// Status says what the balloon is like. Any goroutine.
func (d *Device) Status() Status {
	m := d.m
	m.mu.Lock()
	defer m.mu.Unlock()
	return Status{
		Target: uint64(m.target) * spec.BalloonPage, Actual: uint64(m.actual) * spec.BalloonPage,
		Pages: m.pages.Load() * spec.BalloonPage, Reclaimed: m.reclaimed.Load(),
	}
}

// RequestStats asks the guest for statistics; Stats has them when Count rises. Any
// goroutine.
func (d *Device) RequestStats() {
	d.m.mu.Lock()
	d.m.wanted = true
	d.m.mu.Unlock()
	d.Queue(spec.BalloonQueueStats).Ring()
}

// Stats are the statistics that came last. Any goroutine.
func (d *Device) Stats() Stats {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return d.m.stats
}

// Handle implements virtio.Model.
func (m *model) Handle(q *virtio.Queue) (wants bool) {
	switch i := q.Index(); {
	case i == spec.BalloonQueueInflate:
		return m.array(q, &m.in, m.inBuf[:], m.inflate)
	case i == spec.BalloonQueueDeflate:
		return m.array(q, &m.out, m.outBuf[:], m.deflate)
	case i == spec.BalloonQueueStats && q.Has(spec.BalloonFStatsVQ):
		return m.statistics(q)
	case i >= spec.BalloonQueueStats && q.Has(spec.BalloonFReporting):
		return m.reports(q, &m.report[i-spec.BalloonQueueStats])
	}
	return false // the queue does not exist (5.5.2)
}
