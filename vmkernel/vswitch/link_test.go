package vswitch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"basalt/drivers/netio"
	"basalt/drivers/netio/netiotest"
	"basalt/drivers/netio/pipe"
)

// TestUplinkAndHost: the host keeps talking through the NIC that its guests use.
func TestUplinkAndHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		nic, wire := pipe.New(pipe.Config{MAC: [2][6]byte{mac(1)}})
		up, err := sw.AddUplink("vmnic0", VLAN{Trunk: AllVLANs()}, nic)
		if err != nil {
			t.Fatal(err)
		}
		host, err := sw.AddLink(PortConfig{Name: "vmk0", MAC: MAC(nic.MAC())})
		if err != nil {
			t.Fatal(err)
		}
		var guest locked
		g, err := sw.AddPort(PortConfig{Name: "vm", MAC: mac(2), VLAN: VLAN{ID: 5}}, &guest)
		if err != nil {
			t.Fatal(err)
		}
		buf := netiotest.NewBuffers(8)
		receive := func(l netio.Link, want ...[]byte) {
			t.Helper()
			n, err := l.Receive(buf.Bufs, buf.Sizes)
			if err != nil || n != len(want) {
				t.Fatalf("%d frames, %v", n, err)
			}
			for i := range want {
				if !bytes.Equal(buf.Frame(i), want[i]) {
					t.Errorf("frame %d: %x, want %x", i, buf.Frame(i), want[i])
				}
			}
		}
		hello := frame(Broadcast, mac(1), -1)
		host.Send([][]byte{hello, hello})
		synctest.Wait()
		receive(wire, hello, hello)
		wire.Send([][]byte{frame(mac(1), mac(9), -1)})
		receive(host, frame(mac(1), mac(9), -1))
		g.Sender().Send([]Packet{{Data: [][]byte{frame(mac(9), mac(2), -1)}}})
		tagged := append(frame(mac(9), mac(2), 5)[:16:16], frame(mac(9), mac(2), -1)[12:]...)
		receive(wire, tagged)
		wire.Send([][]byte{frame(mac(2), mac(9), 5), frame(mac(2), mac(9), 6), frame(mac(77), mac(9), -1)})
		synctest.Wait()
		if n := guest.n.Load(); n != 1 {
			t.Errorf("the guest has %d frames", n)
		}
		if n, err := host.Send([][]byte{hello[:10], make([]byte, 2000)}); n != 2 || err != nil || host.Stats().TxErrors != 2 {
			t.Errorf("%d %v %+v", n, err, host.Stats())
		}
		// Nobody reads the host's link: the NIC side goes on.
		for range 2 * linkQueue {
			wire.Send([][]byte{frame(mac(1), mac(9), -1)})
		}
		synctest.Wait()
		if st := host.Stats(); st.RxDropped == 0 || st.RxFrames != 1+linkQueue/2 {
			t.Errorf("%+v", st)
		}
		host.Follow(up)
		for _, carrier := range []bool{false, true} {
			if nic.SetCarrier(carrier); host.LinkUp() != carrier {
				t.Errorf("carrier %v, the host sees %v", carrier, host.LinkUp())
			}
		}
		nic.Remove()
		synctest.Wait()
		if host.LinkUp() {
			t.Error("the host sees a carrier without a NIC")
		}
		if !up.Gone() || up.Port().Up() {
			t.Error("the NIC is gone and the port does not know")
		}
		up.Close()
		host.Close()
		if _, err := host.Receive(buf.Bufs, buf.Sizes); !errors.Is(err, netio.ErrClosed) {
			t.Error(err)
		}
		if _, err := host.Send([][]byte{hello}); !errors.Is(err, netio.ErrClosed) {
			t.Error(err)
		}
		sw.Close()
		wire.Close()
	})
}

func TestUplinkMTU(t *testing.T) {
	sw, _ := New(Config{MTU: 9000})
	a, _ := pipe.New(pipe.Config{})
	if _, err := sw.AddUplink("u", VLAN{}, a); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	if _, err := sw.AddLink(PortConfig{Name: "l", MAC: mac(1), Features: Features{CSum: true}}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}

// slow is a writer that takes one record at a time when it is told to.
type slow struct {
	bytes.Buffer
	turn chan struct{}
}

func (s *slow) Write(p []byte) (int, error) { <-s.turn; return s.Buffer.Write(p) }

func TestCapture(t *testing.T) {
	r := newRig(t, Config{})
	r.add(PortConfig{Name: "a", MAC: mac(1)})
	r.add(PortConfig{Name: "b", MAC: mac(2)})
	w := &slow{turn: make(chan struct{})}
	c, err := r.ports["a"].Capture(w, CaptureConfig{Snap: 40, Queue: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ports["a"].Capture(w, CaptureConfig{}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	for range 6 { // the writer stands still: 4 are kept
		r.from("a", frame(mac(2), mac(1), -1))
	}
	if st := c.Stats(); st != (CaptureStats{Frames: 4, Dropped: 2}) {
		t.Errorf("%+v", st)
	}
	close(w.turn)
	r.from("b", frame(mac(1), mac(2), -1)) // may find the queue still full
	c.Stop()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	b := w.Bytes()
	if len(b) != 24+int(c.Stats().Frames)*(16+40) {
		t.Fatalf("%d bytes, %+v", len(b), c.Stats())
	}
	le := binary.LittleEndian
	if le.Uint32(b) != 0xa1b23c4d || le.Uint16(b[4:]) != 2 || le.Uint16(b[6:]) != 4 || le.Uint32(b[16:]) != 40 || le.Uint32(b[20:]) != 1 {
		t.Errorf("file header %x", b[:24])
	}
	rec := b[24:]
	if le.Uint32(rec) != 1_700_000_000 || le.Uint32(rec[8:]) != 40 || le.Uint32(rec[12:]) != 60 || !bytes.Equal(rec[16:56], frame(mac(2), mac(1), -1)[:40]) {
		t.Errorf("record %x", rec[:56])
	}
	// A writer that fails ends the capture, not the port.
	c, err = r.ports["a"].Capture(failing{}, CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r.from("a", frame(mac(2), mac(1), -1))
	r.ports["a"].Close()
	if err := c.Wait(); err == nil {
		t.Error("no error")
	}
	if _, err := r.ports["a"].Capture(w, CaptureConfig{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }
