package dhcp

import (
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// State is a state of RFC 2131's figure 5.
type State int

// The states. Stopped is before Start and after Stop.
const (
	Stopped State = iota
	Selecting
	Requesting
	Bound
	Renewing
	Rebinding
	Rebooting // the lease is being verified after the carrier came back
)

func (s State) String() string {
	return [...]string{"stopped", "selecting", "requesting", "bound", "renewing", "rebinding", "rebooting"}[s]
}

// Config is what the client says about itself.
type Config struct {
	MAC      [6]byte
	Hostname string // empty: none is sent
	// Random gives a number below n, for jitter and transaction ids.
	Random func(n uint32) uint32
}

// Lease is what a server granted.
type Lease struct {
	Address  netip.Prefix
	Gateway  netip.Addr // invalid: none
	DNS      []netip.Addr
	Domain   string
	Server   netip.Addr
	Obtained time.Time
	Renew    time.Time // T1
	Rebind   time.Time // T2
	Expire   time.Time // zero: never
}

// Event is what happened. Exactly one field is set; the zero event is the timer
// that an Action asked for (or any other time: a Step too early does nothing).
type Event struct {
	Start   bool
	Stop    bool // release the lease and be silent
	LinkUp  bool // the carrier came back: check the lease soon
	Message *dhcpv4.DHCPv4
}

// Action is what the shell must do, in order. Exactly one field is set.
type Action struct {
	// Broadcast or Unicast is a message to send, from port 68 to port 67.
	Broadcast *dhcpv4.DHCPv4
	Unicast   *dhcpv4.DHCPv4 // to Server, from the leased address
	Server    netip.Addr
	Configure *Lease // use this lease
	Drop      *Lease // stop using this lease
}

// Machine is one client. It is not safe for concurrent use.
type Machine struct {
	cfg    Config
	state  State
	xid    dhcpv4.TransactionID
	begun  time.Time // of this exchange, for the secs field
	tries  int
	wakeAt time.Time
	offer  *dhcpv4.DHCPv4
	lease  *Lease
}

// New makes a stopped client.
func New(cfg Config) *Machine { return &Machine{cfg: cfg} }

// State gives the state.
func (m *Machine) State() State { return m.state }

// WakeAt is when the next timer event is due; zero means never.
func (m *Machine) WakeAt() time.Time { return m.wakeAt }

// Lease is the lease in use, nil if there is none.
func (m *Machine) Lease() *Lease { return m.lease }

const (
	firstRetry  = time.Second
	lastRetry   = 64 * time.Second
	maxRequests = 4
	minLease    = time.Minute
	minRenewal  = time.Minute // RFC 2131 section 4.4.5
)

// Step handles one event.
func (m *Machine) Step(now time.Time, e Event) []Action {
	switch {
	case e.Start:
		if m.state == Stopped {
			return m.discover(now)
		}
	case e.Stop:
		return m.stop(now)
	case e.LinkUp:
		return m.linkUp(now)
	case e.Message != nil:
		return m.message(now, e.Message)
	default:
		if m.wakeAt.IsZero() || now.Before(m.wakeAt) {
			return nil
		}
		return m.timer(now)
	}
	return nil
}

// timer is a due timeout.
func (m *Machine) timer(now time.Time) []Action {
	switch m.state {
	case Selecting:
		return m.sendDiscover(now)
	case Requesting:
		if m.tries >= maxRequests {
			return m.discover(now)
		}
		return m.sendRequest(now)
	case Bound:
		m.newExchange(now)
		return m.renew(now)
	case Renewing, Rebinding:
		return m.renew(now)
	case Rebooting:
		if m.tries < maxRequests {
			return m.verify(now)
		}
		m.state, m.wakeAt = Bound, m.lease.Renew // RFC 2131 section 3.2: for the rest of its term
		return nil
	}
	m.wakeAt = time.Time{}
	return nil
}

// discover starts over.
func (m *Machine) discover(now time.Time) []Action {
	m.state, m.offer = Selecting, nil
	m.newExchange(now)
	return m.sendDiscover(now)
}

func (m *Machine) newExchange(now time.Time) {
	x := m.cfg.Random(1<<32 - 1)
	m.xid = dhcpv4.TransactionID{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)}
	m.begun, m.tries = now, 0
}

