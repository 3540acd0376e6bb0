package vm

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"basalt/vmkernel/host"
)

// powerOn goes from off or crashed to running.
func (m *Machine) powerOn(b host.Boot) error {
	if m.current() == host.StateCrashed {
		m.powerOff("")
	}
	if m.p.Factory == nil {
		b.Close()
		return fmt.Errorf("vm: %w: %s", host.ErrNoEngine, m.p.Reason)
	}
	if len(b.Disks) != len(m.conf.Disks) {
		b.Close()
		return fmt.Errorf("vm: %d disks were given for %d of the configuration", len(b.Disks), len(m.conf.Disks))
	}
	m.boot = b
	m.set(host.StateStarting, "")
	m.mu.Lock()
	m.last = host.Status{}
	m.start = time.Now()
	m.mu.Unlock()
	share, err := m.admit()
	var bd *board
	if err == nil {
		bd, err = build(m.p, m.conf, share, standard(m.conf), false, b.Disks, &m.con, m.ask)
	}
	if err == nil {
		m.con.connect(bd)
		bd.generation = m.generation
		m.mu.Lock()
		m.b = bd
		m.mu.Unlock()
		_, err = bd.boot(images(b))
	}
	if err != nil {
		err = translate(err)
		m.powerOff(err.Error())
		return err
	}
	m.reports = make(chan stopped, len(bd.cpus))
	cpus := make([]*cpu, 0, len(bd.cpus))
	for _, v := range bd.cpus {
		cpus = append(cpus, newCPU(m.p, m.conf.ID, share, v, m.reports))
	}
	m.mu.Lock()
	m.cpus = cpus
	m.mu.Unlock()
	m.drain()
	m.resets, m.booted = 0, time.Now()
	m.set(host.StateRunning, "")
	m.p.event(m.conf.ID, "info", "started")
	m.release()
	return nil
}

// label is what messages of the policy call a machine.
func label(c host.Config) string { return cmp.Or(c.Name, c.ID) }

// cpuShares are the shares of a machine that asks for none, for each processor that it
// has.
const cpuShares = 1000

// entitled is what c asks for, with its shares filled in.
func entitled(c host.Config) host.CPUSpec {
	s := c.CPU
	if s.Shares == 0 {
		s.Shares = cpuShares * c.CPUs
	}
	return s
}

// admit asks for the processors' time that the machine is to have.
func (m *Machine) admit() (Entitlement, error) {
	if m.p.CPUs == nil {
		return nil, nil
	}
	share, err := m.p.CPUs.Admit(label(m.conf), m.conf.AllCPUs(), entitled(m.conf))
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.share = share
	m.mu.Unlock()
	return share, nil
}

// giveBack is the end of admit for a machine whose processors never were.
func (m *Machine) giveBack() {
	m.mu.Lock()
	share := m.share
	m.share = nil
	m.mu.Unlock()
	if share != nil {
		share.Release()
	}
}

// powerOff goes to off from anywhere.
func (m *Machine) powerOff(reason string) {
	b := m.b
	stuck, late := false, false
	if b != nil {
		if _, err := m.halt(); err != nil {
			// The thread cannot be taken back: its memory stays with it.
			m.p.log("vm %s: %v; its memory is kept", m.conf.ID, err)
			b, stuck = nil, true
		}
		for _, c := range m.cpus {
			close(c.run)
		}
		if b != nil {
			for _, c := range m.cpus {
				<-c.done
			}
			if err := b.close(); err != nil {
				m.p.log("vm %s: power off: %v", m.conf.ID, err)
				late = true
			}
		}
	}
	m.boot.Close()
	if late { // a disk has given back what was in flight by now
		if err := b.finish(); err != nil {
			m.p.log("vm %s: power off: %v; its memory is kept", m.conf.ID, err)
		}
	}
	m.boot = host.Boot{}
	m.con.disconnect()
	m.mu.Lock()
	if m.b != nil {
		m.last = m.counters()
		m.last.CPUs, m.last.Disks, m.last.NICs = nil, nil, nil
	}
	share := m.share
	m.b, m.cpus, m.share = nil, nil, nil
	m.mu.Unlock()
	if share != nil && !stuck { // a thread that cannot be taken back keeps its part, too
		share.Release()
	}
	m.running = 0
	m.reports = nil // a processor that was stuck reports to nobody
	m.drain()
	if m.current() != host.StateOff {
		m.set(host.StateOff, reason)
		m.p.event(m.conf.ID, "info", "off: "+reason)
	}
}

// errNoImages is the answer to a reset of a machine that was restored without the
// images that it once booted.
var errNoImages = errors.New("vm: the machine was restored without its boot images")

// restart is the reset button, or the guest's own reset.
func (m *Machine) restart() error {
	if m.boot.Kernel == nil {
		return errNoImages
	}
	if _, err := m.halt(); err != nil {
		m.release()
		return err
	}
	m.b.clock.Pause()
	if err := m.b.reset(); err != nil {
		m.crash(err.Error())
		return err
	}
	if _, err := m.b.boot(images(m.boot)); err != nil {
		err = translate(err)
		m.crash(err.Error())
		return err
	}
	m.drain()
	m.booted = time.Now()
	m.set(host.StateRunning, "")
	m.release()
	return nil
}

// resetPause is the shortest time between two starts that a guest can cause. A
// reset clears memory and loads the images again: without a pause a guest that does
// nothing else would keep the host busy. Tests shorten it.
var resetPause = 100 * time.Millisecond

// guestReset is the guest's own reset; its processors have been told to stop. One
// that comes too soon waits. One that resets itself for ever must not push
// everything else out of the host's event log either: the 1st, 2nd, 4th, 8th and so
// on are events.
func (m *Machine) guestReset() {
	if wait := resetPause - time.Since(m.booted); wait > 0 {
		m.again = time.After(wait)
		return
	}
	if err := m.restart(); err != nil {
		m.p.log("vm %s: reset: %v", m.conf.ID, err)
		if errors.Is(err, errNoImages) {
			m.powerOff("reset by the guest: " + err.Error())
		}
		return
	}
	m.resets++
	if n := m.resets; n&(n-1) == 0 {
		m.p.event(m.conf.ID, "info", fmt.Sprintf("reset by the guest, %d since the start", n))
	}
}
