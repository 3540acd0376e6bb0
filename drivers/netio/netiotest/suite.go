package netiotest

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"basalt/drivers/netio"
)

// Setup is one fresh link with the far side of its wire.
type Setup struct {
	Link netio.Link // the implementation under test
	Far  netio.Link // what Link sends comes out here, and the other way round

	// Carrier plugs (true) or unplugs the wire; nil if the link cannot notice.
	Carrier func(up bool)
	// Remove pulls the hardware out; nil if there is none.
	Remove func()
}

// settle is longer than any watchdog a driver runs (virtual time).
const settle = 10 * time.Second

// Test runs the suite. open makes a fresh link inside the bubble of each case;
// the suite closes both ends.
func Test(t *testing.T, open func(t *testing.T) Setup) {
	cases := []struct {
		name string
		run  func(t *testing.T, s Setup)
	}{
		{"identity", identity},
		{"every size both ways", everySize},
		{"order under load", orderUnderLoad},
		{"back pressure loses nothing", backPressure},
		{"buffer too small", bufferTooSmall},
		{"frame of impossible size", impossibleSize},
		{"no buffers", noBuffers},
		{"carrier", carrier},
		{"close wakes receiver", closeWakesReceiver},
		{"close wakes sender", closeWakesSender},
		{"after close", afterClose},
		{"hot removal", hotRemoval},
		{"no allocation", noAllocation},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t)
				defer s.Far.Close()
				defer s.Link.Close()
				c.run(t, s)
			})
		})
	}
}

func identity(t *testing.T, s Setup) {
	if s.Link.Name() == "" {
		t.Error("Name is empty")
	}
	m := s.Link.MAC()
	if m == [6]byte{} || m[0]&1 != 0 {
		t.Errorf("MAC %x is not a unicast address", m)
	}
	if s.Link.MTU() < 68 {
		t.Errorf("MTU %d is smaller than IPv4 allows", s.Link.MTU())
	}
	if s.Link.BatchSize() < 1 {
		t.Errorf("BatchSize %d", s.Link.BatchSize())
	}
	if !s.Link.LinkUp() {
		t.Error("carrier is down on a plugged wire")
	}
}

func everySize(t *testing.T, s Setup) {
	for _, d := range []struct {
		name     string
		from, to netio.Link
	}{{"send", s.Link, s.Far}, {"receive", s.Far, s.Link}} {
		buf := NewBuffers(1)
		for size := 14; size <= s.Link.MTU()+14; size++ {
			f := Frame(size, byte(size))
			if n, err := d.from.Send([][]byte{f}); n != 1 || err != nil {
				t.Fatalf("%s: Send of %d bytes: %d, %v", d.name, size, n, err)
			}
			n, err := d.to.Receive(buf.Bufs, buf.Sizes)
			if n != 1 || err != nil {
				t.Fatalf("%s: Receive of %d bytes: %d, %v", d.name, size, n, err)
			}
			if err := same(buf.Frame(0), f); err != nil {
				t.Fatalf("%s: %d bytes: %v", d.name, size, err)
			}
		}
	}
}

func orderUnderLoad(t *testing.T, s Setup) {
	const total = 5000
	done := make(chan error, 4)
	go func() { done <- SendSequence(s.Link, total) }()
	go func() { done <- SendSequence(s.Far, total) }()
	go func() { done <- ReceiveSequence(s.Link, total) }()
	go func() { done <- ReceiveSequence(s.Far, total) }()
	for range 4 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	st := s.Link.Stats()
	if st.TxFrames != total || st.RxFrames != total || st.RxDropped+st.RxErrors+st.TxDropped+st.TxErrors != 0 {
		t.Errorf("after %d frames each way: %+v", total, st)
	}
	if st.RxBytes < total*60 || st.TxBytes < total*60 {
		t.Errorf("byte counters: %+v", st)
	}
}

