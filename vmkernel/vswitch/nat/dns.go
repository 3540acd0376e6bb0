package nat

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// dnsPort is where queries come (RFC 1035 section 4.2).
const dnsPort = 53

// dnsIdle is how long a guest's flow or connection may be silent.
const dnsIdle = 10 * time.Second

// maxResolvers bounds how many servers are asked for one query.
const maxResolvers = 3

// relay asks the host's resolvers in turn and gives the reply, which may say that
// none could answer. nil: it was no query. The caller has taken from the quota.
func (n *Network) relay(network string, query []byte) []byte {
	if _, err := question(query); err != nil {
		return nil
	}
	servers := n.c.Resolvers()
	for _, s := range servers[:min(len(servers), maxResolvers)] {
		q := append([]byte(nil), query...)
		// The guest's identifier may be guessable.
		binary.BigEndian.PutUint16(q, uint16(rand.Uint32()))
		ctx, cancel := context.WithTimeout(n.ctx, n.c.Limits.QueryTime)
		r := n.ask(ctx, network, s, q)
		cancel()
		if r != nil {
			copy(r[:2], query[:2])
			return r
		}
	}
	return failure(query)
}

// ask asks one server; nil: no answer.
func (n *Network) ask(ctx context.Context, network string, server netip.AddrPort, q []byte) []byte {
	c, err := n.c.Dial(ctx, network, server.String())
	if err != nil {
		return nil
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if network == "tcp" {
		if writeMessage(c, q) != nil {
			return nil
		}
		r, err := readMessage(c)
		if err != nil || !answers(q, r) {
			return nil
		}
		return r
	}
	if _, err := c.Write(q); err != nil {
		return nil
	}
	buf := make([]byte, 65535)
	// Datagrams that do not answer are ignored, but not for ever.
	for range 16 {
		k, err := c.Read(buf)
		if err != nil {
			return nil
		}
		if answers(q, buf[:k]) {
			return buf[:k]
		}
	}
	return nil
}

// serveDatagramDNS answers the queries of one flow, a few at a time.
func (n *Network) serveDatagramDNS(c net.Conn, owner guestID) {
	defer c.Close()
	if !n.keep(c) {
		return
	}
	defer n.forget(c)
	buf := make([]byte, maxDatagramQuery)
	for {
		c.SetReadDeadline(time.Now().Add(dnsIdle))
		k, err := c.Read(buf)
		if err != nil {
			return
		}
		q := append([]byte(nil), buf[:k]...)
		if _, err := question(q); err != nil {
			continue
		}
		if !n.dns.take(owner) {
			continue
		}
		if !n.spawn(func() {
			defer n.dns.give(owner)
			if r := n.relay("udp", q); r != nil {
				c.Write(r) // the guest asks again if it is lost
			}
		}) {
			n.dns.give(owner)
		}
	}
}

// serveDNS answers the queries of one connection, one after the other.
func (n *Network) serveDNS(c net.Conn, owner guestID) {
	defer c.Close()
	if !n.keep(c) {
		return
	}
	defer n.forget(c)
	for {
		c.SetDeadline(time.Now().Add(dnsIdle))
		q, err := readMessage(c)
		if err != nil {
			return
		}
		if !n.dns.take(owner) {
			return
		}
		r := n.relay("tcp", q)
		n.dns.give(owner)
		if r == nil {
			return
		}
		c.SetDeadline(time.Now().Add(dnsIdle))
		if writeMessage(c, r) != nil {
			return
		}
	}
}

// readMessage reads a message with its length (RFC 1035 section 4.2.2).
func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, m)
	return m, err
}

func writeMessage(w io.Writer, m []byte) error {
	if len(m) > 65535 {
		return errDNS
	}
	b := binary.BigEndian.AppendUint16(make([]byte, 0, len(m)+2), uint16(len(m)))
	_, err := w.Write(append(b, m...))
	return err
}
