package linux

import (
	"slices"
	"testing"

	"basalt/vmkernel/cpusched"
)

// A virtual CPU that nobody competes with runs on without a timer or a decision.
func TestAlone(t *testing.T) {
	d := newDesk(t, 1, 1)
	c, v := d.cpus[0], d.vcpu(0, cpusched.Spec{})
	d.wake(v)
	d.runs(c, v, "wake", "pick")
	d.over(c)
	c.resched = 1
	d.runs(c, v)
	if c.wanted() != ^uint64(0) {
		t.Error("a timer is wanted")
	}
	c.block(v, waitFutex)
	if idle := d.look(c); idle.self != c.idle || c.wanted() != ^uint64(0) {
		t.Errorf("thread %d runs, timer %d", idle.tid, c.wanted())
	}
	c.resched = 1
	d.runs(c, threadAt(c.idle)) // an idle processor that is kicked for nothing
	d.over(c)
	d.wake(v)
	c.resched = 1
	d.runs(c, v) // nobody has to be asked
	c.tell(c.now())
	if times, _ := d.s.Times(d.ids[v.tid], int64(c.now())); times.Wait < 6*testMS || times.Run > 11*testMS {
		t.Errorf("%+v", times)
	}
}

// Two take turns, and a timer is set for the end of the slice.
func TestTurns(t *testing.T) {
	d := newDesk(t, 1, 2)
	c, v, w := d.cpus[0], d.vcpu(0, cpusched.Spec{}), d.vcpu(1, cpusched.Spec{})
	d.wake(v)
	d.look(c)
	d.wake(w)
	c.resched = 1
	d.runs(c, v, "wake")
	if c.wanted() != c.sliceEnd {
		t.Error("nobody ends the slice")
	}
	turns := map[*thread]int{}
	for range 20 {
		d.over(c)
		c.resched = 1
		turns[d.look(c)]++
	}
	if turns[v] < 9 || turns[w] < 9 {
		t.Errorf("%d and %d turns of 20", turns[v], turns[w])
	}
}

// Ordinary Go that loses its processor goes on among the agent's threads, and waits
// for the policy again before its guest runs.
func TestLosesItInGo(t *testing.T) {
	d := newDesk(t, 1, 3)
	c, v, w, agent := d.cpus[0], d.vcpu(0, cpusched.Spec{}), d.vcpu(1, cpusched.Spec{}), d.pool[2]
	d.wake(v)
	d.look(c)
	*v.guest() = InGo
	d.wake(w)
	d.over(c)
	c.resched = 1
	d.look(c)
	if v.state != stateRunning && !sched.has(c) || v.state == stateRunning && c.who != AgentName(0) {
		t.Fatal("it is not one of the agent's")
	}
	for range 10 { // the agent gets its turn
		if c.cur == v.self {
			break
		}
		d.over(c)
		c.resched = 1
		d.look(c)
	}
	if c.cur != v.self || c.who != AgentName(0) {
		t.Fatalf("thread %d runs as %d", threadAt(c.cur).tid, c.who)
	}
	// Another of the agent's gets the rest of the slice without a decision.
	d.wake(agent)
	c.resched = yielding
	d.runs(c, agent)
	c.block(agent, waitSleep)
	d.runs(c, v)
	if *v.guest() != MustEnter {
		t.Fatal("nothing calls EnterGuest")
	}
	c.enterGuest(v)
	d.look(c)
	if !slices.Equal(d.calls, []string{"wake", "block", "pick"}) || sched.waiting != 1 || sched.queued != 0 {
		t.Errorf("%v, %d wait, %d queued", d.calls, sched.waiting, sched.queued)
	}
}

// A limit ends the slice of whoever runs alone, and a timer ends the pause.
func TestLimitNeedsNobodyElse(t *testing.T) {
	d := newDesk(t, 1, 1)
	c, v := d.cpus[0], d.vcpu(0, cpusched.Spec{Limit: 100})
	d.wake(v)
	d.look(c)
	if c.wanted() != c.sliceEnd {
		t.Fatal("nobody ends the slice")
	}
	for range 10 {
		if c.cur == c.idle {
			break
		}
		d.over(c)
		c.resched = 1
		d.look(c)
	}
	if c.cur != c.idle || c.wanted() == ^uint64(0) || c.wanted() < c.now() {
		t.Fatalf("thread %d runs, timer in %d ticks", threadAt(c.cur).tid, int64(c.wanted()-c.now()))
	}
}

