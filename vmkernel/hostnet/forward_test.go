package hostnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vswitch"
)

// networks are the networks of a host without a network device.
func networks(t *testing.T) *Networks {
	n := &Networks{
		own:     func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")} },
		servers: func() ([]netip.Addr, string) { return nil, "" },
	}
	t.Cleanup(func() {
		if _, _, gw := n.now(); gw != nil {
			gw.Close()
		}
	})
	return n
}

// freePort is a TCP port that nobody has now.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestForward(t *testing.T) {
	n := networks(t)
	if l := n.List(); len(l) != 1 || l[0].Name != host.NetworkNAT || l[0].Gateway.IsValid() || len(l[0].Ports) != 0 {
		t.Errorf("before anybody uses it: %+v", l)
	}
	const mac = "52:54:00:00:00:01"
	if _, ok := n.Address(mac); ok {
		t.Error("an address before there is a network")
	}
	port := freePort(t)
	stop, err := n.Forward(mac, []host.Forward{{Protocol: "tcp", HostPort: port, GuestPort: 22}})
	if err != nil {
		t.Fatal(err)
	}
	a, ok := n.Address(mac)
	if !ok {
		t.Fatal("the guest has no address")
	}
	got, err := n.Get(host.NetworkNAT)
	want := host.ActiveForward{Protocol: "tcp", HostPort: port, Guest: netip.AddrPortFrom(a, 22)}
	if err != nil || len(got.Forwards) != 1 || got.Forwards[0] != want || len(got.Leases) != 1 || !got.Leases[0].Reserved || got.Leases[0].MAC != mac {
		t.Errorf("%+v, %v", got, err)
	}
	// The port is taken: by another forward, and for the second of two.
	for _, list := range [][]host.Forward{
		{{Protocol: "tcp", HostPort: port, GuestPort: 22}},
		{{Protocol: "udp", HostPort: port, GuestPort: 22}, {Protocol: "tcp", HostPort: port, GuestPort: 22}},
	} {
		if _, err := n.Forward("52:54:00:00:00:02", list); !errors.Is(err, host.ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(port)) {
			t.Errorf("a port that is taken: %v", err)
		}
	}
	if got, _ := n.Get(host.NetworkNAT); len(got.Forwards) != 1 || len(got.Leases) != 1 {
		t.Errorf("a refused forward left something: %+v", got)
	}
	// An exchange keeps the address: the new ones come first.
	again, err := n.Forward(mac, []host.Forward{{Protocol: "udp", HostPort: port, GuestPort: 53}})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if b, ok := n.Address(mac); !ok || a != b {
		t.Errorf("the address became %v", b)
	}
	again()
	if _, ok := n.Address(mac); ok {
		t.Error("the address is kept without a forward and a lease")
	}
	if c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
		c.Close()
		t.Error("the port is open still")
	}
}

// TestCapture: what a guest's port sends is in the stream, and every way to end it
// ends it.
func TestCapture(t *testing.T) {
	n := networks(t)
	sw, err := n.Switch(host.NetworkNAT)
	if err != nil {
		t.Fatal(err)
	}
	port, err := sw.AddPort(vswitch.PortConfig{Name: "vm-1/nic0", MAC: vswitch.MAC{0x52, 0x54, 0, 0, 0, 1}}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, f := range map[string]func() error{
		"network": func() error { _, err := n.Capture(ctx, "none", "x", io.Discard, 64); return err },
		"port":    func() error { _, err := n.Capture(ctx, host.NetworkNAT, "x", io.Discard, 64); return err },
	} {
		if err := f(); !errors.Is(err, host.ErrNotFound) {
			t.Errorf("no such %s: %v", name, err)
		}
	}
	for _, snap := range []int{-1, 0, host.MinSnap - 1, host.MaxSnap + 1} {
		if _, err := n.Capture(ctx, host.NetworkNAT, "vm-1/nic0", io.Discard, snap); !errors.Is(err, host.ErrSnap) {
			t.Errorf("%d bytes of a frame: %v", snap, err)
		}
	}
	type result struct {
		host.CaptureStats
		err error
	}
	start := func(w io.Writer) chan result {
		done := make(chan result, 1)
		go func() {
			s, err := n.Capture(ctx, host.NetworkNAT, "vm-1/nic0", w, 64)
			done <- result{s, err}
		}()
		return done
	}
	r, w := io.Pipe()
	done := start(w)
	var h [24]byte
	if _, err := io.ReadFull(r, h[:]); err != nil || binary.LittleEndian.Uint32(h[:]) != 0xa1b23c4d {
		t.Fatalf("%x, %v", h, err)
	}
	if _, err := n.Capture(ctx, host.NetworkNAT, "vm-1/nic0", io.Discard, 64); !errors.Is(err, host.ErrBusy) {
		t.Errorf("a second capture: %v", err)
	}
	frame := append([]byte{2, 0, 0, 0, 0, 9, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xb5}, make([]byte, 86)...)
	port.Sender().Send([]vswitch.Packet{{Data: [][]byte{frame}}})
	rec := make([]byte, 16+64)
	if _, err := io.ReadFull(r, rec); err != nil || binary.LittleEndian.Uint32(rec[12:]) != 100 || !bytes.Equal(rec[16:], frame[:64]) {
		t.Errorf("%x, %v", rec, err)
	}
	// The reader goes away: the next frame ends the capture.
	r.Close()
	port.Sender().Send([]vswitch.Packet{{Data: [][]byte{frame}}})
	if s := <-done; !errors.Is(s.err, io.ErrClosedPipe) || s.Frames != 2 {
		t.Errorf("%+v", s)
	}
	// The port goes away.
	r, w = io.Pipe()
	done = start(w)
	io.ReadFull(r, h[:])
	port.Close()
	if s := <-done; s.err != nil {
		t.Errorf("the port was closed: %v", s.err)
	}
	// The context ends.
	if port, err = sw.AddPort(vswitch.PortConfig{Name: "vm-1/nic0", MAC: vswitch.MAC{0x52, 0x54, 0, 0, 0, 1}}, silent{}); err != nil {
		t.Fatal(err)
	}
	r, w = io.Pipe()
	done = start(w)
	io.ReadFull(r, h[:])
	cancel()
	if s := <-done; s.err != nil {
		t.Errorf("the context ended: %v", s.err)
	}
	port.Close()
}

type silent struct{}

func (silent) Deliver(b []vswitch.Frame) int { return len(b) }
