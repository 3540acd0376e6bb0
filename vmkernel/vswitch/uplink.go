package vswitch

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"basalt/drivers/netio"
)

// uplinkQueue is the number of frames that wait for a NIC.
const uplinkQueue = 512

// retryPause is how long a NIC that failed is left alone.
const retryPause = 100 * time.Millisecond

// Uplink joins a NIC to the switch. It has two goroutines, because a NIC blocks.
type Uplink struct {
	port  *Port
	link  netio.Link
	queue *frameQueue
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
	gone  atomic.Bool
	lost  atomic.Uint64 // frames that the NIC took not
}

// AddUplink adds a port that leads to link, which the switch owns from now on. The
// NIC must receive all addresses (promiscuous), or ports other than the one with
// the NIC's own address hear nothing but broadcast.
func (s *Switch) AddUplink(name string, v VLAN, link netio.Link) (*Uplink, error) {
	if link.MTU() < s.cfg.MTU {
		return nil, fmt.Errorf("%w: %s carries %d bytes, the switch %d", ErrConfig, link.Name(), link.MTU(), s.cfg.MTU)
	}
	u := &Uplink{link: link, queue: newFrameQueue(uplinkQueue, s.cfg.MTU+EthernetHeader+tagSize), stop: make(chan struct{})}
	p, err := s.AddPort(PortConfig{Name: name, VLAN: v, Uplink: true}, u.queue)
	if err != nil {
		return nil, err
	}
	u.port = p
	u.wg.Add(2)
	go u.in()
	go u.out()
	return u, nil
}

// Port is the port behind the uplink.
func (u *Uplink) Port() *Port { return u.port }

// LinkUp says whether the NIC has a carrier.
func (u *Uplink) LinkUp() bool { return !u.gone.Load() && u.link.LinkUp() }

// Gone says that the NIC disappeared.
func (u *Uplink) Gone() bool { return u.gone.Load() }

// Lost counts frames that the NIC did not take.
func (u *Uplink) Lost() uint64 { return u.lost.Load() + u.queue.crowded.Load() }

// Close removes the port and closes the NIC.
func (u *Uplink) Close() {
	u.once.Do(func() {
		close(u.stop)
		u.port.Close()
		u.queue.close()
		u.link.Close()
	})
	u.wg.Wait()
}

// in moves what the NIC receives into the switch.
func (u *Uplink) in() {
	defer u.wg.Done()
	n := min(max(u.link.BatchSize(), 1), Burst)
	frame := u.link.MTU() + EthernetHeader + tagSize
	bufs, sizes := make([][]byte, n), make([]int, n)
	mem := make([]byte, n*frame)
	pkts, data := make([]Packet, n), make([][1][]byte, n)
	for i := range bufs {
		bufs[i] = mem[i*frame : (i+1)*frame : (i+1)*frame]
	}
	s := u.port.Sender()
	for {
		n, err := u.link.Receive(bufs, sizes)
		for i := range n {
			data[i][0] = bufs[i][:sizes[i]]
			pkts[i] = Packet{Data: data[i][:]}
		}
		s.Send(pkts[:n])
		if !u.goOn(err) {
			return
		}
	}
}

// out moves what the switch sends to the NIC.
func (u *Uplink) out() {
	defer u.wg.Done()
	frames := make([][]byte, min(max(u.link.BatchSize(), 1), uplinkQueue))
	for {
		n, ok := u.queue.peek(frames)
		if !ok {
			return
		}
		sent, err := u.link.Send(frames[:n])
		u.lost.Add(uint64(n - sent))
		u.queue.done(n)
		if !u.goOn(err) {
			return
		}
	}
}

// goOn says whether to go on after err. A NIC that failed once may recover; one
// that keeps failing must not take a processor.
func (u *Uplink) goOn(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, netio.ErrClosed):
		return false
	case errors.Is(err, netio.ErrGone):
		u.gone.Store(true)
		u.port.SetUp(false)
		return false
	}
	t := time.NewTimer(retryPause)
	defer t.Stop()
	select {
	case <-u.stop:
		return false
	case <-t.C:
		return true
	}
}
