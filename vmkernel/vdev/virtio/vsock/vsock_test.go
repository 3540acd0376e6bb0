package vsock_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
	"basalt/vmkernel/vdev/virtio/virtiotest"
	"basalt/vmkernel/vdev/virtio/vring/vringtest"
	"basalt/vmkernel/vdev/virtio/vsock"
)

func echo(c *vsock.Conn) {
	io.Copy(c, c)
	c.Close()
}

func Test_5_10_4_GuestCID(t *testing.T) {
	r := newRig(t, nil)
	want(t, "guest_cid", r.Read(r.Config, 8), uint64(cid))
	want(t, "offered", r.Offered()&(1<<24-1), uint64(1<<spec.VsockFStream))
	for _, c := range []uint32{0, 1, 2, 0xffffffff} {
		if _, err := vsock.New(vsock.Config{Name: "x", Memory: r.Mem, CID: c}); !errors.Is(err, virtio.ErrConfig) {
			t.Errorf("CID %d: %v", c, err)
		}
	}
}

// The guest opens, sends, gets back and ends in order.
func Test_5_10_6_5_StreamOfTheGuest(t *testing.T) {
	r := newRig(t, map[uint32]vsock.Service{7: echo})
	r.offer(20)
	r.send(guest(spec.VsockOpRequest, 1000, 7, ""))
	p := r.expect(spec.VsockOpResponse, 1000, 7, "")
	if p.alloc != vsock.Buffer || p.fwd != 0 {
		t.Errorf("credit %d, forwarded %d", p.alloc, p.fwd)
	}
	r.send(guest(spec.VsockOpRW, 1000, 7, "hello"))
	p = r.expect(spec.VsockOpRW, 1000, 7, "hello")
	want(t, "forwarded", p.fwd, 5)
	// The guest sends no more: the service ends, and both are done.
	e := guest(spec.VsockOpShutdown, 1000, 7, "")
	e.flags = spec.VsockShutdownSend
	r.send(e)
	p = r.expect(spec.VsockOpShutdown, 1000, 7, "")
	want(t, "flags", p.flags, uint32(spec.VsockShutdownRcv|spec.VsockShutdownSend))
	r.send(guest(spec.VsockOpRst, 1000, 7, ""))
	want(t, "connections", r.dev.Conns(), 0)
}

func Test_5_10_6_5_NobodyListens(t *testing.T) {
	r := newRig(t, map[uint32]vsock.Service{7: echo})
	r.offer(8)
	r.send(guest(spec.VsockOpRequest, 1000, 8, ""))
	r.expect(spec.VsockOpRst, 1000, 8, "")
	// What belongs to no connection is reset, a reset is not.
	r.send(guest(spec.VsockOpRst, 1000, 7, ""))
	r.send(guest(spec.VsockOpRW, 1000, 7, "x"))
	r.expect(spec.VsockOpRst, 1000, 7, "")
	// No way to another guest.
	p := guest(spec.VsockOpRequest, 1000, 7, "")
	p.dst = 43
	r.send(p)
	if p := r.recv(); p.op != spec.VsockOpRst || p.src != 43 || p.dst != cid {
		t.Errorf("another guest: %s", p)
	}
	// In another's name: nothing comes of it. The reset behind it shows that.
	p = guest(spec.VsockOpRequest, 1000, 7, "")
	p.src = 43
	r.send(p)
	r.send(guest(spec.VsockOpCreditRequest, 5, 5, ""))
	r.expect(spec.VsockOpRst, 5, 5, "")
	want(t, "connections", r.dev.Conns(), 0)
}

func Test_5_10_6_4_2_UnknownTypeIsReset(t *testing.T) {
	r := newRig(t, map[uint32]vsock.Service{7: echo})
	r.offer(4)
	for _, kind := range []uint16{0, spec.VsockTypeSeqpacket, 99} {
		p := guest(spec.VsockOpRequest, 1000, 7, "")
		p.kind = kind
		r.send(p)
		if p := r.recv(); p.op != spec.VsockOpRst || p.kind != kind {
			t.Errorf("type %d: %s", kind, p)
		}
	}
}

// dialled opens a connection from the host.
func (r *rig) dialled(alloc uint32) (*vsock.Conn, uint32) {
	r.T.Helper()
	type result struct {
		c   *vsock.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := r.dev.Dial(context.Background(), 22)
		done <- result{c, err}
	}()
	r.offer(1)
	p := r.recv()
	if p.op != spec.VsockOpRequest || p.dstPort != 22 {
		r.T.Fatalf("%s", p)
	}
	a := guest(spec.VsockOpResponse, 22, p.srcPort, "")
	a.alloc = alloc
	r.send(a)
	d := <-done
	if d.err != nil {
		r.T.Fatal(d.err)
	}
	return d.c, p.srcPort
}

