package linux

import (
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"basalt/arch/x86/cpu"
	"basalt/vmkernel/cpusched"
)

// plant is a desk whose processors look only when they have to: at an interrupt, at the
// timer that they asked for, and when what runs there calls. So what nobody hears of, or
// no timer ends, shows.
type plant struct {
	*desk
	r     *rand.Rand
	clock uint64
	jumps uint64   // how much of the clock's time was the test's own
	quiet uint64   // how many times as long everything takes
	seen  []uint64 // interrupts taken, of each processor
	due   []uint64 // when one that was sent is taken
	jobs  []*job
	vms   []*machine
	had   map[uint32]int64
}

// job is what a thread does.
type job struct {
	t     *thread
	left  uint64 // until it calls
	next  uint64 // when something wakes it, if nothing did before
	ready uint64 // since when it wants to run and does not; 0: it does, or waits
	idle  uint64 // since when, besides, a processor has nothing to do that could run it
	spins bool   // it never waits
	cycle uint64 // so long it computes, and then waits a little longer
	vm    *machine
	word  uintptr // of one that is none of its machine's for a while
	worst uint64
}

// machine is what some of the threads belong to.
type machine struct {
	id    cpusched.ID
	size  int64
	limit int64
	since uint64 // when it got its limit
	had   int64  // and what it had had by then
	jumps uint64
}

func newPlant(t *testing.T, r *rand.Rand, cpus, threads int) *plant {
	p := &plant{desk: newDesk(t, cpus, threads), r: r, clock: cpu.RDTSC(), had: map[uint32]int64{}}
	p.seen, p.due = make([]uint64, cpus), make([]uint64, cpus)
	for _, th := range p.pool {
		th.state = stateBlocked
		p.jobs = append(p.jobs, &job{t: th, next: p.clock})
	}
	p.steady()
	p.sync()
	return p
}

// sync sets all clocks to the plant's, which stands still while something is done.
func (p *plant) sync() {
	off := cpu.RDTSC() - p.clock
	for _, c := range p.cpus {
		c.tscOffset = off
	}
}

// on makes c the processor that runs the test.
func (p *plant) on(c *cpuState) {
	const archSetGS = 0x1001
	if _, _, e := syscall.RawSyscall(sysArchPrctl, archSetGS, c.self, 0); e != 0 {
		p.t.Fatal(e)
	}
	p.sync()
}

func (p *plant) job(va uintptr) *job {
	for _, j := range p.jobs {
		if j.t.self == va {
			return j
		}
	}
	return nil
}

// leaves is the end of a handler on c.
func (p *plant) leaves(c *cpuState) {
	if c.gone != 0 || c.resched != 0 {
		p.look(c)
	}
	if at := c.wanted(); at != ^uint64(0) && mustArm(c.armed, at, p.clock) {
		c.armed = at
	}
}

// wakes is what wakes a thread: c has an event for it.
func (p *plant) wakes(c *cpuState, j *job) {
	if j.t.state == stateBlocked {
		sched.wakeUp(j.t, 0)
	}
}

// some is a random time, mostly short.
func (p *plant) some(most uint64) uint64 {
	return 1 + p.quiet*p.r.Uint64N(1+most>>p.r.IntN(8))
}

// calls is what the thread that runs on c does when it has computed enough.
func (p *plant) calls(c *cpuState, j *job) {
	t := j.t
	j.left = p.some(3 * testMS)
	if j.cycle != 0 {
		j.left, j.next = j.cycle, p.clock+j.cycle*5/4
		c.block(t, waitSleep)
		p.leaves(c)
		return
	}
	if j.spins {
		j.left = 50 * testMS
		return
	}
	switch k := p.r.IntN(10); {
	case p.r.IntN(30) == 0 && p.becomes(c, j):
	case k < 4: // it waits
		if t.word != 0 && p.r.IntN(3) == 0 {
			*t.guest() = InGo // and came out before
		}
		j.next = ^uint64(0)
		if p.r.IntN(2) == 0 {
			t.wake = p.clock + p.some(20*testMS)
			sched.timers.add(t)
		} else {
			j.next = p.clock + p.some(20*testMS)
		}
		c.block(t, waitSleep)
	case k < 7: // it wakes another, as Unpark does
		p.wakes(c, p.jobs[p.r.IntN(len(p.jobs))])
		if c.resched != 0 {
			c.interrupt()
		}
		if at := c.wanted(); at != ^uint64(0) && mustArm(c.armed, at, p.clock) {
			c.armed = at
		}
		return
	case k < 8:
		if t.word == 0 || Contended() {
			c.resched = yielding
		}
	case t.word == 0:
	case *t.guest() == InGuest:
		*t.guest() = InGo
		j.left = p.some(testMS / 4)
		return
	case *t.guest() == MustEnter:
		c.enterGuest(t)
	default:
		*t.guest() = InGuest
		return
	}
	p.leaves(c)
}

