package nat

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"basalt/drivers/netio"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// endpoint joins the gateway's stack to its link. Frames out are sent at once, on
// the goroutine that made them; frames in come on one goroutine.
type endpoint struct {
	link netio.Link

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
	mtu        uint32 // with Ethernet header

	out    sync.Mutex // frames, room
	frames [][]byte
	room   []byte
	lost   atomic.Uint64 // frames that the link did not take
}

var _ stack.LinkEndpoint = (*endpoint)(nil)

func newEndpoint(link netio.Link) *endpoint {
	n := max(link.BatchSize(), 1)
	return &endpoint{
		link: link, mtu: uint32(link.MTU()) + header.EthernetMinimumSize,
		frames: make([][]byte, 0, n), room: make([]byte, n*netio.MaxFrame),
	}
}

// receive moves frames from the link to f until the link is closed.
func (e *endpoint) receive(ctx context.Context, f func(frame []byte)) {
	batch := max(e.link.BatchSize(), 1)
	bufs, sizes := make([][]byte, batch), make([]int, batch)
	room := make([]byte, batch*netio.MaxFrame)
	for i := range bufs {
		bufs[i] = room[i*netio.MaxFrame : (i+1)*netio.MaxFrame : (i+1)*netio.MaxFrame]
	}
	for {
		n, err := e.link.Receive(bufs, sizes)
		for i := range n {
			f(bufs[i][:sizes[i]])
		}
		if errors.Is(err, netio.ErrClosed) || errors.Is(err, netio.ErrGone) {
			return
		}
		if err != nil { // one that keeps failing must not take a processor
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// deliver gives a copy of a frame to the stack.
func (e *endpoint) deliver(frame []byte) {
	e.mu.RLock()
	d := e.dispatcher
	e.mu.RUnlock()
	if d == nil {
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(buffer.NewViewWithData(frame))})
	d.DeliverNetworkPacket(0, pkt) // the Ethernet endpoint above reads the protocol
	pkt.DecRef()
}

// WritePackets implements stack.LinkWriter.
func (e *endpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	e.out.Lock()
	defer e.out.Unlock()
	n := 0
	for _, p := range pkts.AsSlice() {
		if p.Size() > netio.MaxFrame {
			e.lost.Add(1)
			continue
		}
		at := len(e.frames) * netio.MaxFrame
		f := e.room[at : at : at+netio.MaxFrame]
		for _, s := range p.AsSlices() {
			f = append(f, s...)
		}
		e.frames = append(e.frames, f)
		n++
		if len(e.frames) == cap(e.frames) {
			e.flush()
		}
	}
	e.flush()
	return n, nil
}

func (e *endpoint) flush() {
	if len(e.frames) == 0 {
		return
	}
	sent, _ := e.link.Send(e.frames) // the receiver notices a closed link
	e.lost.Add(uint64(len(e.frames) - sent))
	e.frames = e.frames[:0]
}

// send sends one frame outside the stack.
func (e *endpoint) send(frame []byte) {
	e.out.Lock()
	defer e.out.Unlock()
	e.frames = append(e.frames, frame)
	e.flush()
}

// The rest implements stack.LinkEndpoint. The MTU counts the Ethernet header,
// which the Ethernet endpoint above takes off.

func (e *endpoint) MTU() uint32 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.mtu
}

func (e *endpoint) SetMTU(mtu uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mtu = mtu
}

func (e *endpoint) MaxHeaderLength() uint16 { return 0 }

func (e *endpoint) LinkAddress() tcpip.LinkAddress {
	m := e.link.MAC()
	return tcpip.LinkAddress(m[:])
}

func (e *endpoint) SetLinkAddress(tcpip.LinkAddress) {}

func (e *endpoint) Capabilities() stack.LinkEndpointCapabilities {
	return 0
}

func (e *endpoint) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = d
}

func (e *endpoint) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.dispatcher != nil
}

func (e *endpoint) Wait()                                   {}
func (e *endpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (e *endpoint) AddHeader(*stack.PacketBuffer)           {}
func (e *endpoint) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (e *endpoint) Close()                                  {}
func (e *endpoint) SetOnCloseAction(func())                 {}
