package virtio

import (
	"errors"
	"fmt"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vdev/virtio/vring"
)

const stateVersion = 1

// maxModelState bounds what a model may save, in bytes.
const maxModelState = 16 << 20

var (
	// ErrBusy says that a state can be saved or loaded only after Pause and with no
	// reset going on.
	ErrBusy = errors.New("virtio: device is not paused")
	// ErrState says that a saved state does not belong to this device.
	ErrState = errors.New("virtio: state of another device")
)

// SaveState writes registers, rings and the model's state. The device is paused,
// else the error is ErrBusy.
func (d *Device) SaveState() ([]byte, error) {
	for _, q := range d.queues { // order of locks: queues first
		q.mu.Lock()
		defer q.mu.Unlock()
		q.begin()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.quiet() || d.resetting || d.closing {
		return nil, fmt.Errorf("%s: save state: %w", d.cfg.Name, ErrBusy)
	}
	e := checkpoint.NewEncoder(stateVersion)
	e.U16(d.cfg.Type)
	e.U16(uint16(len(d.queues)))
	e.U16(uint16(d.vectors))
	e.U8(d.status)
	e.U32(d.featuresSelect)
	e.U32(d.driverSelect)
	e.U64(d.driverFeatures)
	e.U64(d.features)
	e.U16(d.configVector)
	e.U16(d.queueSelect)
	e.U8(d.generation)
	e.Bool(d.configDirty)
	d.isrMu.Lock()
	e.U8(d.isr)
	d.isrMu.Unlock()
	e.Fixed(d.window[:])
	for _, q := range d.queues {
		if err := q.save(e); err != nil {
			return nil, fmt.Errorf("%s: save state: queue %d: %w", d.cfg.Name, q.index, err)
		}
	}
	m, err := d.cfg.Model.SaveState()
	if err != nil {
		return nil, fmt.Errorf("%s: save state: %w", d.cfg.Name, err)
	}
	e.Var(m)
	return e.Bytes(), nil
}

func (q *Queue) save(e *checkpoint.Encoder) error {
	e.U16(q.max)
	e.U16(q.size)
	e.U16(uint16(q.vector.Load()))
	e.Bool(q.enabled)
	e.U64(q.desc)
	e.U64(q.driver)
	e.U64(q.device)
	live := q.state.Load() == running
	e.Bool(live)
	if !live {
		return nil
	}
	s := vring.State{Broken: true} // chains that were not pushed because of that are lost
	if !q.d.broken.Load() {
		var err error
		if s, err = q.ring.Save(); err != nil {
			return err
		}
	}
	e.U16(s.Next)
	e.Bool(s.Wrap)
	e.U32(s.Unsignalled)
	e.Bool(s.Broken)
	return nil
}

// savedQueue is what was read of a queue.
type savedQueue struct {
	max, size, vector    uint16
	enabled, live        bool
	desc, driver, device uint64
	ring                 vring.State
	built                *vring.Queue
}

func loadQueue(x *checkpoint.Decoder) (s savedQueue) {
	s.max, s.size, s.vector, s.enabled = x.U16(), x.U16(), x.U16(), x.Bool()
	s.desc, s.driver, s.device = x.U64(), x.U64(), x.U64()
	if s.live = x.Bool(); s.live {
		s.ring = vring.State{Next: x.U16(), Wrap: x.Bool(), Unsignalled: x.U32(), Broken: x.Bool()}
	}
	return s
}

// LoadState replaces the state, or changes nothing and says why. The device was
// made with the same Config, reset and paused. Interrupts that were pending in the
// endpoint are the endpoint's state.
func (d *Device) LoadState(b []byte) error {
	x := checkpoint.NewDecoder(b, stateVersion)
	kind, n, vectors := x.U16(), x.U16(), x.U16()
	x.Check(kind == d.cfg.Type && int(n) == len(d.queues) && int(vectors) == d.vectors, "type, queues or vectors")
	status := x.U8()
	featuresSelect, driverSelect := x.U32(), x.U32()
	driverFeatures, features := x.U64(), x.U64()
	configVector, queueSelect := x.U16(), x.U16()
	generation, dirty, isr := x.U8(), x.Bool(), x.U8()
	var w window
	x.Fixed(w[:])
	queues := make([]savedQueue, len(d.queues))
	for i := range queues {
		queues[i] = loadQueue(x)
	}
	model := x.Var(maxModelState)

	ready := status&spec.StatusFeaturesOK != 0
	const known = spec.StatusAcknowledge | spec.StatusDriver | spec.StatusDriverOK | spec.StatusFeaturesOK | spec.StatusNeedsReset | spec.StatusFailed
	x.Check(status&^known == 0 && (ready || status&spec.StatusDriverOK == 0), "status")
	x.Check(features&^d.offered == 0 && (!ready && features == 0 || ready && features == driverFeatures && features>>spec.FVersion1&1 != 0), "features")
	x.Check(configVector == d.vector(uint32(configVector)), "vector")
	x.Check(isr&^(spec.ISRQueue|spec.ISRConfig) == 0, "isr")
	for i := range w {
		x.Check(w[i] == 0 || mutable(i), "window")
	}
	broken := status&spec.StatusNeedsReset != 0
	for i := range queues {
		s := &queues[i]
		x.Check(s.max == d.queues[i].max && s.size != 0 && s.size <= s.max, "queue size")
		x.Check(s.vector == d.vector(uint32(s.vector)), "queue vector")
		x.Check(!s.enabled || ready, "queue enable")
		x.Check(!s.live || s.enabled && status&spec.StatusDriverOK != 0, "queue state")
		x.Check(s.live || broken || !s.enabled || status&spec.StatusDriverOK == 0, "queue state")
		x.Check(!s.live || s.ring.Broken == broken, "queue state")
	}
	if err := x.Done(d.cfg.Name); err != nil {
		return err
	}
	for i := range queues {
		s := &queues[i]
		s.built = new(vring.Queue)
		if s.live {
			if err := s.built.Load(d.ringConfig(s, features), s.ring); err != nil {
				return fmt.Errorf("%s: load state: queue %d: %w", d.cfg.Name, i, err)
			}
		}
	}

	for _, q := range d.queues {
		q.mu.Lock()
		defer q.mu.Unlock()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.quiet() || d.resetting || d.closing {
		return fmt.Errorf("%s: load state: %w", d.cfg.Name, ErrBusy)
	}
	if ready && !d.cfg.Model.Accept(features) {
		return fmt.Errorf("%s: load state: features %#x: %w", d.cfg.Name, features, ErrState)
	}
	if err := d.cfg.Model.LoadState(model); err != nil {
		return err
	}
	d.status, d.featuresSelect, d.driverSelect = status, featuresSelect, driverSelect
	d.driverFeatures, d.features = driverFeatures, features
	d.configVector, d.queueSelect = configVector, queueSelect
	d.generation, d.configDirty, d.window = generation, dirty, w
	d.err = nil
	if d.broken.Store(broken); broken {
		d.err = fmt.Errorf("virtio: %s: %w before its state was saved", d.cfg.Name, ErrDriver)
	}
	for i, q := range d.queues {
		q.restore(&queues[i], d.ringConfig(&queues[i], features))
	}
	d.setISR(0, isr)
	return nil
}

func (d *Device) ringConfig(s *savedQueue, features uint64) vring.Config {
	return vring.Config{Memory: d.cfg.Memory, Size: s.size, Features: features, Desc: s.desc, Driver: s.driver, Device: s.device}
}

// restore is called with both locks held.
func (q *Queue) restore(s *savedQueue, c vring.Config) {
	q.size, q.enabled, q.resetting = s.size, s.enabled, false
	q.desc, q.driver, q.device = s.desc, s.driver, s.device
	q.vector.Store(uint32(s.vector))
	q.ring, q.start = s.built, c
	q.state.Store(stopped)
	if s.live {
		q.state.Store(running)
		q.seen = q.d.epoch.Load()
		q.d.employ(q)
		q.Ring()
	}
}
