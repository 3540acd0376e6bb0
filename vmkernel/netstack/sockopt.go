package netstack

import (
	"encoding/binary"
	"syscall"
	"time"

	"basalt/vmkernel/sys"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Option numbers that package syscall lacks (Linux 6.1 include/uapi).
const (
	soReusePort    = 15
	soProtocol     = 38
	soDomain       = 39
	tcpUserTimeout = 18
	tcpFastOpen    = 23
	ipMTUDiscover  = 10
	ipRecvErr      = 11
	ipv6MTUDisc    = 23
	ipv6RecvErr    = 25
	ipv6AddrPref   = 72
)

func getInt(v []byte) (int, sys.Errno) {
	switch {
	case len(v) >= 4:
		return int(int32(binary.NativeEndian.Uint32(v))), 0
	case len(v) == 1:
		return int(v[0]), 0
	}
	return 0, syscall.EINVAL
}

// putInt writes an int option, cut off if v is short.
func putInt(v []byte, n int) (int, sys.Errno) {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(n))
	return copy(v, b[:]), 0
}

func putBool(v []byte, b bool) (int, sys.Errno) {
	if b {
		return putInt(v, 1)
	}
	return putInt(v, 0)
}

// SetOption implements sys.Socket.
func (s *socket) SetOption(level, name int, v []byte) sys.Errno {
	so := s.ep.SocketOptions()
	switch level {
	case syscall.SOL_SOCKET:
		if name == syscall.SO_LINGER {
			if len(v) < 8 {
				return syscall.EINVAL
			}
			on := binary.NativeEndian.Uint32(v) != 0
			secs := binary.NativeEndian.Uint32(v[4:])
			so.SetLinger(tcpip.LingerOption{Enabled: on, Timeout: time.Duration(secs) * time.Second})
			return 0
		}
		n, err := getInt(v)
		if err != 0 {
			return err
		}
		switch name {
		case syscall.SO_REUSEADDR:
			so.SetReuseAddress(n != 0)
		case soReusePort:
			so.SetReusePort(n != 0)
		case syscall.SO_BROADCAST:
			so.SetBroadcast(n != 0)
		case syscall.SO_KEEPALIVE:
			so.SetKeepAlive(n != 0)
		case syscall.SO_SNDBUF:
			so.SetSendBufferSize(int64(n), true)
		case syscall.SO_RCVBUF:
			so.SetReceiveBufferSize(int64(n), true)
		case syscall.SO_OOBINLINE, syscall.SO_PRIORITY, syscall.SO_DONTROUTE, syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO:
			// accepted, without effect
		default:
			return syscall.ENOPROTOOPT
		}
		return 0
	case syscall.IPPROTO_TCP:
		return s.setTCP(so, name, v)
	case syscall.IPPROTO_IP:
		return s.setIP(so, name, v)
	case syscall.IPPROTO_IPV6:
		return s.setIPv6(so, name, v)
	}
	return syscall.ENOPROTOOPT
}

func (s *socket) setTCP(so *tcpip.SocketOptions, name int, v []byte) sys.Errno {
	if s.typ != syscall.SOCK_STREAM {
		return syscall.ENOPROTOOPT
	}
	n, err := getInt(v)
	if err != 0 {
		return err
	}
	switch name {
	case syscall.TCP_NODELAY:
		so.SetDelayOption(n == 0)
	case syscall.TCP_CORK:
		so.SetCorkOption(n != 0)
	case syscall.TCP_KEEPIDLE, syscall.TCP_KEEPINTVL:
		if n <= 0 || n > 32767 {
			return syscall.EINVAL
		}
		d := time.Duration(n) * time.Second
		if name == syscall.TCP_KEEPIDLE {
			o := tcpip.KeepaliveIdleOption(d)
			return errno(s.ep.SetSockOpt(&o))
		}
		o := tcpip.KeepaliveIntervalOption(d)
		return errno(s.ep.SetSockOpt(&o))
	case syscall.TCP_KEEPCNT:
		if n <= 0 || n > 127 {
			return syscall.EINVAL
		}
		return errno(s.ep.SetSockOptInt(tcpip.KeepaliveCountOption, n))
	case tcpUserTimeout:
		if n < 0 {
			return syscall.EINVAL
		}
		o := tcpip.TCPUserTimeoutOption(time.Duration(n) * time.Millisecond)
		return errno(s.ep.SetSockOpt(&o))
	case syscall.TCP_MAXSEG:
		return errno(s.ep.SetSockOptInt(tcpip.MaxSegOption, n))
	case syscall.TCP_QUICKACK:
		so.SetQuickAck(n != 0)
	case syscall.TCP_DEFER_ACCEPT, tcpFastOpen, syscall.TCP_LINGER2, syscall.TCP_SYNCNT:
		// accepted, without effect
	default:
		return syscall.ENOPROTOOPT
	}
	return 0
}

