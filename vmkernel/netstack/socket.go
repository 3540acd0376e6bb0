package netstack

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"basalt/vmkernel/sys"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// events are all that a poller may wait for; one notification stands for any.
const events = waiter.ReadableEvents | waiter.WritableEvents | waiter.EventHUp | waiter.EventErr

// socket is one netstack endpoint with Linux's manners. It implements sys.Socket,
// sys.Reader, sys.Writer and sys.StatusFlags.
type socket struct {
	st     *Stack
	ep     tcpip.Endpoint
	wq     *waiter.Queue
	domain int
	typ    int // SOCK_STREAM or SOCK_DGRAM
	proto  int // IPPROTO_*

	nonblock atomic.Bool
	released atomic.Bool

	mu         sync.Mutex // guards entry's registration
	entry      waiter.Entry
	registered bool
}

var (
	_ sys.Socket      = (*socket)(nil)
	_ sys.Reader      = (*socket)(nil)
	_ sys.Writer      = (*socket)(nil)
	_ sys.StatusFlags = (*socket)(nil)
)

// Socket is the sys.SocketFactory of this stack.
func (st *Stack) Socket(domain, typ, proto int) (sys.Socket, sys.Errno, bool) {
	if domain != syscall.AF_INET && domain != syscall.AF_INET6 {
		return nil, 0, false
	}
	flags := typ & (syscall.SOCK_NONBLOCK | syscall.SOCK_CLOEXEC)
	typ &^= syscall.SOCK_NONBLOCK | syscall.SOCK_CLOEXEC
	network := ipv4.ProtocolNumber
	if domain == syscall.AF_INET6 {
		network = ipv6.ProtocolNumber
	}
	var transport tcpip.TransportProtocolNumber
	switch {
	case typ == syscall.SOCK_STREAM && (proto == 0 || proto == syscall.IPPROTO_TCP):
		transport, proto = tcp.ProtocolNumber, syscall.IPPROTO_TCP
	case typ == syscall.SOCK_DGRAM && (proto == 0 || proto == syscall.IPPROTO_UDP):
		transport, proto = udp.ProtocolNumber, syscall.IPPROTO_UDP
	case typ == syscall.SOCK_DGRAM && proto == syscall.IPPROTO_ICMP && domain == syscall.AF_INET:
		transport = icmp.ProtocolNumber4
	case typ == syscall.SOCK_DGRAM && proto == syscall.IPPROTO_ICMPV6 && domain == syscall.AF_INET6:
		transport = icmp.ProtocolNumber6
	case typ == syscall.SOCK_RAW:
		return nil, syscall.EPERM, true
	case typ == syscall.SOCK_STREAM || typ == syscall.SOCK_DGRAM:
		return nil, syscall.EPROTONOSUPPORT, true // multipath TCP too
	default:
		return nil, syscall.ESOCKTNOSUPPORT, true
	}
	if !st.take() {
		return nil, syscall.ENFILE, true
	}
	wq := new(waiter.Queue)
	ep, err := st.s.NewEndpoint(transport, network, wq)
	if err != nil {
		st.sockets.Add(-1)
		return nil, errno(err), true
	}
	s := st.newSocket(ep, wq, domain, typ, proto)
	if domain == syscall.AF_INET6 {
		ep.SocketOptions().SetV6Only(false)
	}
	s.nonblock.Store(flags&syscall.SOCK_NONBLOCK != 0)
	return s, 0, true
}

func (st *Stack) newSocket(ep tcpip.Endpoint, wq *waiter.Queue, domain, typ, proto int) *socket {
	return &socket{st: st, ep: ep, wq: wq, domain: domain, typ: typ, proto: proto}
}

// take counts a socket if there is room for it.
func (st *Stack) take() bool {
	if st.sockets.Add(1) > int64(st.limits.Sockets) {
		st.sockets.Add(-1)
		st.refused.Add(1)
		return false
	}
	return true
}

// Start implements sys.Socket.
func (s *socket) Start(n *sys.Notifier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry = waiter.NewFunctionEntry(events, func(waiter.EventMask) { n.Notify() })
	s.wq.EventRegister(&s.entry)
	s.registered = true
}

// Release implements sys.Object. After it the notifier is not called any more.
func (s *socket) Release() {
	if s.released.Swap(true) {
		return
	}
	s.mu.Lock()
	if s.registered {
		s.wq.EventUnregister(&s.entry)
		s.registered = false
	}
	s.mu.Unlock()
	s.ep.Close()
	if s.proto == syscall.IPPROTO_TCP {
		s.st.closing.add(s.ep)
	}
	s.st.sockets.Add(-1)
}

// Flags implements sys.StatusFlags.
func (s *socket) Flags() int {
	f := syscall.O_RDWR
	if s.nonblock.Load() {
		f |= syscall.O_NONBLOCK
	}
	return f
}

// SetFlags implements sys.StatusFlags.
func (s *socket) SetFlags(f int) { s.nonblock.Store(f&syscall.O_NONBLOCK != 0) }

