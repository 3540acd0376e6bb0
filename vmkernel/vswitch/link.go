package vswitch

import (
	"fmt"
	"sync"
	"sync/atomic"

	"basalt/drivers/netio"
)

// linkQueue is the number of frames that wait for a Link's Receive.
const linkQueue = 256

// Link is a port that speaks netio.Link: for the host's TCP/IP stack or a gateway.
// Other than a NIC's, its Send never blocks: the switch takes everything or drops
// and counts it, as a wire does. So it does not pass netiotest's back pressure.
type Link struct {
	port   *Port
	queue  *frameQueue
	mtu    int
	sendMu sync.Mutex
	send   *Sender
	pkts   [Burst]Packet
	data   [Burst][1][]byte
	failed atomic.Uint64 // frames of impossible size
	uplink atomic.Pointer[Uplink]
}

var _ netio.Link = (*Link)(nil)

// AddLink adds a port that is read and written through a Link. c.Features must be
// zero.
func (s *Switch) AddLink(c PortConfig) (*Link, error) {
	if c.Features != (Features{}) {
		return nil, fmt.Errorf("%w: a netio.Link carries no offload", ErrConfig)
	}
	l := &Link{mtu: min(s.cfg.MTU, netio.MaxFrame-EthernetHeader-tagSize), queue: newFrameQueue(linkQueue, netio.MaxFrame)}
	p, err := s.AddPort(c, l.queue)
	if err != nil {
		return nil, err
	}
	l.port, l.send = p, p.Sender()
	return l, nil
}

// Port is the port behind the link.
func (l *Link) Port() *Port { return l.port }

// Name is the port's name.
func (l *Link) Name() string { return l.port.name }

// MAC is the port's address.
func (l *Link) MAC() [6]byte { return l.port.MAC() }

// MTU is the largest payload in bytes.
func (l *Link) MTU() int { return l.mtu }

// Follow makes LinkUp say what the carrier of an uplink is: a stack that asks for
// an address again when the carrier comes back does so for the NIC's. nil ends it.
func (l *Link) Follow(u *Uplink) { l.uplink.Store(u) }

// LinkUp says whether the port is up and the uplink that it follows, too.
func (l *Link) LinkUp() bool {
	u := l.uplink.Load()
	return l.port.Up() && (u == nil || u.LinkUp())
}

// BatchSize is Burst.
func (l *Link) BatchSize() int { return Burst }

// Receive waits for frames from the switch.
func (l *Link) Receive(bufs [][]byte, sizes []int) (int, error) { return l.queue.receive(bufs, sizes) }

// Send gives frames to the switch.
func (l *Link) Send(frames [][]byte) (int, error) {
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	if l.queue.isClosed() {
		return 0, netio.ErrClosed
	}
	for rest := frames; len(rest) > 0; {
		n := 0
		for n < len(rest) && n < Burst {
			l.data[n][0] = rest[n]
			l.pkts[n] = Packet{Data: l.data[n][:]}
			if k := len(rest[n]); k < EthernetHeader || k > l.mtu+EthernetHeader+tagSize {
				l.failed.Add(1)
			}
			n++
		}
		l.send.Send(l.pkts[:n])
		clear(l.data[:n])
		rest = rest[n:]
	}
	return len(frames), nil
}

// Stats translates the port's counters; sending is from the owner's side.
func (l *Link) Stats() netio.Stats {
	st := l.port.Stats()
	lost := uint64(0)
	for d := range DropFull {
		lost += st.Drops[d]
	}
	bad, crowded := l.failed.Load(), l.queue.crowded.Load() // which the port counts as received
	return netio.Stats{
		RxFrames: st.RxFrames - min(crowded, st.RxFrames), RxBytes: st.RxBytes,
		RxDropped: st.Drops[DropFull] + st.Drops[DropPortDown] + l.queue.short.Load() + crowded,
		TxFrames:  st.TxFrames, TxBytes: st.TxBytes, TxDropped: lost - min(bad, lost), TxErrors: bad,
	}
}

// Close removes the port and wakes Receive.
func (l *Link) Close() error {
	l.port.Close()
	l.queue.close()
	return nil
}