func (s *socket) setIP(so *tcpip.SocketOptions, name int, v []byte) sys.Errno {
	switch name {
	case syscall.IP_ADD_MEMBERSHIP, syscall.IP_DROP_MEMBERSHIP:
		if len(v) < 8 {
			return syscall.EINVAL
		}
		m := tcpip.MembershipOption{MulticastAddr: tcpip.AddrFrom4([4]byte(v[0:4])), InterfaceAddr: tcpip.AddrFrom4([4]byte(v[4:8]))}
		if len(v) >= 12 {
			m.NIC = tcpip.NICID(binary.NativeEndian.Uint32(v[8:]))
		}
		return s.membership(m, name == syscall.IP_ADD_MEMBERSHIP)
	}
	n, err := getInt(v)
	if err != 0 {
		return err
	}
	switch name {
	case syscall.IP_TTL:
		if n != -1 && (n < 1 || n > 255) {
			return syscall.EINVAL
		}
		return errno(s.ep.SetSockOptInt(tcpip.IPv4TTLOption, max(n, 0)))
	case syscall.IP_TOS:
		return errno(s.ep.SetSockOptInt(tcpip.IPv4TOSOption, n&0xff))
	case syscall.IP_MULTICAST_TTL:
		return errno(s.ep.SetSockOptInt(tcpip.MulticastTTLOption, n&0xff))
	case syscall.IP_MULTICAST_LOOP:
		so.SetMulticastLoop(n != 0)
	case ipMTUDiscover, ipRecvErr, syscall.IP_MULTICAST_IF, syscall.IP_PKTINFO, syscall.IP_RECVTTL, syscall.IP_RECVTOS:
		// accepted, without effect
	default:
		return syscall.ENOPROTOOPT
	}
	return 0
}

func (s *socket) setIPv6(so *tcpip.SocketOptions, name int, v []byte) sys.Errno {
	switch name {
	case syscall.IPV6_JOIN_GROUP, syscall.IPV6_LEAVE_GROUP:
		if len(v) < 20 {
			return syscall.EINVAL
		}
		return s.membership(tcpip.MembershipOption{
			MulticastAddr: tcpip.AddrFrom16([16]byte(v[0:16])),
			NIC:           tcpip.NICID(binary.NativeEndian.Uint32(v[16:])),
		}, name == syscall.IPV6_JOIN_GROUP)
	}
	if s.domain != syscall.AF_INET6 {
		return syscall.ENOPROTOOPT
	}
	n, err := getInt(v)
	if err != 0 {
		return err
	}
	switch name {
	case syscall.IPV6_V6ONLY:
		so.SetV6Only(n != 0)
	case syscall.IPV6_UNICAST_HOPS:
		return errno(s.ep.SetSockOptInt(tcpip.IPv6HopLimitOption, n))
	case syscall.IPV6_TCLASS:
		return errno(s.ep.SetSockOptInt(tcpip.IPv6TrafficClassOption, n&0xff))
	case syscall.IPV6_MULTICAST_HOPS:
		return errno(s.ep.SetSockOptInt(tcpip.MulticastTTLOption, n&0xff))
	case syscall.IPV6_MULTICAST_LOOP:
		so.SetMulticastLoop(n != 0)
	case ipv6MTUDisc, ipv6RecvErr, ipv6AddrPref, syscall.IPV6_MULTICAST_IF, syscall.IPV6_RECVPKTINFO, syscall.IPV6_RECVTCLASS, syscall.IPV6_RECVHOPLIMIT:
		// accepted, without effect
	default:
		return syscall.ENOPROTOOPT
	}
	return 0
}

