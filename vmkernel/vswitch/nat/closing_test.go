package nat

import (
	"slices"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// lingerer is a closed connection.
type lingerer struct {
	tcpip.Endpoint
	id      int
	state   tcp.EndpointState
	aborted *[]int
}

func (l *lingerer) State() uint32 { return uint32(l.state) }
func (l *lingerer) Abort()        { *l.aborted = append(*l.aborted, l.id) }

// TestClosingIsShared: a guest that closes many connections, which it does not answer any
// more, costs no other guest the end of what is on its way to it; and one that has ended
// costs nobody anything.
func TestClosingIsShared(t *testing.T) {
	var aborted []int
	var c closing
	add := func(id int, state tcp.EndpointState, guest byte) *lingerer {
		l := &lingerer{id: id, state: state, aborted: &aborted}
		c.add(l, guestID(mac(guest)))
		return l
	}
	add(-1, tcp.StateFinWait1, 1)
	for i := range 2 * closingMax {
		add(i, tcp.StateFinWait1, 2)
	}
	if slices.Contains(aborted, -1) || len(aborted) != 2*closingMax-closingGuest || aborted[0] != 0 {
		t.Errorf("reset: %v", aborted)
	}
	aborted = nil
	for i := range 2 * closingMax {
		add(i, tcp.StateFinWait1, 3).state = tcp.StateClose
	}
	if len(aborted) != 0 {
		t.Errorf("%d were reset for others that have ended", len(aborted))
	}
	for g := range byte(20) {
		for range closingGuest {
			add(int(g), tcp.StateFinWait1, 10+g)
		}
	}
	if want := 1 + closingGuest + 20*closingGuest - closingMax; len(aborted) != want || aborted[0] != -1 {
		t.Errorf("%d were reset, the first of guest %d; want %d", len(aborted), aborted[0], want)
	}
	if c.flush(); len(aborted) != 1+closingGuest+20*closingGuest {
		t.Errorf("%d were reset in the end", len(aborted))
	}
}