func Test_5_10_6_3_NoDataWithoutCredit(t *testing.T) {
	r := newRig(t, nil)
	c, port := r.dialled(10)
	if n, err := c.Write([]byte(strings.Repeat("x", 25))); n != 25 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	r.offer(8)
	r.expect(spec.VsockOpRW, 22, port, strings.Repeat("x", 10))
	// A request for credit is answered; and no data comes before it.
	r.send(guest(spec.VsockOpCreditRequest, 22, port, "")) // gives 1 MiB, too
	got := ""
	for got != strings.Repeat("x", 15) {
		if p := r.recv(); p.op == spec.VsockOpRW {
			got += p.data
		} else if p.op != spec.VsockOpCreditUpdate {
			t.Fatalf("%s", p)
		}
	}
	// Modulo 2^32, and less than what is under way: no credit.
	lie := guest(spec.VsockOpCreditUpdate, 22, port, "")
	lie.alloc, lie.fwd = 5, 0xfffffff0
	r.send(lie)
	c.Write([]byte("more"))
	r.send(guest(spec.VsockOpRst, 22, port, ""))
	if _, err := c.Write([]byte("x")); !errors.Is(err, vsock.ErrReset) {
		t.Errorf("after a reset: %v", err)
	}
}

func Test_5_10_6_3_MoreThanCreditIsReset(t *testing.T) {
	hold := make(chan struct{})
	r := newRig(t, map[uint32]vsock.Service{7: func(c *vsock.Conn) { <-hold; c.Close() }})
	defer close(hold)
	r.offer(8)
	r.send(guest(spec.VsockOpRequest, 1000, 7, ""))
	r.expect(spec.VsockOpResponse, 1000, 7, "")
	for range vsock.Buffer / 32768 {
		r.send(guest(spec.VsockOpRW, 1000, 7, strings.Repeat("x", 32768)))
	}
	want(t, "connections", r.dev.Conns(), 1)
	r.send(guest(spec.VsockOpRW, 1000, 7, "x"))
	r.expect(spec.VsockOpRst, 1000, 7, "")
	want(t, "connections", r.dev.Conns(), 0)
}

// The host reads as much as was sent, and gives credit again when half is read.
func Test_5_10_6_3_CreditComesBack(t *testing.T) {
	r := newRig(t, nil)
	c, port := r.dialled(0)
	r.offer(4)
	r.send(guest(spec.VsockOpRW, 22, port, strings.Repeat("a", vsock.Buffer/2)+strings.Repeat("b", vsock.Buffer/2)))
	b := make([]byte, vsock.Buffer)
	if n, err := io.ReadFull(c, b); err != nil || b[0] != 'a' || b[n-1] != 'b' {
		t.Fatalf("%d, %v", n, err)
	}
	p := r.expect(spec.VsockOpCreditUpdate, 22, port, "")
	if p.fwd < vsock.Buffer/2 || p.alloc != vsock.Buffer {
		t.Errorf("credit %d, forwarded %d", p.alloc, p.fwd)
	}
	e := guest(spec.VsockOpShutdown, 22, port, "")
	e.flags = spec.VsockShutdownSend | spec.VsockShutdownRcv
	r.send(e)
	if _, err := c.Read(b); err != io.EOF {
		t.Errorf("the guest has ended: %v", err)
	}
	r.expect(spec.VsockOpRst, 22, port, "")
}

func Test_5_10_6_5_DialIsRefused(t *testing.T) {
	r := newRig(t, nil)
	done := make(chan error, 1)
	go func() {
		_, err := r.dev.Dial(context.Background(), 22)
		done <- err
	}()
	r.offer(1)
	p := r.recv()
	r.send(guest(spec.VsockOpRst, 22, p.srcPort, ""))
	if err := <-done; !errors.Is(err, vsock.ErrReset) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.dev.Dial(ctx, 22); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	want(t, "connections", r.dev.Conns(), 0)
}