func (s *socket) membership(m tcpip.MembershipOption, add bool) sys.Errno {
	if add {
		o := tcpip.AddMembershipOption(m)
		return errno(s.ep.SetSockOpt(&o))
	}
	o := tcpip.RemoveMembershipOption(m)
	return errno(s.ep.SetSockOpt(&o))
}

// Option implements sys.Socket.
func (s *socket) Option(level, name int, v []byte) (int, sys.Errno) {
	so := s.ep.SocketOptions()
	switch level {
	case syscall.SOL_SOCKET:
		switch name {
		case syscall.SO_ERROR:
			return putInt(v, int(errno(s.ep.LastError())))
		case syscall.SO_TYPE:
			return putInt(v, s.typ)
		case soProtocol:
			return putInt(v, s.proto)
		case soDomain:
			return putInt(v, s.domain)
		case syscall.SO_ACCEPTCONN:
			return putBool(v, so.GetAcceptConn())
		case syscall.SO_REUSEADDR:
			return putBool(v, so.GetReuseAddress())
		case soReusePort:
			return putBool(v, so.GetReusePort())
		case syscall.SO_BROADCAST:
			return putBool(v, so.GetBroadcast())
		case syscall.SO_KEEPALIVE:
			return putBool(v, so.GetKeepAlive())
		case syscall.SO_SNDBUF:
			return putInt(v, int(so.GetSendBufferSize()))
		case syscall.SO_RCVBUF:
			return putInt(v, int(so.GetReceiveBufferSize()))
		case syscall.SO_LINGER:
			var b [8]byte
			l := so.GetLinger()
			if l.Enabled {
				b[0] = 1
			}
			binary.NativeEndian.PutUint32(b[4:], uint32(l.Timeout/time.Second))
			return copy(v, b[:]), 0
		}
	case syscall.IPPROTO_TCP:
		return s.tcpOption(so, name, v)
	case syscall.IPPROTO_IP:
		switch name {
		case syscall.IP_TTL:
			return s.intOption(v, tcpip.IPv4TTLOption)
		case syscall.IP_TOS:
			return s.intOption(v, tcpip.IPv4TOSOption)
		case syscall.IP_MULTICAST_TTL:
			return s.intOption(v, tcpip.MulticastTTLOption)
		case syscall.IP_MULTICAST_LOOP:
			return putBool(v, so.GetMulticastLoop())
		}
	case syscall.IPPROTO_IPV6:
		switch name {
		case syscall.IPV6_V6ONLY:
			return putBool(v, so.GetV6Only())
		case syscall.IPV6_UNICAST_HOPS:
			return s.intOption(v, tcpip.IPv6HopLimitOption)
		case syscall.IPV6_TCLASS:
			return s.intOption(v, tcpip.IPv6TrafficClassOption)
		}
	}
	return 0, syscall.ENOPROTOOPT
}

func (s *socket) intOption(v []byte, o tcpip.SockOptInt) (int, sys.Errno) {
	n, err := s.ep.GetSockOptInt(o)
	if err != nil {
		return 0, errno(err)
	}
	return putInt(v, n)
}

func (s *socket) tcpOption(so *tcpip.SocketOptions, name int, v []byte) (int, sys.Errno) {
	if s.typ != syscall.SOCK_STREAM {
		return 0, syscall.ENOPROTOOPT
	}
	switch name {
	case syscall.TCP_NODELAY:
		return putBool(v, !so.GetDelayOption())
	case syscall.TCP_CORK:
		return putBool(v, so.GetCorkOption())
	case syscall.TCP_KEEPCNT:
		return s.intOption(v, tcpip.KeepaliveCountOption)
	case syscall.TCP_MAXSEG:
		return s.intOption(v, tcpip.MaxSegOption)
	case syscall.TCP_KEEPIDLE:
		var o tcpip.KeepaliveIdleOption
		if err := s.ep.GetSockOpt(&o); err != nil {
			return 0, errno(err)
		}
		return putInt(v, int(time.Duration(o)/time.Second))
	case syscall.TCP_KEEPINTVL:
		var o tcpip.KeepaliveIntervalOption
		if err := s.ep.GetSockOpt(&o); err != nil {
			return 0, errno(err)
		}
		return putInt(v, int(time.Duration(o)/time.Second))
	}
	return 0, syscall.ENOPROTOOPT
}
