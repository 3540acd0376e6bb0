package vm

import (
	"math"
	"math/bits"
	"time"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vcpu"
)

func (m *Machine) set(s host.State, reason string) {
	m.mu.Lock()
	m.state, m.reason, m.since = s, reason, time.Now()
	m.mu.Unlock()
}

func (m *Machine) current() host.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Status implements host.VM.
func (m *Machine) Status() host.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.last
	if m.b != nil {
		s = m.counters()
		s.Uptime = time.Since(m.start)
		s.MemoryUsed, s.MemoryOverhead = m.b.mem.Resident(), m.b.promised()
		if m.b.balloon != nil { // the board is being built
			m.b.balloonStatus(&s)
		}
	}
	s.State, s.Reason, s.Since = m.state, m.reason, m.since
	return s
}

// counters are what the powered machine has counted. m.mu is held.
func (m *Machine) counters() (s host.Status) {
	for i, c := range m.cpus {
		if m.share != nil {
			if i < m.conf.CPUs { // the others only wait
				s.CPUs = append(s.CPUs, m.share.Times(i))
				s.CPUTime += s.CPUs[i].Run
			}
			continue
		}
		hi, lo := bits.Mul64(c.v.Stats().Idle(m.p.TSC()), 1e6)
		idle, _ := bits.Div64(hi%max(m.p.TSCKHz, 1), lo, max(m.p.TSCKHz, 1))
		wait := time.Duration(idle & math.MaxInt64)
		one := host.CPUStats{Run: max(0, c.time()-wait)}
		if m.p.Stolen != nil { // of which a part is not the guest's
			ready := time.Duration(min(m.p.Stolen(m.conf.ID, c.v.Index), math.MaxInt64))
			one.Sched, one.Ready, one.Wait = true, ready, wait
			one.Run = max(0, one.Run-ready)
		}
		if len(s.CPUs) < m.conf.CPUs { // the others only wait
			s.CPUs = append(s.CPUs, one)
		}
		s.CPUTime += max(0, c.time()-wait)
	}
	for k := vcpu.Kind(0); k < vcpu.NumKinds; k++ {
		var n uint64
		for _, v := range m.b.cpus {
			n += v.Stats().Count(k)
		}
		if n > 0 {
			s.Exits = append(s.Exits, host.ExitCount{Kind: k.String(), Count: n})
		}
	}
	m.b.count(&s)
	return s
}

// count adds the counters of the devices. Any goroutine.
func (b *board) count(s *host.Status) {
	b.listMu.Lock()
	defer b.listMu.Unlock()
	for _, d := range b.devices {
		if d.count != nil {
			d.count(s)
		}
	}
}
