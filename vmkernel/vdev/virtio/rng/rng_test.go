package rng_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/rng"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vtime"
)

// counter gives bytes that count up and never repeat within 255.
type counter struct {
	n    byte
	fail atomic.Bool
}

func (c *counter) Read(p []byte) (int, error) {
	if c.fail.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	for i := range p {
		c.n = c.n%255 + 1
		p[i] = c.n
	}
	return len(p), nil
}

type rig struct {
	*virtiotest.Driver
	dev   *rng.Device
	clock *vtime.Manual
}

func newRig(t testing.TB, c rng.Config) *rig {
	t.Helper()
	mem := virtiotest.NewMemory(t, 4<<20)
	clock := vtime.NewManual(0)
	c.Name, c.Memory, c.Clock = "rng0", mem, clock
	dev, err := rng.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r := &rig{virtiotest.Connect(t, dev, mem), dev, clock}
	r.Init(0, 1, 0)
	return r
}

const at = virtiotest.DataAt

func (r *rig) get(segs ...vringtest.Seg) uint32 {
	r.T.Helper()
	r.Rings[0].Add(segs...)
	r.Kick(0)
	_, n := r.Take(0)
	return n
}

func buf(off uint64, n uint32) vringtest.Seg {
	return vringtest.Seg{Addr: at + off, Len: n, Write: true}
}

func (r *rig) bytes(n uint32) []byte {
	b := make([]byte, n)
	if err := r.Mem.Read(at, b); err != nil {
		r.T.Fatal(err)
	}
	return b
}

func Test_5_4_6_2_OneOrMoreRandomBytes(t *testing.T) {
	r := newRig(t, rng.Config{Source: rand.Reader})
	for _, n := range []uint32{1, 64, 1024, 5000} {
		got := r.get(buf(0, n/2+1), buf(uint64(n/2+1), n))
		if got == 0 || got > n/2+1+n || got > rng.MaxRequest {
			t.Errorf("%d bytes for %d", got, n)
		}
		b := r.bytes(got + 1)
		if got > 32 && bytes.Count(b, []byte{0}) > int(got)/2 {
			t.Errorf("not random: %x", b)
		}
	}
}

func Test_5_4_6_2_NothingIsGivenTwice(t *testing.T) {
	r := newRig(t, rng.Config{Source: &counter{}})
	last := byte(0)
	for range 100 {
		n := r.get(buf(0, 7), buf(7, 20))
		for _, v := range r.bytes(n) {
			if v != last%255+1 {
				t.Fatalf("%d after %d", v, last)
			}
			last = v
		}
	}
	if got := r.dev.Bytes(); got < 100 {
		t.Errorf("%d bytes counted", got)
	}
	// What is left over when the state is saved is given to nobody.
	if err := r.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := r.dev.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.dev.LoadState(state); err != nil {
		t.Fatal(err)
	}
	r.dev.Resume()
	r.get(buf(0, 16))
	if v := r.bytes(1)[0]; v == last%255+1 {
		t.Error("bytes from before the state was saved")
	}
}

func Test_5_4_6_1_ReadableBuffersNeedAReset(t *testing.T) {
	r := newRig(t, rng.Config{Source: rand.Reader})
	r.Rings[0].Add(vringtest.Seg{Addr: at, Len: 8}, buf(8, 8))
	r.Kick(0)
	r.UntilBroken()
	if !errors.Is(r.dev.Err(), virtio.ErrDriver) {
		t.Error(r.dev.Err())
	}
	r.Init(0, 1, 0)
	if n := r.get(buf(0, 8)); n != 8 {
		t.Errorf("%d bytes", n)
	}
}

func TestRateIsBounded(t *testing.T) {
	r := newRig(t, rng.Config{Source: &counter{}, Rate: 1000, Burst: 100})
	if n := r.get(buf(0, 500)); n != 100 {
		t.Errorf("burst of %d bytes", n)
	}
	r.Rings[0].Add(buf(0, 500))
	r.Kick(0)
	r.pass()
	if _, _, ok := r.Rings[0].Used(); ok {
		t.Fatal("more than the burst")
	}
	r.clock.Advance(64e6) // wakes it for 64 bytes
	if _, n := r.Take(0); n != 64 {
		t.Errorf("%d bytes after 64 ms", n)
	}
	r.clock.Advance(3600e9) // the bucket does not overflow
	if n := r.get(buf(0, 500)); n != 100 {
		t.Errorf("%d bytes after an hour", n)
	}
}

// pass waits until the queue's goroutine has looked at the ring.
func (r *rig) pass() {
	r.T.Helper()
	if err := r.dev.Pause(r.T.Context()); err != nil {
		r.T.Fatal(err)
	}
	r.dev.Resume()
}

func TestSourceThatFails(t *testing.T) {
	c := &counter{}
	c.fail.Store(true)
	r := newRig(t, rng.Config{Source: c})
	r.Rings[0].Add(buf(0, 8))
	r.Kick(0)
	for r.dev.Failures() == 0 {
		runtime.Gosched()
	}
	r.pass()
	if _, _, ok := r.Rings[0].Used(); ok {
		t.Fatal("used without a random byte")
	}
	if r.Status()&spec.StatusNeedsReset != 0 {
		t.Error("it is not the driver's fault")
	}
	c.fail.Store(false)
	r.pass() // the timer is armed
	r.clock.Advance(100e6)
	if _, n := r.Take(0); n != 8 {
		t.Errorf("%d bytes", n)
	}
}

func TestImpossibleConfigurations(t *testing.T) {
	m := virtiotest.NewMemory(t, 2<<20)
	for _, c := range []rng.Config{
		{Memory: m, Clock: vtime.NewManual(0)}, {Memory: m, Source: rand.Reader}, {Source: rand.Reader, Clock: vtime.NewManual(0)},
		{Memory: m, Source: rand.Reader, Clock: vtime.NewManual(0), Rate: -1},
	} {
		if _, err := rng.New(c); !errors.Is(err, virtio.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNoAllocationForARequest(t *testing.T) {
	r := newRig(t, rng.Config{Source: &counter{}, Burst: 1 << 30})
	seg := []vringtest.Seg{buf(0, 64)}
	one := func() {
		r.Rings[0].Add(seg...)
		r.Ring(0)
		for {
			if _, _, ok := r.Rings[0].Used(); ok {
				return
			}
			runtime.Gosched()
		}
	}
	for range 100 {
		one()
	}
	if n := testing.AllocsPerRun(100, one); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
