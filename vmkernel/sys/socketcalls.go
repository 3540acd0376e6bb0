package sys

import "syscall"

// maxSockaddr is the size of struct sockaddr_storage.
const maxSockaddr = 128

const sysSendmmsg, sysRecvmmsg = 307, 299

// socketCalls fills in the socket calls.
func socketCalls(t *[maxNumber]handler) {
	t[syscall.SYS_SOCKET] = socket
	t[syscall.SYS_BIND] = onSocket(func(s Socket, a args) (uintptr, Errno) {
		sa, err := sockaddr(a[1], a[2])
		if err != 0 {
			return 0, err
		}
		return 0, s.Bind(sa)
	})
	t[syscall.SYS_CONNECT] = onSocket(func(s Socket, a args) (uintptr, Errno) {
		sa, err := sockaddr(a[1], a[2])
		if err != 0 {
			return 0, err
		}
		return 0, s.Connect(sa)
	})
	t[syscall.SYS_LISTEN] = onSocket(func(s Socket, a args) (uintptr, Errno) { return 0, s.Listen(int(int32(a[1]))) })
	t[syscall.SYS_ACCEPT] = onSocket(func(s Socket, a args) (uintptr, Errno) { return accept(s, a[1], a[2], 0) })
	t[syscall.SYS_ACCEPT4] = onSocket(func(s Socket, a args) (uintptr, Errno) { return accept(s, a[1], a[2], a[3]) })
	t[syscall.SYS_SHUTDOWN] = onSocket(func(s Socket, a args) (uintptr, Errno) { return 0, s.Shutdown(int(a[1])) })
	t[syscall.SYS_GETSOCKNAME] = onSocket(func(s Socket, a args) (uintptr, Errno) { return name(s, a, false) })
	t[syscall.SYS_GETPEERNAME] = onSocket(func(s Socket, a args) (uintptr, Errno) { return name(s, a, true) })
	t[syscall.SYS_GETSOCKOPT] = onSocket(getsockopt)
	t[syscall.SYS_SETSOCKOPT] = onSocket(setsockopt)
	t[syscall.SYS_RECVFROM] = onSocket(recvfrom)
	t[syscall.SYS_SENDTO] = onSocket(sendto)
	t[syscall.SYS_RECVMSG] = onSocket(recvmsg)
	t[syscall.SYS_SENDMSG] = onSocket(sendmsg)
	t[sysSendmmsg] = onSocket(func(Socket, args) (uintptr, Errno) { return 0, syscall.ENOSYS })
	t[sysRecvmmsg] = t[sysSendmmsg]
}

func onSocket(f func(s Socket, a args) (uintptr, Errno)) handler {
	return onFD(func(obj Object, a args) (uintptr, Errno) {
		s, ok := obj.(Socket)
		if !ok {
			return 0, syscall.ENOTSOCK
		}
		return f(s, a)
	})
}

func socket(a args) (uintptr, Errno, bool) {
	if sockets == nil {
		return 0, 0, false
	}
	s, err, ok := sockets(int(a[0]), int(a[1]), int(a[2]))
	if !ok || err != 0 {
		return 0, err, ok
	}
	fd, err := addPollable(s)
	return fd, err, true
}

// sockaddr is the caller's address, which Bind and Connect only read.
func sockaddr(addr, n uintptr) ([]byte, Errno) {
	if n > maxSockaddr {
		return nil, syscall.EINVAL
	}
	return bytesAt(addr, n)
}

// room is the caller's buffer for an address and the variable of its length.
func room(addr, lenAddr uintptr) ([]byte, *uint32, Errno) {
	if addr == 0 {
		return nil, nil, 0
	}
	n, err := at[uint32](lenAddr)
	if err != 0 {
		return nil, nil, err
	}
	if int32(*n) < 0 {
		return nil, nil, syscall.EINVAL
	}
	p, err := bytesAt(addr, uintptr(min(*n, maxSockaddr)))
	return p, n, err
}

func accept(s Socket, addr, lenAddr, flags uintptr) (uintptr, Errno) {
	if flags&^(syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC) != 0 {
		return 0, syscall.EINVAL
	}
	p, n, err := room(addr, lenAddr)
	if err != 0 {
		return 0, err
	}
	c, length, err := s.Accept(p, flags&syscall.SOCK_NONBLOCK != 0)
	if err != 0 {
		return 0, err
	}
	if n != nil {
		*n = uint32(length)
	}
	return addPollable(c)
}

func name(s Socket, a args, peer bool) (uintptr, Errno) {
	p, n, err := room(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	length, err := s.Name(p, peer)
	if err == 0 && n != nil {
		*n = uint32(length)
	}
	return 0, err
}

func getsockopt(s Socket, a args) (uintptr, Errno) {
	n, err := at[uint32](a[4])
	if err != 0 {
		return 0, err
	}
	if int32(*n) < 0 {
		return 0, syscall.EINVAL
	}
	p, err := bytesAt(a[3], uintptr(min(*n, 4096)))
	if err != 0 {
		return 0, err
	}
	length, err := s.Option(int(a[1]), int(a[2]), p)
	if err == 0 {
		*n = uint32(length)
	}
	return 0, err
}

func setsockopt(s Socket, a args) (uintptr, Errno) {
	if a[4] > 4096 {
		return 0, syscall.EINVAL
	}
	p, err := bytesAt(a[3], a[4])
	if err != 0 {
		return 0, err
	}
	return 0, s.SetOption(int(a[1]), int(a[2]), p)
}

func recvfrom(s Socket, a args) (uintptr, Errno) {
	p, err := bytesAt(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	from, length, err := room(a[4], a[5])
	if err != 0 {
		return 0, err
	}
	n, fromLen, _, err := s.Recv([][]byte{p}, from, int(a[3]))
	if err == 0 && length != nil {
		*length = uint32(fromLen)
	}
	return count(n, err)
}

func sendto(s Socket, a args) (uintptr, Errno) {
	p, err := bytesAt(a[1], a[2])
	if err != 0 {
		return 0, err
	}
	to, err := sockaddr(a[4], a[5])
	if err != 0 {
		return 0, err
	}
	return count(s.Send([][]byte{p}, to, int(a[3])))
}

// recvmsg gives no control messages: what would carry them is not supported.
func recvmsg(s Socket, a args) (uintptr, Errno) {
	m, err := at[syscall.Msghdr](a[1])
	if err != 0 {
		return 0, err
	}
	bufs, err := messageVectors(m)
	if err != 0 {
		return 0, err
	}
	var from []byte
	if m.Name != nil {
		if from, err = bytesAt(address(m.Name), uintptr(min(m.Namelen, maxSockaddr))); err != 0 {
			return 0, err
		}
	}
	n, fromLen, flags, err := s.Recv(bufs, from, int(a[2]))
	if err != 0 {
		return 0, err
	}
	m.Namelen, m.Controllen, m.Flags = uint32(fromLen), 0, int32(flags)
	return uintptr(n), 0
}

func sendmsg(s Socket, a args) (uintptr, Errno) {
	m, err := at[syscall.Msghdr](a[1])
	if err != 0 {
		return 0, err
	}
	bufs, err := messageVectors(m)
	if err != 0 {
		return 0, err
	}
	var to []byte
	if m.Name != nil {
		if to, err = sockaddr(address(m.Name), uintptr(m.Namelen)); err != 0 {
			return 0, err
		}
	}
	return count(s.Send(bufs, to, int(a[2])))
}
