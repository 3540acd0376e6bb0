package nat

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// copyBuffer is the room for one direction of a connection, in bytes.
	copyBuffer = 16 << 10
	// userTimeout is how long a guest may leave data unacknowledged: as long as Linux
	// would wait for it (tcp_retries2), because it may be suspended and come back.
	userTimeout = 15 * time.Minute
	// maxRTO is the longest time between two attempts to reach it meanwhile, so that it
	// has what it missed soon after it is back. Only userTimeout bounds their number.
	maxRTO = 4 * time.Second
)

// pump copies between two connections until both directions ended, one failed, or
// nothing moved for idle. It closes both.
func (n *Network) pump(a, b net.Conn, idle time.Duration) {
	defer a.Close()
	defer b.Close()
	if !n.keep(a) || !n.keep(b) {
		return
	}
	defer n.forget(a)
	defer n.forget(b)
	p := &pumping{idle: idle}
	p.touch()
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(a, b) })
	p.copy(b, a)
	wg.Wait()
}

type pumping struct {
	idle time.Duration
	last atomic.Int64 // when something moved, in nanoseconds
}

func (p *pumping) touch() { p.last.Store(time.Now().UnixNano()) }

// left is how long the connection may still be idle.
func (p *pumping) left() time.Duration { return p.idle - time.Since(time.Unix(0, p.last.Load())) }

// copy moves one direction. At its end it closes the other side's writing half, or
// both connections if that was an error.
func (p *pumping) copy(dst, src net.Conn) {
	buf := make([]byte, copyBuffer)
	for {
		src.SetReadDeadline(time.Now().Add(max(p.left(), time.Millisecond)))
		k, err := src.Read(buf)
		if k > 0 {
			p.touch()
			dst.SetWriteDeadline(time.Now().Add(p.idle))
			if _, werr := dst.Write(buf[:k]); werr != nil {
				err = werr
				src.Close()
				dst.Close()
				return
			}
			p.touch()
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
			if p.left() > 0 {
				continue // the other direction moved
			}
			src.Close()
			dst.Close()
			return
		default:
			if c, ok := dst.(interface{ CloseWrite() error }); ok && isEOF(err) {
				c.CloseWrite() // a connection that is gone needs no half-close
			} else {
				src.Close()
				dst.Close()
			}
			return
		}
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