// Who runs unbounded elsewhere is interrupted when somebody begins to wait.
func TestOthersHearOfIt(t *testing.T) {
	d := newDesk(t, 2, 3)
	for i, c := range d.cpus {
		d.wake(d.vcpu(i, cpusched.Spec{}))
		d.look(c)
	}
	a, b := d.cpus[0], d.cpus[1]
	if a.bounded != 0 || b.bounded != 0 {
		t.Fatal("bounded without need")
	}
	d.wake(d.vcpu(2, cpusched.Spec{}))
	a.resched = 1
	d.look(a)
	if a.bounded == 0 || b.kicked == 0 {
		t.Fatalf("bounded %d, kicked %d", a.bounded, b.kicked)
	}
	b.resched = 1
	if d.look(b); b.wanted() != b.sliceEnd {
		t.Error("nobody ends the slice there")
	}
}

// A guest that spins gives way to one that waits before its slice ends; alone it goes
// on without a decision.
func TestYields(t *testing.T) {
	d := newDesk(t, 1, 2)
	c, v, w := d.cpus[0], d.vcpu(0, cpusched.Spec{}), d.vcpu(1, cpusched.Spec{})
	d.wake(v)
	d.look(c)
	c.resched = yielding
	d.runs(c, v)
	if Contended() {
		t.Error("nobody waits")
	}
	d.wake(w)
	c.resched = 1
	d.runs(c, v, "wake")
	if !Contended() {
		t.Error("somebody waits")
	}
	c.tscOffset -= testMS
	c.resched = yielding
	d.runs(c, w, "ran", "pick")
}

// A virtual CPU that has to stop runs as one of the agent's, wherever it waits: far
// over its limit, or in a halt on a processor that goes on believing in it.
func TestHurry(t *testing.T) {
	d := newDesk(t, 2, 2)
	a, b := d.cpus[0], d.cpus[1]
	v := d.vcpu(0, cpusched.Spec{Limit: 10})
	d.wake(v)
	d.look(a)
	d.over(a)
	a.resched = 1
	d.runs(a, threadAt(a.idle), "ran", "pick")
	if sched.waiting != 1 {
		t.Fatal("the limit does not hold it")
	}
	d.hurry(v, true)
	b.resched = 1
	d.look(b)
	if b.cur != v.self || b.who != AgentName(1) || sched.waiting != 0 {
		t.Fatalf("thread %d runs as %d", threadAt(b.cur).tid, b.who)
	}
	*v.guest() = InGo
	b.block(v, waitFutex)
	d.runs(b, threadAt(b.idle))
	d.hurry(v, false)
	d.wake(v)
	b.resched = 1
	d.look(b)
	if *v.guest() != MustEnter {
		t.Fatal("its guest would run on the agent's account")
	}

	w := d.vcpu(1, cpusched.Spec{})
	d.wake(w)
	a.resched = 1
	d.look(a)
	if b.block(v, waitFutex); a.cur != w.self {
		t.Fatal("it does not run")
	}
	d.look(b)
	a.block(w, waitFutex)
	if d.look(a); !a.rests() || a.who != w.tid {
		t.Fatal("it does not rest")
	}
	d.hurry(w, true)
	d.wake(w)
	b.resched = 1
	d.look(b)
	if b.cur != w.self || a.who != 0 {
		t.Fatalf("thread %d runs, %d rests", threadAt(b.cur).tid, a.who)
	}
	d.hurry(w, false) // before it saw anything
	if b.kicked == 0 {
		t.Error("its guest runs on the agent's account")
	}
	b.resched = 1
	if d.look(b); b.cur != w.self || b.use != w.tid {
		t.Errorf("thread %d runs as %d", threadAt(b.cur).tid, b.use)
	}
}

