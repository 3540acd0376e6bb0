package linux

import (
	"slices"
	"testing"
	"unsafe"

	"basalt/vmkernel/cpusched"
)

// desk is a scheduler with processors and threads of a test's own, under the real
// policy, in made-up time: what a thread does is what the test says.
type desk struct {
	t     *testing.T
	s     *cpusched.Scheduler
	ids   map[uint32]cpusched.ID
	names map[cpusched.ID]uint32
	calls []string
	cpus  []*cpuState
	pool  []*thread
}

const testMS = 1 << 20

func newDesk(t *testing.T, cpus, threads int) *desk {
	t.Helper()
	if CPUs() != 0 {
		t.Skip("the kernel's own scheduler is in use")
	}
	s, err := cpusched.New(cpusched.Config{CPUs: cpus, Nodes: 200, TicksPerMS: testMS})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, s: s, ids: map[uint32]cpusched.ID{}, names: map[cpusched.ID]uint32{}}
	d.pool = newThreads(t, cpus+threads)
	const size = (unsafe.Sizeof(cpuState{}) + 63) &^ 63
	base := offHeap(t, cpus*int(size))
	for i, th := range d.pool {
		sched.threads[th.tid-1] = th.self
		th.aff = ^uint64(0)
		if i < cpus {
			c := cpuAt(base + uintptr(i)*size)
			c.id, c.idle, c.cur, c.self = uint32(i), th.self, th.self, base+uintptr(i)*size
			d.cpus = append(d.cpus, c)
			sched.cpus[i] = c.self
			sched.idleSet |= 1 << i
			// As package cpusched/ring0 does it.
			agent, err := s.AddVM(s.Root(), "agent", cpusched.Spec{Shares: 4000, Reservation: int64(max(250/cpus, 100))})
			if err != nil {
				t.Fatal(err)
			}
			d.know(agent, 1<<i, AgentName(i))
		}
	}
	d.pool = d.pool[cpus:]
	sched.ncpu, sched.governed = uint32(cpus), 1
	note := func(what string) { d.calls = append(d.calls, what) }
	policy = &Policy{
		Pick: func(cpu int, now uint64) (uint32, uint64, bool) {
			note("pick")
			p := s.Pick(cpu, int64(now))
			return d.names[p.VCPU], uint64(p.Slice), p.Bounded
		},
		Ran:   func(who uint32, now uint64) { note("ran"); s.Ran(d.ids[who], int64(now), 1<<62) },
		Slept: func(who uint32, now, n uint64) { note("slept"); s.Slept(d.ids[who], int64(now), int64(n)) },
		Lent:  func(who uint32, now, n uint64) { note("lent"); s.Lent(d.ids[who], int64(now), int64(n)) },
		Block: func(who uint32, now uint64) { note("block"); s.Block(d.ids[who], int64(now)) },
		Wake:  func(who uint32, now uint64) { note("wake"); s.Wake(d.ids[who], int64(now)) },
		Kicks: s.Kicks,
	}
	t.Cleanup(func() {
		sched = scheduler{}
		policy = nil
	})
	return d
}

func (d *desk) know(group cpusched.ID, affinity uint64, name uint32) {
	d.t.Helper()
	id, err := d.s.AddVCPU(group, affinity, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	d.ids[name], d.names[id] = id, name
}

// vcpu makes thread i the virtual CPU of a machine, which waits.
func (d *desk) vcpu(i int, p cpusched.Spec) *thread {
	d.t.Helper()
	return d.member(i, d.machine(p))
}

func (d *desk) machine(p cpusched.Spec) cpusched.ID {
	d.t.Helper()
	vm, err := d.s.AddVM(d.s.Root(), "vm", p)
	if err != nil {
		d.t.Fatal(err)
	}
	return vm
}

// member makes thread i a virtual CPU of vm, which waits.
func (d *desk) member(i int, vm cpusched.ID) *thread {
	d.t.Helper()
	t := d.pool[i]
	d.know(vm, 0, t.tid)
	t.state = stateBlocked
	t.word = uintptr(unsafe.Pointer(&t.sigxs)) // free here
	*t.guest() = InGuest
	return t
}

// wake is ready without the processor that runs it.
func (d *desk) wake(t *thread) {
	t.state = stateRunnable
	if t.inGuest() {
		sched.woken.push(t)
	} else {
		sched.enqueue(t)
	}
}

// look is the end of a handler on c: what leave does.
func (d *desk) look(c *cpuState) *thread {
	d.calls = nil
	t := c.choose(threadAt(c.cur))
	t.state = stateRunning
	if t.self == c.idle {
		sched.idleSet |= 1 << c.id
	} else {
		sched.idleSet &^= 1 << c.id
	}
	if t.self != c.cur {
		t.started = c.now()
	}
	c.cur, t.cpu = t.self, c.id
	return t
}

// hurry is Hurry without the processor that runs it.
func (d *desk) hurry(t *thread, on bool) {
	if sched.hurry(t, on, d.cpus[0].now()) {
		d.wake(t)
	}
	sched.passKicks(d.cpus[0])
}

// over lets time pass until c's slice has ended, whatever it was.
func (d *desk) over(*cpuState) {
	for _, c := range d.cpus {
		c.tscOffset -= 6 * testMS
	}
}

func (d *desk) runs(c *cpuState, want *thread, calls ...string) {
	d.t.Helper()
	if got := d.look(c); got != want {
		d.t.Fatalf("thread %d runs, want %d", got.tid, want.tid)
	}
	if !slices.Equal(d.calls, calls) {
		d.t.Errorf("calls %v, want %v", d.calls, calls)
	}
}
