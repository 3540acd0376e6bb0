package cpusched

import (
	"math"
	"math/bits"
	"testing"
)

const ms = int64(1_000_000)

// task is what a virtual CPU does in the simulator.
type task struct {
	id          ID
	burst       int64 // runs so long, 0: for ever
	pause       int64 // then sleeps so long
	left        int64
	wakeAt      int64
	woke        int64 // when it woke and did not run since, -1: it did
	worst       int64 // longest time from waking to running
	born        int64
	affinity    uint64
	longestGap  int64 // longest time without running though it wanted
	wantedSince int64
}

type simCPU struct {
	task       *task
	start, end int64
}

// sim drives a Scheduler by events in simulated time.
type sim struct {
	t     testing.TB
	s     *Scheduler
	now   int64
	cpus  []simCPU
	tasks []*task
}

func newSim(t testing.TB, cpus int, agent Spec) *sim {
	s, err := New(Config{CPUs: cpus, Nodes: 700, Agent: agent})
	if err != nil {
		t.Fatal(err)
	}
	m := &sim{t: t, s: s, cpus: make([]simCPU, cpus)}
	for i := range m.cpus {
		m.cpus[i].end = math.MaxInt64
	}
	return m
}

func (m *sim) pool(parent ID, name string, p Spec) ID { return must(m.t)(m.s.AddPool(parent, name, p)) }

// vm makes a virtual machine with n spinning virtual CPUs.
func (m *sim) vm(parent ID, name string, n int, p Spec) ID {
	id := must(m.t)(m.s.AddVM(parent, name, p))
	for range n {
		m.add(id, 0, 0, 0)
	}
	return id
}

func must(t testing.TB) func(ID, error) ID {
	return func(id ID, err error) ID {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
}

func (m *sim) add(group ID, affinity uint64, burst, pause int64) *task {
	k := &task{id: must(m.t)(m.s.AddVCPU(group, affinity, m.now)), burst: burst, pause: pause,
		wakeAt: m.now, born: m.now, affinity: affinity, woke: -1}
	m.tasks = append(m.tasks, k)
	return k
}

// remove takes a task away in whatever state it is.
func (m *sim) remove(k *task) {
	for i := range m.cpus {
		if m.cpus[i].task == k {
			m.cpus[i] = simCPU{end: m.now} // it looks again by itself
		}
	}
	if err := m.s.Remove(k.id, m.now); err != nil {
		m.t.Fatal(err)
	}
	for i := range m.tasks {
		if m.tasks[i] == k {
			m.tasks = append(m.tasks[:i], m.tasks[i+1:]...)
			break
		}
	}
	m.kicks()
}

func (m *sim) kicks() {
	for range 1000 {
		k := m.s.Kicks()
		if k == 0 {
			return
		}
		for ; k != 0; k &= k - 1 {
			m.look(bits.TrailingZeros64(k))
		}
	}
	m.t.Fatal("kicks without end")
}

// look is a decision on one processor.
func (m *sim) look(cpu int) {
	c := &m.cpus[cpu]
	if k := c.task; k != nil {
		ran := m.now - c.start
		k.left -= ran
		k.wantedSince = m.now
		m.s.Ran(k.id, m.now, ran)
		if k.burst > 0 && k.left <= 0 {
			m.s.Block(k.id, m.now)
			k.wakeAt = m.now + k.pause
		}
		c.task = nil
	}
	d := m.s.Pick(cpu, m.now)
	if d.VCPU == None {
		*c = simCPU{end: math.MaxInt64}
		if d.Slice > 0 {
			c.end = m.now + d.Slice
		}
		return
	}
	k := m.find(d.VCPU)
	switch {
	case k == nil:
		m.t.Fatalf("%d: processor %d got an unknown virtual CPU", m.now, cpu)
	case d.Slice <= 0:
		m.t.Fatalf("%d: a slice of %d", m.now, d.Slice)
	case k.affinity != 0 && k.affinity>>cpu&1 == 0:
		m.t.Fatalf("%d: %v runs on processor %d against its affinity %b", m.now, k.id, cpu, k.affinity)
	}
	for i := range m.cpus {
		if m.cpus[i].task == k {
			m.t.Fatalf("%d: processors %d and %d run one virtual CPU", m.now, i, cpu)
		}
	}
	if k.woke >= 0 {
		k.worst = max(k.worst, m.now-k.woke)
		k.woke = -1
	}
	k.longestGap = max(k.longestGap, m.now-k.wantedSince)
	*c = simCPU{task: k, start: m.now, end: m.now + d.Slice}
	if k.burst > 0 {
		c.end = min(c.end, m.now+k.left)
	}
}

func (m *sim) find(id ID) *task {
	for _, k := range m.tasks {
		if k.id == id {
			return k
		}
	}
	return nil
}

// run lets so many ticks pass.
func (m *sim) run(d int64) {
	end := m.now + d
	for {
		m.kicks()
		next := end
		for i := range m.cpus {
			next = min(next, m.cpus[i].end)
		}
		for _, k := range m.tasks {
			next = min(next, k.wakeAt)
		}
		m.now = max(m.now, next)
		if m.now >= end {
			m.check()
			return
		}
		for _, k := range m.tasks {
			if k.wakeAt <= m.now {
				k.wakeAt = math.MaxInt64
				k.left, k.woke, k.wantedSince = k.burst, m.now, m.now
				m.s.Wake(k.id, m.now)
			}
		}
		for i := range m.cpus {
			if m.cpus[i].end <= m.now {
				m.look(i)
			}
		}
	}
}

// check holds the accounting to its sums.
func (m *sim) check() {
	for _, k := range m.tasks {
		t, _ := m.s.Times(k.id, m.now)
		if sum := t.Run + t.Ready + t.Wait + t.CoStop; sum != m.now-k.born {
			m.t.Fatalf("%v: %+v is %d in all, it is %d old", k.id, t, sum, m.now-k.born)
		}
	}
	consistent(m.t, m.s)
}

// used is the run time of all virtual CPUs of a group.
func (m *sim) used(group ID) (sum int64) {
	i := m.s.at(group)
	for _, k := range m.tasks {
		for up := m.s.at(k.id); up != nobody; up = m.s.nodes[up].parent {
			if up == i {
				t, _ := m.s.Times(k.id, m.now)
				sum += t.Run
			}
		}
	}
	return
}

// gain is what group runs in the next d ticks, in processors.
func (m *sim) gain(d int64, groups ...ID) []float64 {
	before := make([]int64, len(groups))
	for i, g := range groups {
		before[i] = m.used(g)
	}
	m.run(d)
	out := make([]float64, len(groups))
	for i, g := range groups {
		out[i] = float64(m.used(g)-before[i]) / float64(d)
	}
	m.t.Logf("%d processors, %d ms: %.4f", len(m.cpus), d/ms, out)
	return out
}

// near fails unless got is want within the part tolerance.
func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s: %.4f processors, want %.4f within %.0f %%", what, got, want, tolerance*100)
	}
}