// block repeats try until it does not say EAGAIN, for a socket in blocking mode.
// The goroutine is parked; netstack's notification wakes it.
func (s *socket) block(flags int, mask waiter.EventMask, try func() sys.Errno) sys.Errno {
	err := try()
	if err != syscall.EAGAIN || s.nonblock.Load() || flags&syscall.MSG_DONTWAIT != 0 {
		return err
	}
	e, ch := waiter.NewChannelEntry(mask | waiter.EventHUp | waiter.EventErr)
	s.wq.EventRegister(&e)
	defer s.wq.EventUnregister(&e)
	for {
		if err := try(); err != syscall.EAGAIN {
			return err
		}
		<-ch
	}
}

// Bind implements sys.Socket.
func (s *socket) Bind(sa []byte) sys.Errno {
	a, err := parseSockaddr(sa, s.domain)
	if err != 0 {
		return err
	}
	return errno(s.ep.Bind(a))
}

// Listen implements sys.Socket.
func (s *socket) Listen(backlog int) sys.Errno {
	if backlog <= 0 || backlog > s.st.limits.Backlog {
		backlog = s.st.limits.Backlog
	}
	return errno(s.ep.Listen(backlog))
}

// Connect implements sys.Socket.
func (s *socket) Connect(sa []byte) sys.Errno {
	if len(sa) >= 2 && sa[0] == syscall.AF_UNSPEC && sa[1] == 0 {
		return errno(s.ep.Disconnect())
	}
	a, err := parseSockaddr(sa, s.domain)
	if err != 0 {
		return err
	}
	if a.Addr.Len() == 0 { // any means this host
		a.Addr = tcpip.AddrFrom4([4]byte{127, 0, 0, 1})
		if s.domain == syscall.AF_INET6 {
			a.Addr = tcpip.AddrFrom16([16]byte{15: 1})
		}
	}
	err = errno(s.ep.Connect(a))
	if err != syscall.EINPROGRESS || s.nonblock.Load() {
		return err
	}
	err = s.block(0, waiter.WritableEvents, func() sys.Errno {
		if s.ep.Readiness(waiter.WritableEvents|waiter.EventHUp|waiter.EventErr) == 0 {
			return syscall.EAGAIN
		}
		return 0
	})
	if err != 0 {
		return err
	}
	return errno(s.ep.LastError())
}

// Accept implements sys.Socket.
func (s *socket) Accept(sa []byte, nonblock bool) (sys.Socket, int, sys.Errno) {
	if s.typ != syscall.SOCK_STREAM {
		return nil, 0, syscall.EOPNOTSUPP
	}
	if !s.st.take() {
		return nil, 0, syscall.ENFILE
	}
	var (
		peer tcpip.FullAddress
		ep   tcpip.Endpoint
		wq   *waiter.Queue
	)
	err := s.block(0, waiter.ReadableEvents, func() sys.Errno {
		var err tcpip.Error
		ep, wq, err = s.ep.Accept(&peer)
		return errno(err)
	})
	if err != 0 {
		s.st.sockets.Add(-1)
		return nil, 0, err
	}
	c := s.st.newSocket(ep, wq, s.domain, s.typ, s.proto)
	c.nonblock.Store(nonblock)
	return c, putSockaddr(sa, peer, s.domain), 0
}

// Shutdown implements sys.Socket.
func (s *socket) Shutdown(how int) sys.Errno {
	var f tcpip.ShutdownFlags
	switch how {
	case syscall.SHUT_RD:
		f = tcpip.ShutdownRead
	case syscall.SHUT_WR:
		f = tcpip.ShutdownWrite
	case syscall.SHUT_RDWR:
		f = tcpip.ShutdownRead | tcpip.ShutdownWrite
	default:
		return syscall.EINVAL
	}
	return errno(s.ep.Shutdown(f))
}

// Name implements sys.Socket.
func (s *socket) Name(sa []byte, peer bool) (int, sys.Errno) {
	var a tcpip.FullAddress
	var err tcpip.Error
	if peer {
		// ErrNotConnected while a connection is being made: package net asks to
		// find out whether it is there.
		a, err = s.ep.GetRemoteAddress()
	} else {
		a, err = s.ep.GetLocalAddress()
	}
	if err != nil {
		return 0, errno(err)
	}
	return putSockaddr(sa, a, s.domain), 0
}

// Readable implements sys.Socket.
func (s *socket) Readable() int {
	n, err := s.ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if err != nil {
		return 0
	}
	return n
}

// scatter is an io.Writer over the caller's buffers.
type scatter struct {
	one  [1][]byte
	bufs [][]byte
}

func (w *scatter) Write(p []byte) (int, error) {
	total := 0
	for len(w.bufs) > 0 {
		n := copy(w.bufs[0], p[total:])
		total += n
		if w.bufs[0] = w.bufs[0][n:]; len(w.bufs[0]) == 0 {
			w.bufs = w.bufs[1:]
		}
		if total == len(p) {
			return total, nil
		}
	}
	return total, io.ErrShortWrite
}

