package virtio_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
)

// strictBell is a Bell that holds the device to the rules of Close.
type strictBell struct {
	virtio.Bell
	late   *atomic.Int64 // rings after Close
	closed atomic.Bool
	open   *atomic.Int64
	fail   *atomic.Bool // Wait does
}

func (b *strictBell) Ring() {
	if b.closed.Load() {
		b.late.Add(1)
	}
	b.Bell.Ring()
}

func (b *strictBell) Wait() error {
	if err := b.Bell.Wait(); err != nil || !b.fail.Load() {
		return err
	}
	return errors.New("no bell")
}

func (b *strictBell) Close() error {
	b.closed.Store(true)
	b.open.Add(-1)
	return b.Bell.Close()
}

type bells struct {
	late, open atomic.Int64
	made       int
	fail       atomic.Bool
	limit      int
}

func (s *bells) make(name string) (virtio.Bell, error) {
	if s.made == s.limit {
		return nil, errors.New("no more bells")
	}
	s.made++
	s.open.Add(1)
	b, err := virtio.NewBell(name)
	return &strictBell{Bell: b, late: &s.late, open: &s.open, fail: &s.fail}, err
}

func TestBellsAreClosedAndNotRungAfterwards(t *testing.T) {
	s := &bells{limit: 2}
	m := &echo{}
	mem := virtiotest.NewMemory(t, 8<<20)
	c := config(mem, m)
	c.NewBell = s.make
	dev, err := virtio.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Driver: virtiotest.Connect(t, dev, mem), dev: dev, m: m}
	r.Init(0, 2, 0)
	r.echo(1, 5)
	var others sync.WaitGroup
	stop := make(chan struct{})
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				dev.Queue(0).Ring()
				dev.WriteBAR(virtio.RegistersBAR, virtio.Doorbell(1), []byte{1, 0})
				dev.BusMasterChanged()
			}
		}
	})
	if err := dev.Close(t.Context()); err != nil {
		t.Error(err)
	}
	dev.Queue(1).Ring()
	close(stop)
	others.Wait()
	if err := dev.Close(t.Context()); err != nil {
		t.Error(err)
	}
	want(t, "rings after Close", s.late.Load(), 0)
	want(t, "bells that are open", s.open.Load(), 0)
}

func TestWithoutABellThereIsNoDevice(t *testing.T) {
	s := &bells{limit: 1}
	c := config(virtiotest.NewMemory(t, 2<<20), &echo{})
	c.NewBell = s.make
	if _, err := virtio.New(c); err == nil {
		t.Error("a device with one bell for two queues")
	}
	want(t, "bells that are open", s.open.Load(), 0)
}

func TestABellThatFailsNeedsAReset(t *testing.T) {
	s := &bells{limit: 2}
	mem := virtiotest.NewMemory(t, 8<<20)
	c := config(mem, &echo{})
	c.NewBell = s.make
	dev, err := virtio.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Driver: virtiotest.Connect(t, dev, mem), dev: dev}
	r.Init(0, 1, 0)
	r.echo(0, 1)
	s.fail.Store(true)
	r.Ring(0)
	r.UntilBroken()
	want(t, "needs reset", r.Status()&spec.StatusNeedsReset, spec.StatusNeedsReset)
}
