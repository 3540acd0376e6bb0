package pipe

import (
	"sync/atomic"

	"basalt/drivers/netio"
)

// Config describes one pair. The zero value is a 1500-byte MTU, 256 frames of
// queue in each direction and two locally administered addresses.
type Config struct {
	Name  [2]string
	MAC   [2][6]byte
	MTU   int // payload bytes, default 1500
	Depth int // frames queued in each direction, default 256
}

// overhead is what a frame has beyond the MTU: two addresses, type and one tag.
const overhead = netio.MaxFrame - 1500

// End is one end of a pipe. It implements netio.Link.
type End struct {
	name    string
	mac     [6]byte
	mtu     int
	in, out *queue
	carrier *atomic.Bool // shared by both ends
	rx, tx  counters
}

var _ netio.Link = (*End)(nil)

type counters struct{ frames, bytes, dropped, errors atomic.Uint64 }

// New makes a connected pair.
func New(c Config) (a, b *End) {
	if c.MTU <= 0 {
		c.MTU = 1500
	}
	if c.Depth <= 0 {
		c.Depth = 256
	}
	var ends [2]*End
	ab, ba := newQueue(c.Depth, c.MTU+overhead), newQueue(c.Depth, c.MTU+overhead)
	carrier := new(atomic.Bool)
	carrier.Store(true)
	for i := range ends {
		e := &End{name: c.Name[i], mac: c.MAC[i], mtu: c.MTU, in: ba, out: ab, carrier: carrier}
		if i == 1 {
			e.in, e.out = ab, ba
		}
		if e.name == "" {
			e.name = "pipe" + string(rune('0'+i))
		}
		if e.mac == [6]byte{} {
			e.mac = [6]byte{0x02, 0, 0, 0, 0, byte(i + 1)}
		}
		ends[i] = e
	}
	return ends[0], ends[1]
}

// Name implements netio.Link.
func (e *End) Name() string { return e.name }

// MAC implements netio.Link.
func (e *End) MAC() [6]byte { return e.mac }

// MTU implements netio.Link.
func (e *End) MTU() int { return e.mtu }

// BatchSize implements netio.Link.
func (e *End) BatchSize() int { return 32 }

// LinkUp implements netio.Link: both ends are open and the cable is plugged in.
func (e *End) LinkUp() bool {
	return e.carrier.Load() && e.in.alive() && e.out.alive()
}

// SetCarrier plugs or unplugs the cable for both ends. Frames sent meanwhile are
// dropped and counted; frames already queued stay.
func (e *End) SetCarrier(up bool) { e.carrier.Store(up) }

// Remove makes this end behave as hardware that was pulled out: waiting and
// later calls return netio.ErrGone. The other end loses its carrier.
func (e *End) Remove() {
	e.in.shut(&e.in.reader, netio.ErrGone)
	e.out.shut(&e.out.writer, netio.ErrGone)
}

// Close implements netio.Link.
func (e *End) Close() error {
	e.in.shut(&e.in.reader, netio.ErrClosed)
	e.out.shut(&e.out.writer, netio.ErrClosed)
	return nil
}

// Receive implements netio.Link.
func (e *End) Receive(bufs [][]byte, sizes []int) (int, error) {
	if len(bufs) == 0 {
		return 0, e.in.readerErr()
	}
	return e.in.read(bufs, sizes, &e.rx)
}

// Send implements netio.Link.
func (e *End) Send(frames [][]byte) (int, error) {
	for i := 0; i < len(frames); {
		if !e.LinkUp() {
			if err := e.out.writerErr(); err != nil {
				return i, err
			}
			e.tx.dropped.Add(uint64(len(frames) - i))
			return len(frames), nil
		}
		n, err := e.out.write(frames[i:], &e.tx)
		i += n
		if err != nil {
			return i, err
		}
	}
	return len(frames), nil
}

// Stats implements netio.Link.
func (e *End) Stats() netio.Stats {
	return netio.Stats{
		RxFrames: e.rx.frames.Load(), RxBytes: e.rx.bytes.Load(),
		RxDropped: e.rx.dropped.Load(), RxErrors: e.rx.errors.Load(),
		TxFrames: e.tx.frames.Load(), TxBytes: e.tx.bytes.Load(),
		TxDropped: e.tx.dropped.Load(), TxErrors: e.tx.errors.Load(),
	}
}
