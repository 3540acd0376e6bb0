package vswitch

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"basalt/drivers/netio"
)

// locked is a receiver as a device is: its own lock, held while it copies.
type locked struct {
	mu  sync.Mutex
	buf [2048]byte
	n   atomic.Uint64
}

func (k *locked) Deliver(b []Frame) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range b {
		c := b[i].Cursor()
		c.Read(k.buf[:])
	}
	k.n.Add(uint64(len(b)))
	return len(b)
}

// TestConcurrency has all ports send to all, on two queues each, while the
// configuration changes. Nothing may be lost, and the race detector watches.
func TestConcurrency(t *testing.T) {
	sw, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer sw.Close()
	const ports, rounds, batch = 4, 200, 40
	var rx [ports]locked
	var p [ports]*Port
	for i := range p {
		if p[i], err = sw.AddPort(PortConfig{Name: fmt.Sprint(i), MAC: mac(byte(i + 1)), Policy: Policy{Promiscuous: i == 3, ForgedTransmits: i == 2}}, &rx[i]); err != nil {
			t.Fatal(err)
		}
	}
	var senders, changer sync.WaitGroup
	stop := make(chan struct{})
	changer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			q, err := sw.AddPort(PortConfig{Name: "x", MAC: mac(99), Policy: all}, &locked{})
			if err != nil {
				t.Error(err)
				return
			}
			c, err := q.Capture(discard{}, CaptureConfig{})
			if err != nil {
				t.Error(err)
				return
			}
			q.SetVLAN(VLAN{ID: uint16(i % 3)})
			q.SetUp(i%2 == 0)
			q.SetFeatures(Features{CSum: i%2 == 0})
			q.SetFilter(&Filter{Promiscuous: i%2 == 0})
			q.Close()
			c.Wait()
			sw.Ports()
			sw.FDB()
		}
	})
	for i := range p {
		for range 2 {
			senders.Go(func() {
				s := p[i].Sender()
				pk := make([]Packet, batch)
				for k := range pk {
					to := (i + 1 + k%(ports-1)) % ports
					pk[k] = Packet{Data: [][]byte{frame(mac(byte(to+1)), mac(byte(i+1)), -1)}}
				}
				for range rounds {
					s.Send(pk)
				}
			})
		}
	}
	senders.Wait()
	close(stop)
	changer.Wait()
	total := uint64(0)
	for i := range p {
		st := p[i].Stats()
		if st.TxFrames != 2*rounds*batch || st.RxFrames != rx[i].n.Load() || dropped(p[i]) != "" {
			t.Errorf("port %d: %+v", i, st)
		}
		if i != 3 {
			total += st.RxFrames
		}
	}
	// Port 3 is promiscuous: it has every frame but its own.
	if n := rx[3].n.Load(); n != 3*2*rounds*batch {
		t.Errorf("promiscuous port has %d frames", n)
	}
	if sent := uint64(4*2*rounds*batch) - uint64(3*2*rounds*((batch+1)/3)); total < sent-3*2*rounds || total > sent+3*2*rounds {
		t.Errorf("%d frames delivered, about %d sent to the others", total, sent)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// TestCloseWaitsForDelivery: after Close no delivery is under way.
func TestCloseWaitsForDelivery(t *testing.T) {
	sw, _ := New(Config{})
	defer sw.Close()
	a, _ := sw.AddPort(PortConfig{Name: "a", MAC: mac(1)}, &locked{})
	k := &blocker{in: make(chan struct{}), out: make(chan struct{})}
	b, _ := sw.AddPort(PortConfig{Name: "b", MAC: mac(2)}, k)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		a.Sender().Send([]Packet{{Data: [][]byte{frame(mac(2), mac(1), -1)}}})
	}()
	<-k.in
	closed := make(chan struct{})
	go func() { b.Close(); close(closed) }()
	// The port is out of the table at once, but Close has not returned.
	for len(sw.Ports()) != 1 {
		runtime.Gosched()
	}
	select {
	case <-closed:
		t.Error("Close returned during a delivery")
	default:
	}
	close(k.out)
	<-closed
	<-sent
	if !k.left.Load() {
		t.Error("Close returned before the delivery ended")
	}
	a.Sender().Send([]Packet{{Data: [][]byte{frame(mac(2), mac(1), -1)}}})
	if k.n != 1 {
		t.Errorf("%d deliveries", k.n)
	}
}

type blocker struct {
	in, out chan struct{}
	n       int
	left    atomic.Bool
}

func (b *blocker) Deliver(f []Frame) int {
	b.n++
	close(b.in)
	<-b.out
	b.left.Store(true)
	return len(f)
}

func TestNoAllocation(t *testing.T) {
	sw, _ := New(Config{})
	defer sw.Close()
	full := Features{CSum: true, TSO4: true, TSO6: true}
	a, _ := sw.AddPort(PortConfig{Name: "a", MAC: mac(1)}, &locked{})
	sw.AddPort(PortConfig{Name: "b", MAC: mac(2), Features: full}, &locked{})
	sw.AddPort(PortConfig{Name: "u", Uplink: true, VLAN: VLAN{Trunk: AllVLANs()}}, newFrameQueue(8, netio.MaxFrame))
	sw.AddPort(PortConfig{Name: "p", MAC: mac(4), Policy: Policy{Promiscuous: true}, VLAN: VLAN{Trunk: AllVLANs()}}, &locked{})
	s := a.Sender()
	big, o := tcpFrame(false, 0, 12, make([]byte, 60000), 0x18)
	o.GSOSize = 1448
	batch := []Packet{
		{Data: [][]byte{frame(mac(2), mac(1), -1)}},
		{Data: [][]byte{frame(Broadcast, mac(1), -1)}},
		{Data: [][]byte{frame(mac(77), mac(1), -1)}},
		{Data: [][]byte{big[:100], big[100:30000], big[30000:]}, Offload: o},
	}
	c, err := a.Capture(discard{}, CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s.Send(batch)
	if n := testing.AllocsPerRun(200, func() { s.Send(batch) }); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
	c.Stop()
	if st := a.Stats(); st.TxFrames != 4*202 || dropped(a) != "" {
		t.Errorf("%+v", st)
	}
}

func BenchmarkSmallFrames(b *testing.B) {
	sw, _ := New(Config{})
	a, _ := sw.AddPort(PortConfig{Name: "a", MAC: mac(1)}, &locked{})
	sw.AddPort(PortConfig{Name: "b", MAC: mac(2)}, &locked{})
	s := a.Sender()
	var batch []Packet
	for range Burst {
		batch = append(batch, Packet{Data: [][]byte{frame(mac(2), mac(1), -1)}})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Send(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*Burst), "ns/frame")
}
