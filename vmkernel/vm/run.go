package vm

import (
	"errors"
	"time"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
)

// stopWait is how long the owner waits for a virtual CPU to leave its guest. Tests
// shorten it.
var stopWait = 10 * time.Second

var errStuck = errors.New("vm: a virtual CPU did not stop")

// release lets the processors run. One that has not come back from its last run
// (after errStuck) goes on with that.
func (m *Machine) release() {
	m.b.unhold()
	m.b.clock.Resume()
	if m.running == 0 {
		m.b.time.begin()
	}
	for i, c := range m.cpus {
		if m.share != nil {
			m.share.Hurry(i, false)
		}
		c.v.ClearStop()
		if !c.running {
			c.running = true
			m.running++
			c.run <- struct{}{}
		}
	}
}

// took notes that a processor has stopped.
func (m *Machine) took(s stopped) {
	s.c.running = false
	m.running--
}

// halt makes every processor leave its guest, within stopWait. own is why one of
// them stopped by itself in the same moment, if one did.
func (m *Machine) halt() (own vcpu.Stop, err error) {
	for i, c := range m.cpus {
		c.v.RequestStop()
		if m.share != nil {
			m.share.Hurry(i, true)
		}
	}
	t := time.NewTimer(stopWait)
	defer t.Stop()
	for m.running > 0 {
		select {
		case s := <-m.reports:
			m.took(s)
			if s.stop.Kind != vcpu.StopRequested {
				own = s.stop
			}
		case <-t.C:
			return own, errStuck
		}
	}
	return own, nil
}

// drain forgets what devices asked for before.
func (m *Machine) drain() {
	m.later, m.again = reqNone, nil
	for {
		select {
		case <-m.requests:
		default:
			return
		}
	}
}

func (m *Machine) pause() error {
	own, err := m.halt()
	if err != nil {
		m.release()
		return err
	}
	m.frozen = m.stopClock()
	if m.again != nil {
		m.later, m.again = reqReset, nil
	}
	switch own.Kind {
	case vcpu.StopNone:
	case vcpu.StopInit:
		m.later = reqReset
	default: // it crashed in the same moment
		m.crash(own.Reason)
		return &host.StateError{Action: "pause", State: host.StateCrashed}
	}
	m.set(host.StatePaused, "")
	return nil
}

func (m *Machine) resume() error {
	m.set(host.StateRunning, "")
	if r := m.later; r != reqNone {
		m.later = reqNone
		m.device(r) // the guest executes nothing before it
		return nil
	}
	at := m.startClock()
	for _, v := range m.b.cpus {
		v.HoldTSC(at - m.frozen)
		v.ClockChanged()
	}
	m.release()
	return nil
}
