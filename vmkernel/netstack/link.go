package netstack

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"basalt/drivers/netio"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// linkEndpoint joins a netio.Link to the stack. Frames out wait in a bounded
// queue for the sending goroutine; frames in are delivered by the receiving one.
type linkEndpoint struct {
	link netio.Link
	nic  tcpip.NICID

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
	mtu        uint32 // with Ethernet header
	tap        func(frame []byte) bool

	queue   chan *stack.PacketBuffer // to the sending goroutine
	done    chan struct{}            // closed by stop
	flushed chan struct{}            // closed when the sending goroutine ended
	ended   chan struct{}            // closed when the receiving goroutine ended
	once    sync.Once
	dropped atomic.Uint64 // queue full, or the link took no more
	gone    atomic.Bool
	wg      sync.WaitGroup
}

var _ stack.LinkEndpoint = (*linkEndpoint)(nil)

// AddLink makes an interface of a link and starts to move its packets. The stack
// owns the link from now on.
func (st *Stack) AddLink(link netio.Link) (*Interface, error) {
	l := &linkEndpoint{
		link:    link,
		mtu:     uint32(link.MTU()) + header.EthernetMinimumSize,
		queue:   make(chan *stack.PacketBuffer, st.limits.LinkQueue),
		done:    make(chan struct{}),
		flushed: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	st.mu.Lock()
	l.nic = st.nextNIC
	st.nextNIC++
	st.mu.Unlock()
	if err := check(link.Name(), st.s.CreateNICWithOptions(l.nic, ethernet.New(l), stack.NICOptions{Name: link.Name()})); err != nil {
		return nil, err
	}
	st.mu.Lock()
	st.links[l.nic] = l
	st.mu.Unlock()
	l.wg.Add(2)
	go l.receive()
	go l.send()
	return &Interface{st: st, l: l}, nil
}

// flushTime bounds how long stop waits for queued frames to leave.
const flushTime = 100 * time.Millisecond

// stop lets queued frames leave, ends both goroutines and closes the link.
func (l *linkEndpoint) stop() {
	l.once.Do(func() {
		close(l.done)
		select {
		case <-l.flushed:
		case <-time.After(flushTime):
		}
		l.link.Close()
	})
	l.wg.Wait()
}

// receive takes batches from the link and delivers them until it is closed or
// its hardware is gone.
func (l *linkEndpoint) receive() {
	defer l.wg.Done()
	defer close(l.ended)
	batch := max(l.link.BatchSize(), 1)
	bufs, sizes := make([][]byte, batch), make([]int, batch)
	room := make([]byte, batch*netio.MaxFrame)
	for i := range bufs {
		bufs[i] = room[i*netio.MaxFrame : (i+1)*netio.MaxFrame : (i+1)*netio.MaxFrame]
	}
	for {
		n, err := l.link.Receive(bufs, sizes)
		for i := range n {
			l.deliver(bufs[i][:sizes[i]])
		}
		if err == nil {
			continue
		}
		if errors.Is(err, netio.ErrClosed) {
			return
		}
		if errors.Is(err, netio.ErrGone) {
			l.gone.Store(true)
			return
		}
		// A device that failed once may recover; one that keeps failing must
		// not take a processor.
		select {
		case <-l.done:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// deliver gives one frame, copied, to the stack.
func (l *linkEndpoint) deliver(frame []byte) {
	if len(frame) < header.EthernetMinimumSize {
		return
	}
	l.mu.RLock()
	d, tap := l.dispatcher, l.tap
	l.mu.RUnlock()
	if tap != nil && tap(frame) {
		return
	}
	if d == nil {
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		Payload: buffer.MakeWithView(buffer.NewViewWithData(frame)),
	})
	d.DeliverNetworkPacket(0, pkt) // the Ethernet endpoint above reads the protocol
	pkt.DecRef()
}

// send moves queued packets to the link in batches.
func (l *linkEndpoint) send() {
	defer l.wg.Done()
	defer close(l.flushed)
	batch := max(l.link.BatchSize(), 1)
	pkts := make([]*stack.PacketBuffer, 0, batch)
	frames := make([][]byte, batch)
	room := make([]byte, batch*netio.MaxFrame)
	for i := range frames {
		frames[i] = room[i*netio.MaxFrame : i*netio.MaxFrame : (i+1)*netio.MaxFrame]
	}
	for {
		select {
		case p := <-l.queue:
			pkts = append(pkts[:0], p)
		default:
			select {
			case <-l.done:
				return
			case <-l.ended:
				l.drain()
				return
			case p := <-l.queue:
				pkts = append(pkts[:0], p)
			}
		}
	more:
		for len(pkts) < batch {
			select {
			case p := <-l.queue:
				pkts = append(pkts, p)
			default:
				break more
			}
		}
		n := 0
		for _, p := range pkts {
			if p.Size() <= netio.MaxFrame {
				f := frames[n][:0]
				for _, s := range p.AsSlices() {
					f = append(f, s...)
				}
				frames[n] = f
				n++
			} else {
				l.dropped.Add(1)
			}
			p.DecRef()
		}
		sent, err := l.link.Send(frames[:n])
		l.dropped.Add(uint64(n - sent))
		if errors.Is(err, netio.ErrClosed) || errors.Is(err, netio.ErrGone) {
			l.gone.Store(errors.Is(err, netio.ErrGone))
			l.drain()
			return
		}
	}
}

// drain drops what is queued after the link ended.
func (l *linkEndpoint) drain() {
	for {
		select {
		case p := <-l.queue:
			p.DecRef()
			l.dropped.Add(1)
		default:
			return
		}
	}
}

// sendFrame sends one frame outside the stack (the DHCP client before there is
// an address).
func (l *linkEndpoint) sendFrame(frame []byte) error {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		Payload: buffer.MakeWithView(buffer.NewViewWithData(frame)),
	})
	defer pkt.DecRef()
	var list stack.PacketBufferList
	list.PushBack(pkt)
	if n, _ := l.WritePackets(list); n != 1 {
		return fmt.Errorf("netstack: %s: the queue to the link is full", l.link.Name())
	}
	return nil
}

// WritePackets implements stack.LinkWriter: it never blocks.
func (l *linkEndpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	n := 0
	for _, p := range pkts.AsSlice() {
		if l.gone.Load() {
			l.dropped.Add(1)
			continue
		}
		select {
		case l.queue <- p.IncRef():
			n++
		default:
			p.DecRef()
			l.dropped.Add(1)
		}
	}
	if n == 0 {
		return 0, &tcpip.ErrNoBufferSpace{}
	}
	return n, nil
}

// The rest implements stack.LinkEndpoint. The MTU counts the Ethernet header,
// which the Ethernet endpoint above takes off.

func (l *linkEndpoint) MTU() uint32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.mtu
}

func (l *linkEndpoint) SetMTU(mtu uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mtu = min(mtu, uint32(l.link.MTU())+header.EthernetMinimumSize)
}

func (l *linkEndpoint) MaxHeaderLength() uint16 { return 0 }

func (l *linkEndpoint) LinkAddress() tcpip.LinkAddress {
	mac := l.link.MAC()
	return tcpip.LinkAddress(mac[:])
}

func (l *linkEndpoint) SetLinkAddress(tcpip.LinkAddress) {}

func (l *linkEndpoint) Capabilities() stack.LinkEndpointCapabilities { return 0 }

func (l *linkEndpoint) Attach(d stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dispatcher = d
}

func (l *linkEndpoint) IsAttached() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.dispatcher != nil
}

func (l *linkEndpoint) Wait() {}

func (l *linkEndpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

func (l *linkEndpoint) AddHeader(*stack.PacketBuffer) {}

func (l *linkEndpoint) ParseHeader(*stack.PacketBuffer) bool { return true }

func (l *linkEndpoint) Close() {}

func (l *linkEndpoint) SetOnCloseAction(func()) {}