var scatters = sync.Pool{New: func() any { return new(scatter) }}

func putScatter(w *scatter) {
	w.one[0], w.bufs = nil, nil
	scatters.Put(w)
}

// Read implements sys.Reader.
func (s *socket) Read(p []byte) (int, sys.Errno) {
	w := scatters.Get().(*scatter)
	w.one[0] = p
	w.bufs = w.one[:]
	defer putScatter(w)
	res, err := s.recv(w, len(p), 0, false)
	if err == syscall.ESHUTDOWN {
		return 0, 0
	}
	return res.Count, err
}

// recv is one Read of the endpoint. The end of a stream is ESHUTDOWN, which never
// leaves the package.
func (s *socket) recv(w *scatter, room int, flags int, addr bool) (res tcpip.ReadResult, err sys.Errno) {
	if room == 0 && s.typ == syscall.SOCK_STREAM {
		return res, 0
	}
	opts := tcpip.ReadOptions{Peek: flags&syscall.MSG_PEEK != 0, NeedRemoteAddr: addr}
	err = s.block(flags, waiter.ReadableEvents, func() sys.Errno {
		var e tcpip.Error
		res, e = s.ep.Read(w, opts)
		if _, short := e.(*tcpip.ErrBadBuffer); short {
			// A datagram that is larger than the buffers: the rest is lost.
			return 0
		}
		if _, end := e.(*tcpip.ErrClosedForReceive); end {
			return syscall.ESHUTDOWN
		}
		return errno(e)
	})
	return res, err
}

// Recv implements sys.Socket.
func (s *socket) Recv(bufs [][]byte, from []byte, flags int) (n, fromLen, outFlags int, err sys.Errno) {
	const known = syscall.MSG_PEEK | syscall.MSG_DONTWAIT | syscall.MSG_TRUNC | syscall.MSG_NOSIGNAL | syscall.MSG_CMSG_CLOEXEC | syscall.MSG_WAITALL
	if flags&syscall.MSG_OOB != 0 || flags&^known != 0 {
		return 0, 0, 0, syscall.EINVAL
	}
	room := 0
	for _, b := range bufs {
		room += len(b)
	}
	w := scatters.Get().(*scatter)
	w.bufs = bufs
	defer putScatter(w)
	res, err := s.recv(w, room, flags, s.typ == syscall.SOCK_DGRAM)
	if err == syscall.ESHUTDOWN {
		return 0, 0, 0, 0
	}
	if err != 0 {
		return 0, 0, 0, err
	}
	n = res.Count
	if s.typ == syscall.SOCK_DGRAM {
		fromLen = putSockaddr(from, res.RemoteAddr, s.domain)
		if res.Total > res.Count {
			outFlags |= syscall.MSG_TRUNC
			if flags&syscall.MSG_TRUNC != 0 {
				n = res.Total
			}
		}
	}
	return n, fromLen, outFlags, 0
}

// Write implements sys.Writer.
func (s *socket) Write(p []byte) (int, sys.Errno) { return s.send(p, nil, 0) }

// Send implements sys.Socket.
func (s *socket) Send(bufs [][]byte, to []byte, flags int) (int, sys.Errno) {
	const known = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL | 0x8000 /* MSG_MORE */ | 0x80 /* MSG_EOR */
	if flags&^known != 0 {
		return 0, syscall.EOPNOTSUPP
	}
	var p []byte
	switch len(bufs) {
	case 0:
	case 1:
		p = bufs[0]
	default:
		p = bytes.Join(bufs, nil)
	}
	return s.send(p, to, flags)
}

// payloads keeps the readers that netstack takes bytes from.
var payloads = sync.Pool{New: func() any { return new(bytes.Reader) }}

// send writes p, all of it in blocking mode, as much as fits otherwise.
func (s *socket) send(p, to []byte, flags int) (int, sys.Errno) {
	opts := tcpip.WriteOptions{More: flags&0x8000 != 0, Atomic: s.typ == syscall.SOCK_DGRAM}
	if to != nil && s.typ == syscall.SOCK_DGRAM {
		a, err := parseSockaddr(to, s.domain)
		if err != 0 {
			return 0, err
		}
		if a.Addr.Len() == 0 {
			a.Addr = tcpip.AddrFrom4([4]byte{127, 0, 0, 1})
			if s.domain == syscall.AF_INET6 {
				a.Addr = tcpip.AddrFrom16([16]byte{15: 1})
			}
		}
		opts.To = &a
	}
	r := payloads.Get().(*bytes.Reader)
	defer func() {
		r.Reset(nil)
		payloads.Put(r)
	}()
	total := 0
	err := s.block(flags, waiter.WritableEvents, func() sys.Errno {
		r.Reset(p[total:]) // netstack may have read more than it took
		n, e := s.ep.Write(r, opts)
		total += int(n)
		if e == nil && total < len(p) && s.typ == syscall.SOCK_STREAM {
			return syscall.EAGAIN
		}
		return errno(e)
	})
	if err != 0 && total > 0 {
		return total, 0
	}
	return total, err
}