// becomes makes a thread something else, if it is where it can: a virtual CPU one of the
// agent's and back, and one of the agent's one that may run elsewhere.
func (p *plant) becomes(c *cpuState, j *job) bool {
	t := j.t
	switch {
	case j.vm == nil:
		t.aff = 1 + p.r.Uint64N(1<<len(p.cpus)-1)
		if t.aff>>c.id&1 == 0 { // as setAffinity does
			c.gone = 1
			c.off(t, c.now())
			sched.ready(t)
		}
	case t.word == 0:
		c.govern(t, j.word)
	case *t.guest() == InGuest:
		return false
	default:
		j.word = t.word
		c.govern(t, 0)
	}
	return true
}

// step does what comes next.
func (p *plant) step() {
	next, where, what := ^uint64(0), p.cpus[0], func() {}
	first := func(at uint64, c *cpuState, f func()) {
		if at < next || at == next && p.r.IntN(2) == 0 {
			next, where, what = at, c, f
		}
	}
	for i, c := range p.cpus {
		if c.kicked != p.seen[i] {
			if p.due[i] == 0 {
				p.due[i] = p.clock + p.r.Uint64N(testMS/50)
			}
			first(p.due[i], c, func() {
				p.seen[i], p.due[i] = c.kicked, 0
				c.resched = max(c.resched, 1)
				p.leaves(c)
			})
		}
		if c.armed != 0 {
			first(max(c.armed, p.clock), c, func() {
				c.tick()
				p.leaves(c)
			})
		}
		if j := p.job(c.cur); j != nil {
			first(p.clock+j.left, c, func() {
				p.calls(c, j)
			})
		}
	}
	for _, j := range p.jobs {
		if j.t.state == stateBlocked && j.next != ^uint64(0) {
			c := p.cpus[p.r.IntN(len(p.cpus))] // an interrupt of a device
			first(max(j.next, p.clock), c, func() {
				j.next = ^uint64(0)
				p.wakes(c, j)
				p.leaves(c)
			})
		}
	}
	if next == ^uint64(0) {
		p.t.Fatal("nothing ever happens again")
	}
	next = max(next, p.clock)
	d := next - p.clock
	p.clock = next
	for _, c := range p.cpus {
		p.had[c.use] += int64(d)
		if j := p.job(c.cur); j != nil {
			j.left -= min(d, j.left)
		}
	}
	p.do(where, what)
}

// do does something on c. It takes a moment until somebody else has a processor.
func (p *plant) do(c *cpuState, what func()) {
	p.on(c)
	var use [maxCPUs]uint32
	for i, c := range p.cpus {
		use[i] = c.use
	}
	what()
	late := p.clock
	for _, c := range p.cpus {
		late = max(late, c.useAt)
	}
	if jump := c.now() - p.clock; jump > moment { // the test itself had to wait: undo that
		p.jumps += jump
		late = min(late, p.clock+moment)
		for _, o := range p.cpus {
			o.useAt = min(o.useAt, late)
		}
		c.sliceEnd = min(c.sliceEnd, late+5*testMS)
		c.graceEnd = min(c.graceEnd, late+graceTicks)
		threadAt(c.cur).started = min(threadAt(c.cur).started, late)
		if at := c.wanted(); at != ^uint64(0) {
			c.armed = at
		}
	}
	for i := range p.cpus {
		p.had[use[i]] += int64(late - p.clock)
	}
	p.clock = late
}

// moment is how long what a processor does takes at most: the policy sees no more of it
// if the test itself had to wait meanwhile.
const moment = testMS / 100

func (p *plant) steady() {
	q, at := *policy, func(now uint64) uint64 { return min(now, p.clock+moment) }
	policy = &Policy{
		Pick:  func(cpu int, now uint64) (uint32, uint64, bool) { return q.Pick(cpu, at(now)) },
		Ran:   func(who uint32, now uint64) { q.Ran(who, at(now)) },
		Slept: func(who uint32, now, d uint64) { q.Slept(who, at(now), d) },
		Lent:  func(who uint32, now, d uint64) { q.Lent(who, at(now), d) },
		Block: func(who uint32, now uint64) { q.Block(who, at(now)) },
		Wake:  func(who uint32, now uint64) { q.Wake(who, at(now)) },
		Kicks: q.Kicks,
	}
}

// watch notes who waits, and for how long although a processor is free.
func (p *plant) watch(least uint64) {
	for _, j := range p.jobs {
		if j.t.state != stateRunnable {
			j.ready, j.idle = 0, 0
			continue
		}
		if j.ready == 0 {
			j.ready = p.clock
		}
		j.worst = max(j.worst, p.clock-j.ready)
		free := false
		for _, c := range p.cpus {
			free = free || c.cur == c.idle && j.t.aff>>c.id&1 != 0
		}
		if j.vm != nil { // a limit, or a sibling, may hold it
			_, state := p.s.Times(p.ids[j.t.tid], 0)
			free = free && state != cpusched.CoStopped && (state != cpusched.Ready || j.vm.limit == 0)
		}
		if !free {
			j.idle = 0
		} else if j.idle == 0 {
			j.idle = p.clock
		}
		if j.idle != 0 && p.clock-j.idle > least {
			p.t.Fatalf("thread %d (virtual CPU %v) waits for %d us while a processor has nothing to do; it waits since %d us", j.t.tid, j.t.word != 0,
				(p.clock-j.idle)*1000/testMS, (p.clock-j.ready)*1000/testMS)
		}
	}
}