// Without receive buffers the device takes what it has room to answer, and no more.
func Test_5_10_6_1_RepliesAreBounded(t *testing.T) {
	r := newRig(t, map[uint32]vsock.Service{7: echo})
	for i := range uint32(64) {
		r.send(guest(spec.VsockOpRW, i, 99, ""))
	}
	r.add(guest(spec.VsockOpRW, 64, 99, ""))
	if err := r.dev.Pause(t.Context()); err != nil { // every queue was looked at
		t.Fatal(err)
	}
	if _, _, ok := r.Rings[1].Used(); ok {
		t.Error("a packet was taken without room for its answer")
	}
	r.dev.Resume()
	for i := range uint32(65) {
		if i%13 == 0 {
			r.offer(13)
		}
		r.expect(spec.VsockOpRst, i, 99, "")
	}
	r.Take(1)
}

func TestConnectionsAreBounded(t *testing.T) {
	r := newRig(t, map[uint32]vsock.Service{7: echo})
	for i := range uint32(vsock.MaxConns) {
		r.send(guest(spec.VsockOpRequest, i, 7, ""))
	}
	want(t, "connections", r.dev.Conns(), vsock.MaxConns)
	r.send(guest(spec.VsockOpRequest, 1000, 7, ""))
	want(t, "connections", r.dev.Conns(), vsock.MaxConns)
	if _, err := r.dev.Dial(t.Context(), 1); !errors.Is(err, vsock.ErrMany) {
		t.Errorf("%v", err)
	}
	r.offer(1)
	r.expect(spec.VsockOpRst, 1000, 7, "")
	// Open and reset, again and again, without a receive buffer: nothing grows.
	for range 30 { // as many resets as find room, at worst
		r.send(guest(spec.VsockOpRst, 5, 7, ""))
		r.send(guest(spec.VsockOpRequest, 5, 7, ""))
	}
	if n, ready := r.dev.Conns(), r.dev.Ready(); n < vsock.MaxConns-1 || n > vsock.MaxConns || ready > n {
		t.Errorf("%d connections, %d want to send", n, ready)
	}
}

func Test_5_10_6_7_TransportReset(t *testing.T) {
	r := newRig(t, nil)
	c, _ := r.dialled(100)
	r.Rings[2].Add(vringtest.Seg{Addr: recvAt, Len: 4, Write: true})
	r.Kick(2)
	state := virtiotest.State(t, r.dev)
	r.dev.Resume()
	// The machine that was saved goes on, and so does the connection.
	if _, err := c.Write([]byte("x")); err != nil {
		t.Errorf("after a save: %v", err)
	}
	if err := r.dev.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.dev.LoadState(state); err != nil {
		t.Fatal(err)
	}
	r.dev.Resume()
	r.Mem.PutUint64(recvAt, ^uint64(0))
	if _, n := r.Take(2); n != 4 {
		t.Errorf("an event of %d bytes", n)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, vsock.ErrReset) {
		t.Errorf("after a load: %v", err)
	}
	want(t, "connections", r.dev.Conns(), 0)
}

func Test_5_10_6_MalformedPacketsNeedAReset(t *testing.T) {
	for name, f := range map[string]func(*rig){
		"short": func(r *rig) { r.Rings[1].Add(vringtest.Seg{Addr: sendAt, Len: 43}); r.Kick(1) },
		"writable": func(r *rig) {
			r.Rings[1].Add(vringtest.Seg{Addr: sendAt, Len: 44}, vringtest.Seg{Addr: recvAt, Len: 1, Write: true})
			r.Kick(1)
		},
		"length": func(r *rig) {
			r.Mem.Write(sendAt, guest(spec.VsockOpRW, 1, 7, "abc").bytes(4))
			r.Rings[1].Add(vringtest.Seg{Addr: sendAt, Len: 47})
			r.Kick(1)
		},
		"receive buffer": func(r *rig) {
			r.Rings[0].Add(vringtest.Seg{Addr: recvAt, Len: 43, Write: true})
			r.add(guest(spec.VsockOpRW, 1, 7, ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, map[uint32]vsock.Service{7: echo})
			f(r)
			r.UntilBroken()
			r.begin()
			r.offer(2)
			r.send(guest(spec.VsockOpRequest, 1, 7, ""))
			r.expect(spec.VsockOpResponse, 1, 7, "")
		})
	}
}

// A closed device ends what waits.
func TestClose(t *testing.T) {
	r := newRig(t, nil)
	c, _ := r.dialled(0)
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	if err := r.dev.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, vsock.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := r.dev.Dial(t.Context(), 1); !errors.Is(err, vsock.ErrClosed) {
		t.Errorf("%v", err)
	}
	c.Close()
}
