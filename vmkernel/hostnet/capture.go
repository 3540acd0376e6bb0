package hostnet

import (
	"context"
	"errors"
	"fmt"
	"io"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vswitch"
)

// captureBytes is what waits for the reader of a capture, in bytes of memory.
const captureBytes = 1 << 20

// Capture implements host.Networks.
func (n *Networks) Capture(ctx context.Context, network, port string, w io.Writer, snap int) (host.CaptureStats, error) {
	if snap < host.MinSnap || snap > host.MaxSnap {
		return host.CaptureStats{}, fmt.Errorf("%w: %d bytes, %d to %d are possible", host.ErrSnap, snap, host.MinSnap, host.MaxSnap)
	}
	p, err := n.port(network, port)
	if err != nil {
		return host.CaptureStats{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := p.Capture(&endOnError{w, cancel}, vswitch.CaptureConfig{Snap: snap, Queue: min(4096, captureBytes/snap)})
	switch {
	case errors.Is(err, vswitch.ErrExists):
		return host.CaptureStats{}, fmt.Errorf("port %q: %w: it is captured already", port, host.ErrBusy)
	case errors.Is(err, vswitch.ErrClosed):
		return host.CaptureStats{}, fmt.Errorf("port %q of network %q: %w", port, network, host.ErrNotFound)
	case err != nil:
		return host.CaptureStats{}, err
	}
	defer context.AfterFunc(ctx, c.Stop)()
	err = c.Wait()
	s := c.Stats()
	return host.CaptureStats{Frames: s.Frames, Dropped: s.Dropped}, err
}

func (n *Networks) port(network, port string) (*vswitch.Port, error) {
	switches, sw, _ := n.now()
	if sw != nil {
		switches = append(switches, sw)
	}
	found := network == host.NetworkNAT
	for _, s := range switches {
		if s.Name() != network {
			continue
		}
		found = true
		for _, p := range s.Ports() {
			if p.Name() == port {
				return p, nil
			}
		}
	}
	if !found {
		return nil, n.unknown(network)
	}
	return nil, fmt.Errorf("port %q of network %q: %w", port, network, host.ErrNotFound)
}

// endOnError ends a capture whose reader is gone.
type endOnError struct {
	w      io.Writer
	cancel context.CancelFunc
}

func (e *endOnError) Write(p []byte) (int, error) {
	n, err := e.w.Write(p)
	if err != nil {
		e.cancel()
	}
	return n, err
}