// backOff sets the timer for the next retry: doubling, with a quarter of jitter.
func (m *Machine) backOff(now time.Time) {
	d := min(firstRetry<<min(m.tries, 8), lastRetry)
	m.tries++
	jitter := time.Duration(m.cfg.Random(uint32(d/2/time.Millisecond)+1)) * time.Millisecond
	m.wakeAt = now.Add(d - d/4 + jitter)
}

func (m *Machine) sendDiscover(now time.Time) []Action {
	msg := m.newMessage(now, dhcpv4.MessageTypeDiscover)
	m.backOff(now)
	return []Action{{Broadcast: msg}}
}

func (m *Machine) sendRequest(now time.Time) []Action {
	msg := m.newMessage(now, dhcpv4.MessageTypeRequest)
	msg.UpdateOption(dhcpv4.OptRequestedIPAddress(m.offer.YourIPAddr))
	msg.UpdateOption(dhcpv4.OptServerIdentifier(m.offer.ServerIdentifier()))
	m.backOff(now)
	return []Action{{Broadcast: msg}}
}

// renew sends what is due in Bound, Renewing and Rebinding, or gives the lease up.
func (m *Machine) renew(now time.Time) []Action {
	l := m.lease
	if !now.Before(l.Expire) {
		m.lease = nil
		return append([]Action{{Drop: l}}, m.discover(now)...)
	}
	msg := m.newMessage(now, dhcpv4.MessageTypeRequest)
	msg.ClientIPAddr = l.Address.Addr().AsSlice()
	msg.SetUnicast()
	limit := l.Rebind
	act := Action{Unicast: msg, Server: l.Server}
	m.state = Renewing
	if !now.Before(l.Rebind) {
		m.state, limit, act = Rebinding, l.Expire, Action{Broadcast: msg}
	}
	m.tries++
	// Half of what is left, at least a minute, but not past the next state.
	next := now.Add(max(limit.Sub(now)/2, minRenewal))
	if next.After(limit) {
		next = limit
	}
	m.wakeAt = next
	return []Action{act}
}

func (m *Machine) stop(now time.Time) []Action {
	var acts []Action
	if l := m.lease; l != nil {
		msg := m.newMessage(now, dhcpv4.MessageTypeRelease)
		msg.ClientIPAddr = l.Address.Addr().AsSlice()
		msg.UpdateOption(dhcpv4.OptServerIdentifier(l.Server.AsSlice()))
		acts = append(acts, Action{Unicast: msg, Server: l.Server}, Action{Drop: l})
	}
	m.state, m.lease, m.offer, m.wakeAt = Stopped, nil, nil, time.Time{}
	return acts
}

// linkUp: the host may be in another network now. RFC 2131 section 3.7 wants the
// address verified, by whoever serves that network.
func (m *Machine) linkUp(now time.Time) []Action {
	switch m.state {
	case Selecting, Requesting:
		return m.discover(now)
	case Bound, Renewing, Rebinding, Rebooting:
		m.state = Rebooting
		m.newExchange(now)
		return m.verify(now)
	}
	return nil
}

// verify asks every server for the address that the host has (INIT-REBOOT).
func (m *Machine) verify(now time.Time) []Action {
	msg := m.newMessage(now, dhcpv4.MessageTypeRequest)
	msg.UpdateOption(dhcpv4.OptRequestedIPAddress(m.lease.Address.Addr().AsSlice()))
	m.backOff(now)
	return []Action{{Broadcast: msg}}
}