func backPressure(t *testing.T, s Setup) {
	const total = 3000
	done := make(chan error, 1)
	go func() { done <- SendSequence(s.Link, total) }()
	synctest.Wait() // until the sender stands still on full rings
	if err := ReceiveSequence(s.Far, total); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func bufferTooSmall(t *testing.T, s Setup) {
	small := [][]byte{make([]byte, 100)}
	sizes := make([]int, 1)
	if _, err := s.Far.Send([][]byte{Frame(400, 1), Frame(80, 2)}); err != nil {
		t.Fatal(err)
	}
	n, err := s.Link.Receive(small, sizes)
	if n != 1 || err != nil || sizes[0] != 80 || small[0][20] != 2 {
		t.Fatalf("Receive: %d, %v, size %d", n, err, sizes[0])
	}
	if st := s.Link.Stats(); st.RxDropped != 1 || st.RxFrames != 1 {
		t.Errorf("stats %+v: want one dropped, one received", st)
	}
}

func impossibleSize(t *testing.T, s Setup) {
	n, err := s.Link.Send([][]byte{nil, make([]byte, 13), make([]byte, s.Link.MTU()+19), Frame(60, 7)})
	if n != 4 || err != nil {
		t.Fatalf("Send: %d, %v", n, err)
	}
	buf := NewBuffers(4)
	if n, err := s.Far.Receive(buf.Bufs, buf.Sizes); n != 1 || err != nil || buf.Frame(0)[20] != 7 {
		t.Fatalf("far side got %d frames, %v", n, err)
	}
	if st := s.Link.Stats(); st.TxErrors != 3 || st.TxFrames != 1 {
		t.Errorf("stats %+v: want three errors, one frame", st)
	}
}

func noBuffers(t *testing.T, s Setup) {
	if n, err := s.Link.Receive(nil, nil); n != 0 || err != nil {
		t.Errorf("Receive without buffers: %d, %v", n, err)
	}
	if n, err := s.Link.Send(nil); n != 0 || err != nil {
		t.Errorf("Send without frames: %d, %v", n, err)
	}
}

func carrier(t *testing.T, s Setup) {
	if s.Carrier == nil {
		t.Skip("the link has no carrier")
	}
	s.Carrier(false)
	time.Sleep(settle)
	if s.Link.LinkUp() {
		t.Fatal("carrier still up on an unplugged wire")
	}
	if n, err := s.Link.Send([][]byte{Frame(60, 1)}); n != 1 || err != nil {
		t.Fatalf("Send without carrier: %d, %v", n, err)
	}
	if st := s.Link.Stats(); st.TxDropped != 1 {
		t.Errorf("stats %+v: want one dropped", st)
	}
	s.Carrier(true)
	time.Sleep(settle)
	if !s.Link.LinkUp() {
		t.Fatal("carrier still down on a plugged wire")
	}
	if _, err := s.Link.Send([][]byte{Frame(60, 9)}); err != nil {
		t.Fatal(err)
	}
	buf := NewBuffers(1)
	if n, err := s.Far.Receive(buf.Bufs, buf.Sizes); n != 1 || err != nil || buf.Frame(0)[20] != 9 {
		t.Fatalf("after plugging in: %d, %v", n, err)
	}
}

func closeWakesReceiver(t *testing.T, s Setup) {
	done := make(chan error, 1)
	go func() {
		buf := NewBuffers(1)
		_, err := s.Link.Receive(buf.Bufs, buf.Sizes)
		done <- err
	}()
	synctest.Wait()
	s.Link.Close()
	if err := <-done; !errors.Is(err, netio.ErrClosed) {
		t.Errorf("waiting Receive after Close: %v", err)
	}
}

func closeWakesSender(t *testing.T, s Setup) {
	done := make(chan error, 1)
	go func() { done <- SendSequence(s.Link, 100000) }()
	synctest.Wait() // until it stands still on full rings
	s.Link.Close()
	if err := <-done; !errors.Is(err, netio.ErrClosed) {
		t.Errorf("waiting Send after Close: %v", err)
	}
}

func afterClose(t *testing.T, s Setup) {
	s.Link.Close()
	s.Link.Close() // twice is harmless
	buf := NewBuffers(1)
	if _, err := s.Link.Receive(buf.Bufs, buf.Sizes); !errors.Is(err, netio.ErrClosed) {
		t.Errorf("Receive after Close: %v", err)
	}
	if n, err := s.Link.Send([][]byte{Frame(60, 1)}); n != 0 || !errors.Is(err, netio.ErrClosed) {
		t.Errorf("Send after Close: %d, %v", n, err)
	}
	if s.Link.LinkUp() {
		t.Error("carrier is up after Close")
	}
	s.Link.Stats()
	s.Link.MAC()
}

func hotRemoval(t *testing.T, s Setup) {
	if s.Remove == nil {
		t.Skip("the link cannot be pulled out")
	}
	done := make(chan error, 1)
	go func() {
		buf := NewBuffers(1)
		_, err := s.Link.Receive(buf.Bufs, buf.Sizes)
		done <- err
	}()
	synctest.Wait()
	s.Remove()
	if err := <-done; !errors.Is(err, netio.ErrGone) {
		t.Errorf("waiting Receive after removal: %v", err)
	}
	if err := SendSequence(s.Link, 100000); !errors.Is(err, netio.ErrGone) {
		t.Errorf("Send after removal: %v", err)
	}
	if s.Link.LinkUp() {
		t.Error("carrier is up after removal")
	}
}

func noAllocation(t *testing.T, s Setup) {
	const batch = 8
	out, in := NewBuffers(batch), NewBuffers(batch)
	for i := range out.Bufs {
		out.Bufs[i] = Frame(min(1000, s.Link.MTU()+14), byte(i))
	}
	move := func(from, to netio.Link) {
		if n, err := from.Send(out.Bufs); n != batch || err != nil {
			panic("netiotest: Send failed")
		}
		for got := 0; got < batch; {
			n, err := to.Receive(in.Bufs, in.Sizes)
			if err != nil {
				panic("netiotest: Receive failed")
			}
			got += n
		}
	}
	for range 100 {
		move(s.Link, s.Far)
		move(s.Far, s.Link)
	}
	if a := testing.AllocsPerRun(200, func() { move(s.Link, s.Far) }); a != 0 {
		t.Errorf("sending a batch allocates %v times", a)
	}
	if a := testing.AllocsPerRun(200, func() { move(s.Far, s.Link) }); a != 0 {
		t.Errorf("receiving a batch allocates %v times", a)
	}
}

// same compares a received frame with the one sent: hardware may have padded it
// with zeros to 60 bytes.
func same(got, want []byte) error {
	if len(got) < len(want) || !bytes.Equal(got[:len(want)], want) {
		return errors.New("frame was changed on the way")
	}
	pad := got[len(want):]
	if len(got) > len(want) && len(got) != 60 {
		return errors.New("frame was padded to another length than 60")
	}
	for _, b := range pad {
		if b != 0 {
			return errors.New("padding is not zero: it leaks memory")
		}
	}
	return nil
}
