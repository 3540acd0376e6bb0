// Package netstack is the host's own TCP/IP: gVisor's netstack between a
// netio.Link below and unmodified package net above. World W2.
//
// Data path in: driver -> netio.Link.Receive (a batch) -> linkEndpoint.receive ->
// netstack -> socket's wait queue -> sys.Notifier -> the runtime's poller -> the
// goroutine that package net parked -> syscall.Read -> sys -> socket.Read.
// Data path out: syscall.Write -> sys -> socket.Write -> netstack ->
// linkEndpoint's bounded queue -> one goroutine -> netio.Link.Send (a batch).
//
// Addresses come from DHCPv4 (package dhcp below), from a static setting, and from
// router advertisements (SLAAC); see bringup.go.
//
// Specifications: RFC 9293 (TCP), RFC 768 (UDP), RFC 791 and RFC 8200 (IP), RFC
// 826 (ARP), RFC 4861 and RFC 4862 (NDP, SLAAC), RFC 792 and RFC 4443 (ICMP), as
// gVisor implements them; the socket calls as Linux 6.1 answers them.
//
// A hostile network must not exhaust the host: the number of sockets and of closed
// connections that linger (closing.go), the receive and send buffers, accept queues
// (SYN cookies beyond half of one), neighbour and fragment caches, ICMP replies and
// the queue to the link are all bounded, see Limits.
//
// Locking: a socket has one mutex for its flags and wait queue entry; it is not
// held while netstack is called, except to register. Notify callbacks run with
// netstack's locks held and only write to an eventfd.
//
// Not supported: raw and packet sockets, AF_UNIX, AF_NETLINK (these fall through
// to the trap), control messages, TCP urgent data, forwarding.
package netstack