// run is what all virtual CPUs of m had.
func (p *plant) run(m *machine) (sum int64) {
	for _, j := range p.jobs {
		if j.vm == m {
			sum += p.had[j.t.tid]
		}
	}
	return
}

// manage does what the agent does for management, on c.
func (p *plant) manage(c *cpuState) {
	m := p.vms[p.r.IntN(len(p.vms))]
	switch p.r.IntN(3) {
	case 0: // somebody reads times
		oneCall = func() {}
		p.do(c, func() { c.locked() })
	case 1: // a machine is told to stop, or to go on
		on := p.r.IntN(3) == 0
		for _, j := range p.jobs {
			if j.vm == m {
				p.do(c, func() { c.hurry(uint64(j.t.tid), on) })
			}
		}
	case 2:
		if p.r.IntN(4) == 0 {
			oneCall = func() {
				m.limit = p.r.Int64N(2) * (100 + p.r.Int64N(700))
				if err := p.s.Set(m.id, int64(p.clock), cpusched.Spec{Shares: 1000 * m.size, Limit: m.limit}); err != nil {
					p.t.Fatal(err)
				}
			}
			m.since, m.had, m.jumps = p.clock, p.run(m), p.jumps
			p.do(c, func() { c.locked() })
		}
	}
	p.do(c, func() { p.leaves(c) })
}

// kept fails if a machine had more than its limit.
func (p *plant) kept() {
	for i, m := range p.vms {
		had, most := p.run(m)-m.had, m.limit*int64(p.clock-m.since)/1000
		if over := had - most; m.limit != 0 && over > 60*testMS+m.size*int64(p.jumps-m.jumps) {
			p.t.Fatalf("machine %d with a limit of %d had %d ms more since %d ms", i, m.limit, over/testMS, (p.clock-m.since)/testMS)
		}
	}
}

// TestNobodyIsForgotten: whoever wants to run does, as soon as a processor has nothing
// else to do, and in a while in any case; all time is somebody's; limits are kept.
func TestNobodyIsForgotten(t *testing.T) {
	for seed := range uint64(12) {
		t.Run("free", func(t *testing.T) { forgotten(t, rand.New(rand.NewPCG(seed, 11)), false) })
		t.Run("managed", func(t *testing.T) { forgotten(t, rand.New(rand.NewPCG(seed, 12)), true) })
	}
}

func forgotten(t *testing.T, r *rand.Rand, managed bool) {
	runtime.LockOSThread() // its GS is the processor that it plays
	defer runtime.UnlockOSThread()
	const agents = 3
	cpus := []int{1, 2, 3, 4, 1, 2, 3, 4, 64}[r.IntN(9)]
	p := newPlant(t, r, cpus, 1+min(cpus, 6)+r.IntN(5)+agents)
	p.quiet = []uint64{1, 1, 10, 100}[r.IntN(4)]
	n := len(p.pool) - agents
	for i := range n {
		if i == 0 || r.IntN(3) != 0 {
			p.vms = append(p.vms, &machine{id: p.machine(cpusched.Spec{})})
		}
		m := p.vms[len(p.vms)-1]
		p.member(i, m.id)
		m.size++
		if err := p.s.Set(m.id, int64(p.clock), cpusched.Spec{Shares: 1000 * m.size}); err != nil {
			t.Fatal(err)
		}
		p.jobs[i].vm = m
	}
	for _, j := range p.jobs[:r.IntN(3)] {
		j.spins = j.vm != nil
	}
	for _, j := range p.jobs[n:] {
		if r.IntN(4) == 0 {
			j.t.aff = 1 << r.IntN(cpus)
		}
	}
	for range 20000 {
		p.step()
		if managed && r.IntN(50) == 0 {
			p.manage(p.cpus[r.IntN(cpus)])
		}
		p.check()
		p.watch(testMS * 5 / 4)
		p.kept()
	}
	most := uint64(400 * testMS)
	if managed {
		most = 2000 * testMS // limits
	}
	for _, j := range p.jobs {
		if j.worst > most {
			t.Errorf("thread %d waited %d ms", j.t.tid, j.worst/testMS)
		}
	}
	oneCall = func() {}
	p.do(p.cpus[0], func() { p.cpus[0].locked() })
	delete(p.had, 0)
	for name, want := range p.had {
		times, _ := p.s.Times(p.ids[name], int64(p.clock))
		if off := times.Run - want; max(off, -off) > testMS/2+int64(p.jumps) {
			t.Errorf("%d had %d us, the policy counts %d", name, want*1000/testMS, times.Run*1000/testMS)
		}
	}
}