// What halts for the agent, or for a sibling, and what that wakes, costs no decision,
// and each has the time that it had.
func TestLent(t *testing.T) {
	d := newDesk(t, 1, 3)
	c, v, w, agent := d.cpus[0], d.vcpu(0, cpusched.Spec{}), d.vcpu(1, cpusched.Spec{}), d.pool[2]
	pass := func() { c.tscOffset -= testMS / 10 }
	for _, th := range []*thread{w, v} { // both have had a decision
		d.wake(th)
		c.resched = 1
		d.look(c)
		c.block(th, waitFutex)
		d.look(c)
	}
	c.look = 1
	c.resched = 1
	d.look(c)
	d.wake(v)
	c.resched = 1
	d.runs(c, v, "wake", "pick")

	before := map[*thread]cpusched.Times{}
	for _, th := range []*thread{v, w} {
		before[th], _ = d.s.Times(d.ids[th.tid], int64(c.now()))
	}
	calls := 0
	for range 10 { // a request to the agent, and an interrupt to the sibling
		for _, next := range []*thread{agent, w, v} {
			pass()
			last := threadAt(c.cur)
			d.wake(next)
			c.resched = 1
			d.runs(c, last)
			c.block(last, waitFutex)
			if d.look(c) != next {
				t.Fatalf("thread %d runs, want %d: %v", threadAt(c.cur).tid, next.tid, d.calls)
			}
			calls += len(d.calls)
		}
	}
	if calls > 30 {
		t.Errorf("%d calls of the policy for 30 changes in 3 ms: %v", calls, d.calls)
	}
	c.tell(c.now())
	for _, th := range []*thread{v, w} {
		now, _ := d.s.Times(d.ids[th.tid], int64(c.now()))
		if got := now.Run - before[th].Run; got < testMS*3/4 || got > testMS*3/2 {
			t.Errorf("thread %d had %d thousandths of a millisecond, not 1000", th.tid, got*1000/testMS)
		}
	}
}

// TestExclusivelyBeforeThePolicy: whoever makes a policy needs Exclusively for its
// tables, before it is plugged in.
func TestExclusivelyBeforeThePolicy(t *testing.T) {
	d := newDesk(t, 2, 1)
	kept := policy
	policy = nil
	t.Cleanup(func() { policy, oneCall = kept, nil })
	called := 0
	oneCall = func() { called++ }
	if e := d.cpus[0].locked(); e != 0 || called != 1 {
		t.Errorf("error %d, called %d times", -e, called)
	}
}

// A limit that is set while a virtual CPU runs on a loan, on another processor and for
// as long as it likes since nobody waits, ends that.
func TestLimitEndsLoan(t *testing.T) {
	d := newDesk(t, 2, 2)
	a, b := d.cpus[0], d.cpus[1]
	vm := d.machine(cpusched.Spec{})
	v, w := d.vcpu(0, cpusched.Spec{}), d.member(1, vm)
	v.aff, w.aff = 1<<1, 1<<1
	if err := d.s.SetAffinity(d.ids[v.tid], 0, 1<<1); err != nil {
		t.Fatal(err)
	}
	if err := d.s.SetAffinity(d.ids[w.tid], 0, 1<<1); err != nil {
		t.Fatal(err)
	}
	for _, th := range []*thread{w, v} {
		d.wake(th)
		b.look, b.resched = 1, 1
		d.look(b)
		b.block(th, waitFutex)
		d.look(b)
	}
	d.wake(w)
	b.resched = 1
	if d.look(b); b.cur != w.self || b.who != v.tid || b.use != w.tid {
		t.Fatalf("thread %d runs as %d, in the grant of %d", threadAt(b.cur).tid, b.use, b.who)
	}
	d.over(b)
	kicked := b.kicked
	oneCall = func() {
		if err := d.s.Set(vm, int64(a.now()), cpusched.Spec{Limit: 100}); err != nil {
			t.Error(err)
		}
	}
	if e := a.locked(); e != 0 || b.kicked == kicked {
		t.Fatalf("error %d, and its processor is not told", -e)
	}
	b.resched = 1
	if d.look(b); b.limited == 0 || b.wanted() == ^uint64(0) {
		t.Errorf("%d runs there, limited %d", b.who, b.limited)
	}
}

// Who waits for one processor does not have all those interrupted that rest.
func TestRestsUndisturbed(t *testing.T) {
	d := newDesk(t, 4, 6)
	for i, c := range d.cpus[1:] {
		v := d.vcpu(i, cpusched.Spec{})
		d.wake(v)
		c.look, c.resched = 1, 1
		d.look(c)
		c.block(v, waitFutex)
		if d.look(c); !c.rests() {
			t.Fatalf("processor %d does not rest", c.id)
		}
	}
	c, w, agent := d.cpus[0], d.vcpu(4, cpusched.Spec{}), d.pool[5]
	d.wake(w)
	c.resched = 1
	d.look(c)
	agent.aff = 1
	d.wake(agent)
	before := uint64(0)
	for _, o := range d.cpus[1:] {
		before += o.kicked
	}
	for range 10 {
		c.resched = 1
		d.look(c)
	}
	after := uint64(0)
	for _, o := range d.cpus[1:] {
		after += o.kicked
	}
	if after != before {
		t.Errorf("%d interrupts to those that rest", after-before)
	}
	if c.wanted() == ^uint64(0) {
		t.Error("nobody ends the slice")
	}
}
